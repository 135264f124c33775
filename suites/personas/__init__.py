"""Which clauses are tried with a server of another generation."""
