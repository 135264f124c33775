"""Busy loops: other work on the machine, while a run is watched for verdicts that it does not deserve."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

#: Spins in short rounds, and ends when its parent is gone: nothing is left behind by a tool that was killed.
_LOOP = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(1_000_000):
        pass
"""

Loop = subprocess.Popen[bytes]


@contextmanager
def busy_loops(count: int) -> Iterator[list[Loop]]:
    """Keep ``count`` processes busy while the block runs."""
    with ExitStack() as stack:
        yield [stack.enter_context(_busy_loop()) for _ in range(count)]


@contextmanager
def _busy_loop() -> Iterator[Loop]:
    with subprocess.Popen([sys.executable, "-c", _LOOP, str(os.getpid())]) as loop:
        try:
            yield loop
        finally:
            loop.kill()
