"""The driver's side of the adapter protocol: starts a host process, makes calls in it, and gives outcomes."""
