"""A space: one case's listeners, sockets, keys, gates and certificates."""
