"""The fake server as a process: options, event loop, workers, live view, and a clean end."""
