"""The stateful model of a client: what may be on the wire, and the programs that test it."""
