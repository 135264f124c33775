"""Frozen requirement sets: the cases that a run is judged by, as they stood on a date."""
