"""The gates of a space: holds in its answers wait at them until a suite lets them pass."""

import contextlib
from collections import deque
from collections.abc import Callable


class SpaceGate:
    """Holds that wait under one name."""

    def __init__(self) -> None:
        self._permits = 0
        self._open = False
        self._waiting: deque[Callable[[], None]] = deque()

    def enter(self, passed: Callable[[], None]) -> bool:
        """True if the hold passes at once; otherwise ``passed`` is called when it may."""
        if self._open:
            return True
        if self._permits:
            self._permits -= 1
            return True
        self._waiting.append(passed)
        return False

    def leave(self, passed: Callable[[], None]) -> None:
        """Take a waiting hold back (its connection is gone)."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(passed)

    def release(self, count: int | None) -> None:
        """Let ``count`` holds pass, now or later; None opens the gate for good."""
        if count is None:
            self._open = True
            count = len(self._waiting)
        self._permits += count
        while self._permits and self._waiting:
            self._permits -= 1
            self._waiting.popleft()()
        if self._open:
            self._permits = 0
