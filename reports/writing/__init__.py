"""The files of a finished run: one table of formats, and the one place where a format's fault is caught."""
