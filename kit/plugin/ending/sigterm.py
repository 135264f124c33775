"""SIGTERM ends a run as Ctrl-C does: the cases that were decided are reported, and every process ends."""

import contextlib
import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

_PATTERN: Final = "worker-*.pid"


class EndsBySigterm:
    """In each pytest process of a run: the first SIGTERM is raised as Ctrl-C, and passed on to the workers.

    Where the program that runs pytest has a handler of its own, that one stays.
    """

    def __init__(self, scratch: Path, worker: str = "") -> None:
        self._scratch = scratch
        self._controls = not worker
        self._ours = False
        # Only the main thread may set a handler.
        if threading.current_thread() is threading.main_thread():
            self._ours = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        if self._ours:
            signal.signal(signal.SIGTERM, self._interrupt)
            if worker:
                file = scratch / _PATTERN.replace("*", worker)
                file.write_text(str(os.getpid()), encoding="ascii")

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        """Leave the signal as it was."""
        if self._ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        # This process is ending from now on: a second one must not break off the writing of its files.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for file in self._scratch.glob(_PATTERN) if self._controls else ():
            # By itself a worker ends 5 s after its controller.
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(file.read_text(encoding="ascii")), signal.SIGTERM)
        raise KeyboardInterrupt
