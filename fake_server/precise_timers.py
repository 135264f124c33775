"""An event loop whose timers keep to a fraction of a millisecond.

The standard selectors round a timeout up to whole milliseconds, because epoll and kqueue take those.
An epoll (or kqueue) descriptor can itself be waited for with ``select``, which takes microseconds.
"""

import asyncio
import contextlib
import select
import selectors
from pathlib import Path
from typing import Any, Final

#: Longer waits lose less than the rounding could matter.
_PRECISE_BELOW: Final = 1.0


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
            if timeout is not None and 0 < timeout < _PRECISE_BELOW:
                # Under load something is ready already, and one call is enough.
                ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
                if ready:
                    return ready
                select.select([self.fileno()], [], [], timeout)
                timeout = 0
            return super().select(timeout)  # type: ignore[no-any-return]

    return PreciseSelector
