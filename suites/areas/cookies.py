"""Answers that set a cookie, and the cookies that requests carry."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.script import Reply
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.shapes.calls import Shape

#: The words of this kit's cookies: no client makes them up.
MARK: Final = "tgic-session"
_NO_TOKEN: Final = re.compile(r"[^A-Za-z0-9]+")


def own_value(case: Case, whose: str) -> str:
    """A cookie's value that no other case sets: a client may keep one jar for the whole process."""
    return f"{whose}.{_NO_TOKEN.sub('-', case.record.case)}"


def set_cookie(value: str) -> tuple[str, str]:
    """The header that sets a cookie of that value."""
    return "set-cookie", f"{MARK}={value}; Path=/"


def setting(shape: Shape, text: str, value: str, *, streaming: bool) -> Reply:
    """A healthy answer that sets a cookie of that value, as sticky load balancers and login pages do."""
    reply = shape.reply(text, streaming=streaming)
    headers = (set_cookie(value),)
    if reply.stream is not None:
        return replace(reply, stream=replace(reply.stream, headers=headers))
    if reply.response is None:
        raise ValueError("the answer has no head of its own")
    return replace(reply, response=replace(reply.response, headers=headers))


def cookies_with(exchanges: Iterable[Exchange], value: str) -> list[str]:
    """The Cookie headers of requests that hold that value."""
    lines = [line for exchange in exchanges for line in exchange.header_values("cookie")]
    return [line for line in lines if value in line]
