"""Mistakes in concurrency limits and the queue (QUEUE)."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import endpoint, engine
from tgi_conformance.backends.reference.admission import Admission
from tgi_conformance.backends.reference.errors import TGIError


class BrokenAdmission(Broken):
    """A client whose slots and queue are ``admission``'s."""

    admission: ClassVar[type[Admission]]

    def damage(self) -> None:
        exchange(endpoint, "Admission", lambda _: self.admission)


class ChecksThenActs(BrokenAdmission):
    """Looks for a free slot, yields, and then takes it: callers that come together all see it free."""

    breaks = "QUEUE-01"
    key = "max_concurrent_requests"

    class admission(Admission):  # noqa: N801 - a collaborator of the class around it
        async def _take(self, number: int) -> None:
            if self._taken < self._cap and not self._queue:
                await asyncio.sleep(0.002)
                self._taken += 1
            else:
                await super()._take(number)


class FreesSlotWithTheGenerator(BrokenCalls):
    """Gives the slot of a stream back when the generator is made, before the first token is read."""

    breaks = "QUEUE-02"
    key = "max_concurrent_requests"

    def damage(self) -> None:
        def leaky(right: Callable[..., Any]) -> Callable[..., Any]:
            @asynccontextmanager
            async def reply(course: engine.Course) -> AsyncIterator[Any]:
                admission = course.endpoint.admission
                async with right(course) as made:
                    early = course.call.outgoing.stream
                    if early:
                        admission._taken -= 1
                        admission._call_next()
                    try:
                        yield made
                    finally:
                        admission._taken += early

            return reply

        exchange(engine.Course, "reply", leaky)


class LastInFirstOut(BrokenAdmission):
    """Takes the next call from the wrong end of a list."""

    breaks = "QUEUE-03"
    key = "request_queue"

    class admission(Admission):  # noqa: N801
        def _call_next(self) -> None:
            self._queue.reverse()
            super()._call_next()
            self._queue.sort()


class QueuesWithoutBound(BrokenAdmission):
    """Stores ``queue_size`` and takes every call (lattice, memcached)."""

    breaks = "QUEUE-04"
    key = "request_queue"

    class admission(Admission):  # noqa: N801
        def arrive(self) -> int:
            self._last_number += 1
            return self._last_number


class LosesSlotOnError(BrokenAdmission):
    """Gives the slot back after the good end only: no ``finally`` (LMCache, openrag)."""

    breaks = "QUEUE-05"
    key = "current_requests"

    class admission(Admission):  # noqa: N801
        @asynccontextmanager
        async def slot(self, number: int) -> AsyncIterator[None]:
            await self._take(number)
            yield
            self._taken -= 1
            self._call_next()


class GivesSlotBackTwice(BrokenAdmission):
    """Gives the slot back in ``except`` and again in ``finally``: the cap grows with each error."""

    breaks = "QUEUE-05"
    key = "current_requests"

    class admission(Admission):  # noqa: N801
        @asynccontextmanager
        async def slot(self, number: int) -> AsyncIterator[None]:
            try:
                async with super().slot(number):
                    yield
            except TGIError:
                self._taken -= 1
                raise


class CountsTheWaiting(Broken):
    """Counts a call as running from its arrival, the wait in the queue included."""

    breaks = "QUEUE-06"
    key = "current_requests"

    def get_stats(self, endpoint_id: str | None = None) -> dict[str, int]:
        shown = super().get_stats(endpoint_id)
        return shown | {"current_requests": shown["current_requests"] + shown["queue_size"]}


