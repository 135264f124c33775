"""The catalogue of clauses: what a correct client must do, what each clause needs, its keys."""
