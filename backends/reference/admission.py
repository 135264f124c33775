"""Slots and queue of one endpoint: who may send now, who waits, who is refused.

The queue is ordered by arrival. A call that sleeps in backoff holds neither a slot nor a place;
when it wakes it comes back with its old number, before all who came after it, and is never
refused. Used from one event loop only.
"""

import asyncio
import bisect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tgi_conformance.backends.reference.errors import QueueFullError


@dataclass(order=True, slots=True)
class _Waiter:
    number: int
    turn: asyncio.Future[None] = field(compare=False)


class Admission:
    """``cap`` slots, and room for ``waiting_room`` calls to wait for one."""

    def __init__(self, cap: int, waiting_room: int) -> None:
        self._cap = cap
        self._waiting_room = waiting_room
        self._taken = 0
        self._queue: list[_Waiter] = []
        self._last_number = 0

    @property
    def in_flight(self) -> int:
        """How many slots are taken."""
        return self._taken

    @property
    def waiting(self) -> int:
        """How many calls wait for a slot."""
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether the next call would be refused."""
        return self._taken >= self._cap and len(self._queue) >= self._waiting_room

    def resize(self, cap: int, waiting_room: int) -> None:
        """Set new limits. Calls that hold a slot or wait already keep what they have."""
        self._cap = cap
        self._waiting_room = waiting_room
        self._call_next()

    def arrive(self) -> int:
        """Give a call its number, or raise ``QueueFullError``."""
        if self.is_full:
            raise QueueFullError(
                f"{self._taken} calls are running and {len(self._queue)} waiting, which is all "
                "that max_concurrent_requests and queue_size allow: try again later"
            )
        self._last_number += 1
        return self._last_number

    @asynccontextmanager
    async def slot(self, number: int) -> AsyncIterator[None]:
        """Hold a slot for the length of the block, waiting for it if need be."""
        await self._take(number)
        try:
            yield
        finally:
            self._taken -= 1
            self._call_next()

    async def _take(self, number: int) -> None:
        if self._taken < self._cap and not self._queue:
            self._taken += 1
            return
        waiter = _Waiter(number, asyncio.get_running_loop().create_future())
        bisect.insort(self._queue, waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter in self._queue:
                self._queue.remove(waiter)
            elif not waiter.turn.cancelled():
                # The slot had been handed over already: pass it on.
                self._taken -= 1
                self._call_next()
            raise

    def _call_next(self) -> None:
        while self._queue and self._taken < self._cap:
            turn = self._queue.pop(0).turn
            if not turn.cancelled():
                self._taken += 1
                turn.set_result(None)
