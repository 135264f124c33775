"""An event loop whose timers keep to a hundredth of a millisecond.

The standard selectors round a timeout up to whole milliseconds, because epoll and kqueue take those.
An epoll (or kqueue) descriptor can itself be waited for with ``select``, which takes microseconds. What is
left is the time that a sleeping thread takes to wake, some 60 µs on a virtual machine: longer waits sleep
until shortly before their time and stay awake for the rest.
"""

import asyncio
import contextlib
import select
import selectors
from pathlib import Path
from time import monotonic
from typing import Any, Final

#: Longer waits lose less than the rounding could matter.
_PRECISE_BELOW: Final = 1.0
_AWAKE: Final = 0.000_12
"""Seconds before a timer at which its thread is awake again."""
_WORTH_IT: Final = 0.002
"""Waits of fewer seconds are slept through: staying awake would be too large a part of them."""

#: Linux lets a sleeping thread wake this many nanoseconds late, by default 50,000, to save power.
_SLACK: Final = Path("/proc/self/timerslack_ns")


def precise_event_loop() -> asyncio.AbstractEventLoop:
    """A selector event loop with precise timers where the platform has epoll or kqueue."""
    with contextlib.suppress(OSError):
        _SLACK.write_text("1", encoding="ascii")
    for base in ("EpollSelector", "KqueueSelector"):
        if hasattr(selectors, base):
            return asyncio.SelectorEventLoop(_precise(getattr(selectors, base))())
    return asyncio.SelectorEventLoop()


def _precise(base: Any) -> Any:
    class PreciseSelector(base):  # type: ignore[misc]
        """The platform's selector, waiting on its own descriptor first."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is None or not 0 < timeout < _PRECISE_BELOW:
                return super().select(timeout)  # type: ignore[no-any-return]
            awake = timeout >= _WORTH_IT
            until = monotonic() + timeout if awake else 0.0
            woken, _, _ = select.select([self.fileno()], [], [], timeout - _AWAKE if awake else timeout)
            ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
            if awake and not woken:
                while not ready and monotonic() < until:
                    ready = super().select(0)
            return ready

    return PreciseSelector
