"""Requests that go on to a real server: the exchange with it, and its answer played as it arrives."""
