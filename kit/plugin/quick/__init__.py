"""Profile ``quick``: which case stands for each clause."""
