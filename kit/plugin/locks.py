"""The run-wide locks: the load lock, and the presence of all cases that are at work.

A ``load`` case holds the load lock alone, ``timing`` cases share it, others do not ask. Every case shares the
presence while it is played; one that verifies a failure holds it alone, so that nothing else is at work then.
Whoever takes both takes the load lock first, and nobody waits for that one with the presence in hand.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final, Literal

import pytest

from tgi_conformance.suites.harness.session import Alone

Share = Literal["alone", "shared"]
#: Name of the lock's file in the folder that the processes of a run share.
LOCK_FILE: Final = "load.lock"
#: Likewise of the file that stands for the presence.
PRESENCE_FILE: Final = "presence.lock"


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
        _take(handle, turn, fcntl.LOCK_EX if share == "alone" else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


@contextmanager
def present(file: Path) -> Iterator[Alone]:
    """Be at work beside other cases while the block runs; gives what sends the others away for a while."""
    with file.open("a") as handle, file.with_suffix(".turn").open("a") as turn:
        _take(handle, turn, fcntl.LOCK_SH)
        try:
            yield partial(_alone, handle, turn)
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


@contextmanager
def _alone(handle: IO[str], turn: IO[str]) -> Iterator[None]:
    """Be the only case at work while the block runs: none begins, and those that are played have ended."""
    # Given up first: two cases that kept their share would wait for one another for ever.
    fcntl.flock(handle, fcntl.LOCK_UN)
    _take(handle, turn, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_SH)


def _take(handle: IO[str], turn: IO[str], how: int) -> None:
    fcntl.flock(turn, fcntl.LOCK_EX)
    fcntl.flock(handle, how)
    fcntl.flock(turn, fcntl.LOCK_UN)
