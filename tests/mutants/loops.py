"""Mistakes of asynchronous backends: work that holds up the event loop (QUEUE-11)."""

import time
from collections.abc import AsyncIterator
from typing import Any

from seams import exchange

from tgi_conformance.backends.reference import engine
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


async def _read(pieces: Any) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece
