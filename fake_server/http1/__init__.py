"""One HTTP/1 connection: bytes in, plans out, pauses, and how it ends."""
