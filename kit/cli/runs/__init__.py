"""Commands on runs that are over: compare two, merge shards, run one again."""
