"""Descriptors of this process: those that are open, and private ones for the protocol."""

from __future__ import annotations

import contextlib
import os
import sys

DESCRIPTORS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"


def open_descriptors() -> set[int]:
    """List the open descriptors."""
    found = set()
    for name in os.listdir(DESCRIPTORS):
        with contextlib.suppress(
            OSError, ValueError
        ):  # the descriptor of the listing itself is closed by now
            os.fstat(int(name))
            found.add(int(name))
    return found


def move_protocol() -> tuple[int, int]:
    """Give the protocol private descriptors; input is then empty, and prints go to standard error."""
    read_fd, write_fd = os.dup(0), os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True, errors="backslashreplace")  # type: ignore[union-attr]
    return read_fd, write_fd
