"""What a run is judged by beside its verdicts: a level, the run before, the share that must be decided."""
