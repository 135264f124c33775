"""A run against a real endpoint, from the side that controls it: what is given, egress, preflight."""
