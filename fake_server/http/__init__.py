"""HTTP/1 requests parsed from bytes, without I/O."""
