"""The baseline: failures that a backend's repository expects, read, held against a run, brought up to date."""
