"""The adapter protocol: driver and host; the reference client; adapters for published clients."""
