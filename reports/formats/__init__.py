"""Formats that other tools read: GitHub, GitLab, SARIF and a badge, each from a run to a text."""
