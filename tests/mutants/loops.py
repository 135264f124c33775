"""Mistakes of asynchronous backends: the event loop is held up (QUEUE-11), or never another (RES-11)."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from seams import exchange

from tgi_conformance.backends.reference import engine, transport
from tgi_conformance.backends.reference.adapter import AsyncReferenceAdapter, ReferenceAdapter


class StreamsSynchronously(AsyncReferenceAdapter):
    """Iterates the stream of a synchronous client inside ``async def`` (hive, ogx)."""

    breaks = "QUEUE-11"
    key = "endpoint_handler"

    def __init__(self) -> None:
        super().__init__()
        self._blocking = ReferenceAdapter()
        self._ids: dict[str, str] = {}

    async def create_endpoint(self, **given: Any) -> str:
        made = await super().create_endpoint(**given)
        self._ids[made] = self._blocking.create_endpoint(**given)
        return made

    async def chat(self, messages: Any, **given: Any) -> Any:
        endpoint = given.get("endpoint_id")
        if not given.get("stream") or endpoint not in self._ids:
            return await super().chat(messages, **given)
        return _read(self._blocking.chat(messages, **given | {"endpoint_id": self._ids[endpoint]}))

    async def get_stats(self, endpoint_id: str | None = None) -> dict[str, int]:
        shown = await super().get_stats(endpoint_id)
        theirs = self._blocking.get_stats(self._ids.get(endpoint_id or ""))
        return {name: count + theirs[name] * (name != "endpoints_count") for name, count in shown.items()}

    async def close_endpoint(self, endpoint_id: str) -> None:
        await super().close_endpoint(endpoint_id)
        if endpoint_id in self._ids:
            self._blocking.close_endpoint(self._ids.pop(endpoint_id))


class SleepsInBackoff(AsyncReferenceAdapter):
    """Has an asynchronous request, and ``time.sleep`` between two of them."""

    breaks = "QUEUE-11"
    key = "endpoint_handler"

    def __init__(self) -> None:
        def sleeping(right: Any) -> Any:
            def wait(error: Any, **given: Any) -> float | None:
                decided: float | None = right(error, **given)
                if decided is None:
                    return None
                time.sleep(decided)
                return 0.0

            return wait

        exchange(engine, "wait_before_retry", sleeping)
        super().__init__()


class _ClosedByHand:
    """What closes a pool when its client is closed, and not with its event loop."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def __anext__(self) -> None:
        return

    async def aclose(self) -> None:
        await self._client.aclose()


class _KeepsItsPool(AsyncReferenceAdapter):
    """Makes its pool in the event loop of the first call and asks no more which loop it is."""

    key = "new:resource_cleanup"

    def __init__(self) -> None:
        def make(right: Any) -> Any:
            async def send(pool: Any, url: Any, request: Any) -> Any:
                if self.keeps(request) and pool._client is not None:
                    pool._loop = asyncio.get_running_loop()
                return await right(pool, url, request)

            return send

        super().__init__()
        exchange(transport, "_closed_with_loop", lambda _: _ClosedByHand)
        exchange(transport.Transport, "_send", make)

    def keeps(self, request: Any) -> bool:
        """Whether a request goes through the pool that is there, whichever loop it was made in."""
        return True


class StaysWithItsFirstLoop(_KeepsItsPool):
    """Its second ``asyncio.run`` ends with "Event loop is closed" (openai-python)."""

    breaks = "RES-11"


class StreamsStayWithTheirFirstLoop(_KeepsItsPool):
    """Asks which loop it is before plain calls alone."""

    breaks = "RES-11"

    def keeps(self, request: Any) -> bool:
        return bool(request.stream)


class WaitsForItsFirstLoop(AsyncReferenceAdapter):
    """Has a worker task in the loop of the first call; in a second loop nobody takes what it queues."""

    breaks = "RES-11"
    key = "new:resource_cleanup"

    def __init__(self) -> None:
        super().__init__()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def chat(self, messages: Any, **given: Any) -> Any:
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if self._loop is not loop:
            await loop.create_future()
        return await super().chat(messages, **given)


async def _read(pieces: Any) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece
