"""fake_server."""
