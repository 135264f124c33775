"""The Python host: runs one adapter in a process of its own, by the adapter protocol."""
