"""The event loop of async calls, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from typing import Any

from .protocol import OWN_THREAD, now

#: Seconds between two ticks.
TICK = 0.02


class Loop:
    """The one event loop of async calls, in a thread; a ticker measures how long it was held up."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self._last_tick: float | None = None
        self._gap = 0.0
        self.own: set[asyncio.Task[Any]] = set()

    def submit(self, what: Callable[..., object], *args: object) -> None:
        """Call ``what`` in the loop's thread; the thread starts with its first work."""
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"{OWN_THREAD}loop", daemon=True)
                self._thread.start()
        self.loop.call_soon_threadsafe(what, *args)

    def spawn(self, coroutine: Any, name: str) -> asyncio.Task[Any]:
        """Start a task of the host's own (in the loop's thread)."""
        task = self.loop.create_task(coroutine, name=name)
        self.own.add(task)
        task.add_done_callback(self.own.discard)
        return task

    def settle(self, awaitable: Awaitable[Any]) -> Any:
        """Await something from another thread and return its value."""
        done: Future[Any] = Future()

        async def wait() -> None:
            try:
                done.set_result(await awaitable)
            except BaseException as error:  # noqa: BLE001 -- handed to the thread that waits
                done.set_exception(error)

        self.submit(lambda: self.spawn(wait(), "tgic-settle"))
        return done.result()

    def tick_gap(self) -> float | None:
        """Return the largest gap between ticks since it was last asked for, seconds; None: no loop yet."""
        if self._last_tick is None:
            return None
        gap, self._gap = max(self._gap, now() - self._last_tick), 0.0
        return gap

    def tasks(self) -> list[str]:
        """Names of the unfinished tasks that are not the host's own."""
        for _ in range(3):
            try:
                return [
                    t.get_name() for t in asyncio.all_tasks(self.loop) if t not in self.own and not t.done()
                ]
            except RuntimeError:  # the set changed while it was copied
                continue
        return ["unknown: the tasks change too fast to be counted"]

    def stop(self) -> None:
        """End the loop as ``asyncio.run`` does: cancel what is left, close the generators."""
        if self._thread is not None:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(1.0)
            if self._thread.is_alive():
                return
            self._drain()
        self.loop.close()

    def renew(self) -> None:
        """End the loop, and have later calls run in a new one, as a second ``asyncio.run`` does."""
        self.stop()
        self.loop = asyncio.new_event_loop()
        self._thread = self._last_tick = None
        self.own.clear()

    def _drain(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            self.loop.run_until_complete(asyncio.wait_for(_gather(tasks), 1.0))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(lambda: self.spawn(self._tick(), "tgic-tick"))
        while True:
            try:
                self.loop.run_forever()
            except BaseException as error:  # noqa: BLE001 -- SystemExit of a backend's task must not end the host
                traceback.print_exception(type(error), error, error.__traceback__)
            else:
                return

    async def _tick(self) -> None:
        while True:
            self._last_tick = now()
            await asyncio.sleep(TICK)
            self._gap = max(self._gap, now() - self._last_tick)


async def _gather(tasks: Iterable[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
