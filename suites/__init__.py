"""The clauses as pytest tests, a file an area. Private modules (``_*.py``) hold what the areas share."""
