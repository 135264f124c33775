"""The call shapes: the wire forms of each kind of generation call, cut from recordings."""
