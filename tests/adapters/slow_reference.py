"""The reference client with time of its own: right in every respect, so that a red is the kit's.

Each class takes its time at another place. No clause says how long a client may take of itself, so all that
the reference claims holds.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from tgi_conformance.backends.reference import transport
from tgi_conformance.backends.reference.adapter import AsyncReferenceAdapter, ReferenceAdapter


class _Timed(ReferenceAdapter):
    """The seconds that pass, by place; a pair is a range that they are drawn from."""

    BEFORE_ENDPOINT: ClassVar[float] = 0.0
    BEFORE_CALL: ClassVar[tuple[float, float]] = (0.0, 0.0)
    AFTER_ANSWER: ClassVar[float] = 0.0

    def create_endpoint(self, **given: Any) -> str:
        """Make an endpoint after a while."""
        time.sleep(self.BEFORE_ENDPOINT)
        return super().create_endpoint(**given)

    def _call(self, method: str, *given: Any, **named: Any) -> Any:
        time.sleep(random.uniform(*self.BEFORE_CALL))  # noqa: S311 - a time, not a secret
        result = getattr(super(), method)(*given, **named)
        if isinstance(result, Iterator):
            return self._stream(result)
        if method != "submit":
            time.sleep(self.AFTER_ANSWER)
        return result

    def _stream(self, pieces: Iterator[Any]) -> Iterator[Any]:
        yield from pieces
        time.sleep(self.AFTER_ANSWER)

    def generate(self, *given: Any, **named: Any) -> Any:
        """Call the native route after a while."""
        return self._call("generate", *given, **named)

    def chat(self, *given: Any, **named: Any) -> Any:
        """Call the chat route after a while."""
        return self._call("chat", *given, **named)

    def completions(self, *given: Any, **named: Any) -> Any:
        """Call the completions route after a while."""
        return self._call("completions", *given, **named)

    def submit(self, *given: Any, **named: Any) -> Any:
        """Begin a call after a while."""
        return self._call("submit", *given, **named)


class BeforeCalls(_Timed):
    """Takes 1.2 s before each call."""

    BEFORE_CALL = (1.2, 1.2)


class Jittery(_Timed):
    """Takes up to a second before each call, and never as long as the last time."""

    BEFORE_CALL = (0.0, 1.0)


class BeforeEndpoints(_Timed):
    """Takes 1.2 s before an endpoint is there."""

    BEFORE_ENDPOINT = 1.2


class AfterAnswers(_Timed):
    """Takes 1.2 s from the end of the answer to the end of the call."""

    AFTER_ANSWER = 1.2


class BeforeAttempts(ReferenceAdapter):
    """Takes 1.2 s before each attempt, the call's slot in hand."""

    def __init__(self) -> None:
        super().__init__()
        transport.Transport._send = _slowly(transport.Transport._send)  # type: ignore[method-assign]


class AsyncBeforeAttempts(AsyncReferenceAdapter):
    """The same, asynchronously."""

    def __init__(self) -> None:
        super().__init__()
        transport.Transport._send = _slowly(transport.Transport._send)  # type: ignore[method-assign]


class AsyncBeforeCalls(AsyncReferenceAdapter):
    """Takes 1.2 s before each call, and lets its event loop go on meanwhile."""

    async def generate(self, *given: Any, **named: Any) -> Any:
        """Call the native route after a while."""
        await asyncio.sleep(1.2)
        return await super().generate(*given, **named)

    async def chat(self, *given: Any, **named: Any) -> Any:
        """Call the chat route after a while."""
        await asyncio.sleep(1.2)
        return await super().chat(*given, **named)

    async def completions(self, *given: Any, **named: Any) -> Any:
        """Call the completions route after a while."""
        await asyncio.sleep(1.2)
        return await super().completions(*given, **named)


def _slowly(send: Any) -> Any:
    async def slow(self: Any, *given: Any) -> Any:
        await asyncio.sleep(1.2)
        return await send(self, *given)

    return slow
