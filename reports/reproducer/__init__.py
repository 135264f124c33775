"""A case as a script of its own, which plays the server's side without the kit."""
