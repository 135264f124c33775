"""The baseline: failures that a repository expects, read, held against a run and brought up to date."""
