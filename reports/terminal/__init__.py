"""The summary at the end of a run, for a terminal or for the plain log of a CI."""
