"""Answers that set a cookie, and the cookies that requests carry."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.script import Reply
from tgi_conformance.suites.shapes.calls import Shape

#: The words of this kit's cookies: no client makes them up.
MARK: Final = "tgic-session"


def setting(shape: Shape, text: str, value: str, *, streaming: bool) -> Reply:
    """A healthy answer that sets a cookie of that value, as sticky load balancers and login pages do."""
    reply = shape.reply(text, streaming=streaming)
    headers = (("set-cookie", f"{MARK}={value}; Path=/"),)
    if reply.stream is not None:
        return replace(reply, stream=replace(reply.stream, headers=headers))
    if reply.response is None:
        raise ValueError("the answer has no head of its own")
    return replace(reply, response=replace(reply.response, headers=headers))


def cookies_with(exchanges: Iterable[Exchange], value: str) -> list[str]:
    """The Cookie headers of requests that hold that value."""
    lines = [line for exchange in exchanges for line in exchange.header_values("cookie")]
    return [line for line in lines if value in line]
