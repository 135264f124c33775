"""The commands that ask a real server: check-server, drift, record."""
