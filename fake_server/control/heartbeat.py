"""The server's own pulse: every 20 ms, and how late it came."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

BEAT: Final = 0.02
"""Seconds from beat to beat."""


class Heartbeat:
    """Beats on the loop; ``late`` is told each lateness (seconds), ``largest`` keeps the worst."""

    def __init__(self, late: Callable[[float], None]) -> None:
        self.largest = 0.0
        self._late = late
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to beat on the running loop."""
        self._expect(asyncio.get_running_loop())

    def stop(self) -> None:
        """Beat no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _expect(self, loop: asyncio.AbstractEventLoop) -> None:
        due = monotonic() + BEAT
        self._handle = loop.call_later(BEAT, self._beat, loop, due)

    def _beat(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        lateness = max(monotonic() - due, 0.0)
        self.largest = max(self.largest, lateness)
        self._late(lateness)
        self._expect(loop)
