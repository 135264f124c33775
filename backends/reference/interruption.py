"""Ending what another task is doing, with an error of our choice instead of a cancellation."""

import asyncio
import contextlib
from types import TracebackType


class Interruptible:
    """An ``async with`` block that ``interrupt`` can end from outside. Use each once.

    Works as ``asyncio.timeout`` does: the task is cancelled, and at the edge of the block the
    cancellation becomes the given error, unless somebody else cancelled the task as well.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._error: Exception | None = None
        self._cancelling = 0

    def interrupt(self, error: Exception) -> None:
        """Make the block end with ``error``. Call it in the block's event loop."""
        if self._error is None:
            self._error = error
            if self._task is not None:
                self._task.cancel()

    async def __aenter__(self) -> "Interruptible":
        if self._error is not None:
            raise self._error
        self._task = asyncio.current_task()
        if self._task is not None:
            self._cancelling = self._task.cancelling()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if self._error is None or task is None:
            return
        cancelled = isinstance(raised, asyncio.CancelledError)
        if not cancelled:
            # The block was over before the cancellation reached it; it must not hit what follows.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        if task.uncancel() <= self._cancelling and cancelled:
            raise self._error from None
