"""Causes: what lies behind the red cases of a run, worst first."""
