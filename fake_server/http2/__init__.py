"""HTTP/2 with prior knowledge: frames, streams, windows, on a connection taken over from HTTP/1."""
