"""An event loop in a thread of its own, for callers that have none."""

import asyncio
import atexit
import concurrent.futures
import contextlib
import threading
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

from tgi_conformance.backends.reference.errors import ClosedError

T = TypeVar("T")

_JOIN_TIME = 5.0
_SLOW_CALLBACK = 10.0
"""Seconds; asyncio's debug mode reports slower callbacks. Nobody else waits in this loop, and the
first connection imports modules, which would be reported otherwise."""


class LoopThread:
    """Starts with the first call, ends with ``stop`` or, at the latest, with the interpreter."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False

    @property
    def started(self) -> bool:
        """Whether anything has run in the loop yet."""
        return self._thread is not None

    def submit(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Run ``work`` in the loop; cancelling the future cancels it there."""
        try:
            with self._lock:
                loop = self._running_loop()
                return asyncio.run_coroutine_threadsafe(work, loop)
        except BaseException:
            work.close()
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` in the loop and wait for it; an exception in the wait cancels it."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("this would wait for itself: call it from another thread")
        future = self.submit(work)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            if self._stopped:
                raise ClosedError("the client was closed during the call") from None
            raise
        except BaseException:
            future.cancel()
            raise

    def stop(self, *, wait: bool = True) -> None:
        """Cancel what runs, close what is open in the loop, and end the thread."""
        with self._lock:
            self._stopped = True
            thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None or loop is None or stopping is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(stopping.set)
        if wait and thread is not threading.current_thread():
            thread.join(_JOIN_TIME)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._stopped:
            raise ClosedError("the client is closed")
        if self._loop is None:
            ready = threading.Event()
            # A daemon, so that a client that nobody closed does not keep the interpreter.
            self._thread = threading.Thread(
                target=self._main, args=(ready,), name="tgi-client-loop", daemon=True
            )
            self._thread.start()
            ready.wait()
            _live.add(self)
        if self._loop is None:
            raise RuntimeError("the client's event loop did not start")
        return self._loop

    def _main(self, ready: threading.Event) -> None:
        try:
            # Its end cancels what is left and closes the generators begun in the loop.
            asyncio.run(self._serve(ready))
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.slow_callback_duration = _SLOW_CALLBACK
        self._stopping = asyncio.Event()
        ready.set()
        await self._stopping.wait()


_live: "weakref.WeakSet[LoopThread]" = weakref.WeakSet()


def _stop_all() -> None:
    for thread in tuple(_live):
        thread.stop()


atexit.register(_stop_all)
