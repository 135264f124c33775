"""Mistakes at real endpoints and with servers of other generations (REAL)."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

import contextlib
import socket
from collections.abc import AsyncGenerator, Callable
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import async_stream, engine, errors, responses
from tgi_conformance.contracts.json_types import JSON

Pieces = Callable[..., AsyncGenerator[Any, None]]


class ReportsUsage(BrokenCalls):
    """Tells its maker of each call, unasked. Here a datagram socket is given its peer and nothing is sent."""

    breaks = "REAL-01"
    key = "new:real_endpoint"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as beacon, contextlib.suppress(OSError):
            beacon.connect(("203.0.113.7", 8125))  # RFC 5737: an address of nobody
        return subject, parameters


class InsistsOnTheObjectsName(Broken):
    """Takes a chat answer for one only if its ``object`` says ``chat.completion``, which TGI 1.4 does not."""

    breaks = "REAL-02"
    key = "new:real_endpoint"

    def damage(self) -> None:
        def strict(right: Callable[..., Any]) -> Callable[..., Any]:
            def chat(value: JSON, headers: Any, request_id: str) -> Any:
                named = isinstance(value, dict) and value.get("object") == "chat.completion"
                return right(value, headers, request_id) if named else None

            return chat

        exchange(responses, "_chat", strict)
        readers = responses._READERS
        exchange(responses, "_READERS", lambda _: {**readers, "chat": responses._chat})


class PollsWhileLoading(Broken):
    """Asks a model that loads at one short pace, whatever the server says of the time it takes."""

    breaks = "REAL-03"
    key = "new:real_endpoint"

    def damage(self) -> None:
        def paced(right: Callable[..., float | None]) -> Callable[..., float | None]:
            def wait(error: Any, **given: Any) -> float | None:
                decided = right(error, **given)
                loading = getattr(error, "status", None) == 503
                return 0.02 if loading and decided is not None else decided

            return wait

        exchange(engine, "wait_before_retry", paced)


class StreamsNothingWhileLoading(Broken):
    """Ends a stream without a word where the server says that its model is loading or paused."""

    breaks = "REAL-04"
    key = "new:real_endpoint"

    def damage(self) -> None:
        def quiet(
            right: Callable[..., AsyncGenerator[Any, None]],
        ) -> Callable[..., AsyncGenerator[Any, None]]:
            async def pieces(course: Any) -> AsyncGenerator[Any, None]:
                try:
                    async for piece in right(course):
                        yield piece
                except errors.TGIError as error:
                    if not any(word in error.message for word in ("loading", "paused")):
                        raise

            return pieces

        exchange(async_stream, "pieces_of_attempts", quiet)
