"""Which clauses are tried with servers of other generations, and how each is tried."""
