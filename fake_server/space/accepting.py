"""A connection that the process could not accept: its own fault, of which no client is to be judged."""

import asyncio
from collections.abc import Callable
from typing import Any

#: Tells the spaces that listen on a port that a connection to it was not accepted, and why.
Refused = Callable[[int, str], None]


def tell_of_refused(refused: Refused) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """A handler for what the loop says of its own: a listener that could not accept is told further."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        listener, error = context.get("socket"), context.get("exception")
        if listener is not None and isinstance(error, OSError):
            refused(listener.getsockname()[1], in_words(error))
        loop.default_exception_handler(context)

    return handle


def in_words(error: OSError) -> str:
    """What a journal says of it."""
    return f"a connection could not be accepted: {error.strerror or error}"