class CountsDownUnasked(Broken):
    """With the queue off it takes no slot, and gives one back all the same: the count goes below zero."""

    breaks = "QUEUE-06"
    key = "current_requests"

    def __init__(self) -> None:
        super().__init__()
        self._off: set[str] = set()

    def create_endpoint(self, **given: Any) -> str:
        made = super().create_endpoint(**given)
        if given.get("queue_enabled") is False:
            self._off.add(made)
        return made

    def get_stats(self, endpoint_id: str | None = None) -> dict[str, int]:
        shown = super().get_stats(endpoint_id)
        if endpoint_id not in self._off:
            return shown
        ended = shown["successful_requests"] + shown["failed_requests"]
        return shown | {"current_requests": -ended}


class WakesNobodyAfterErrors(BrokenAdmission):
    """Wakes the next caller after a good call only: an error inside one strands those that wait (ollama)."""

    breaks = "QUEUE-07"
    key = "queue_processing"

    class admission(Admission):  # noqa: N801
        @asynccontextmanager
        async def slot(self, number: int) -> AsyncIterator[None]:
            await self._take(number)
            try:
                yield
            except BaseException:
                self._taken -= 1
                raise
            self._taken -= 1
            self._call_next()


class _Forsaken(Future[Any]):
    """A future whose cancellation nobody hears of."""

    def run(self, call: Callable[[], Any]) -> None:
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001 - handed to whoever still waits
            if not self.cancelled():
                self.set_exception(error)
        else:
            if not self.cancelled():
                self.set_result(value)


class SendsWhatWasCancelled(Broken):
    """Cancels the caller's future and leaves the call in the queue."""

    breaks = "QUEUE-08"
    key = "queue_processing"

    def submit(self, kind: Any, prompt: Any = None, *, messages: Any = None, **given: Any) -> "Future[Any]":
        future = _Forsaken()
        subject = messages if prompt is None else prompt
        call = getattr(self, kind)
        threading.Thread(target=future.run, args=(lambda: call(subject, **given),), daemon=True).start()
        return future


class KeepsAnswerOnTheHandler(BrokenCalls):
    """Keeps the answer in an attribute until it is handed out; a faster call overwrites it."""

    breaks = "QUEUE-09"
    key = "queue_processing"

    def damage(self) -> None:
        self._answer: dict[object, Any] = {}

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        self._answer[parameters.get("endpoint_id")] = answer
        time.sleep(0.002)
        return self._answer[parameters.get("endpoint_id")]


class SleepsHoldingTheLock(Broken):
    """Sleeps out the backoff inside the lock that each call of the endpoint must pass."""

    breaks = "QUEUE-10"
    key = "queue_processing"

    def damage(self) -> None:
        awake: Counter[str] = Counter()

        def sleeping(right: Callable[..., Any]) -> Callable[..., Any]:
            def wait_after(course: engine.Course, error: TGIError) -> float | None:
                wait: float | None = right(course, error)
                awake[course.endpoint.id] = time.monotonic() + (wait or 0.0)  # type: ignore[assignment]
                return wait

            return wait_after

        def locked(right: Callable[..., Any]) -> Callable[..., Any]:
            @asynccontextmanager
            async def reply(course: engine.Course) -> AsyncIterator[Any]:
                await asyncio.sleep(max(0.0, awake[course.endpoint.id] - time.monotonic()))
                async with right(course) as made:
                    yield made

            return reply

        exchange(engine.Course, "wait_after", sleeping)
        exchange(engine.Course, "reply", locked)


class ReadsSwitchUpsideDown(Broken):
    """``queue_enabled=True`` switches the queue off."""

    breaks = "QUEUE-13"
    key = "queue_enabled"

    def create_endpoint(self, **given: Any) -> str:
        if given.get("queue_enabled") is not None:
            given["queue_enabled"] = not given["queue_enabled"]
        return super().create_endpoint(**given)


class OneAtATime(BrokenAdmission):
    """Holds a lock round the whole request: the cap is stored, and one call runs at a time."""

    breaks = "QUEUE-14"
    key = "max_concurrent_requests"

    class admission(Admission):  # noqa: N801
        def __init__(self, cap: int, waiting_room: int) -> None:
            super().__init__(1, waiting_room)
