"""The run-wide lock: a ``load`` case holds it alone, ``timing`` cases share it, others do not ask."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import pytest

Share = Literal["alone", "shared"]
#: Name of the lock's file in the folder that the processes of a run share.
LOCK_FILE: Final = "load.lock"


def share_of(item: pytest.Item) -> Share | None:
    """How a test wants the lock, by its marker."""
    if item.get_closest_marker("load") is not None:
        return "alone"
    return "shared" if item.get_closest_marker("timing") is not None else None


@contextmanager
def held(file: Path, share: Share | None) -> Iterator[None]:
    """Hold the lock while the block runs; the kernel frees it if this process dies.

    Who comes first gets it first: without the turn, cases that share it one after the other would keep a
    load case waiting to the end.
    """
    if share is None:
        yield
        return
    with file.open("a") as handle, file.with_suffix(".turn").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(handle, fcntl.LOCK_EX if share == "alone" else fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)
