"""How a run ends before its time, and is told all the same."""
