"""The clauses as pytest tests, in files named by area and content; the folders hold what these share."""
