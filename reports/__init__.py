"""Verdicts in, files out: results map, JUnit, HTML, evidence, the gate, and the comparison of two runs."""
