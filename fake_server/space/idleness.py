"""The keep-alive timeout of a space: who is silent for too long after an answer is closed."""

import asyncio
from collections.abc import Callable


class Idleness:
    """The timer of one connection; without a limit (milliseconds) it does nothing."""

    def __init__(self, limit_ms: float | None, over: Callable[[], None]) -> None:
        self._limit_ms = limit_ms
        self._over = over
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Count from now: an answer is over, and nothing else goes on."""
        if self._limit_ms is not None:
            self.end()
            self._timer = asyncio.get_running_loop().call_later(self._limit_ms / 1000, self._over)

    def end(self) -> None:
        """Count no more: something goes on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
