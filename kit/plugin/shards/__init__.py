"""Shards: which cases of a selection each of several machines runs."""
