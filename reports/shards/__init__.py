"""The shards of one run, put together to a run."""
