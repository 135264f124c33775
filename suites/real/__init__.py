"""Runs against a real endpoint: which cases are forwarded, and whether what came was fit to decide."""
