"""The process that started this one: when it ends, standard input does, and this one ends with it."""

import asyncio
import os
import sys


def end_with_owner(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Set ``ended`` once standard input ends; what is written to it is not read for its content."""
    descriptor = sys.stdin.fileno()

    def read() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            ended.set()

    loop.add_reader(descriptor, read)
