"""Requests sent to a server one after the other, within a budget. The thin edge."""

import http.client
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tgi_conformance.check.asked import Answered, Asked
from tgi_conformance.contracts.targets import path_of
from tgi_conformance.fake_server.egress.budget import Budget
from tgi_conformance.fake_server.egress.limiting import limited
from tgi_conformance.fake_server.forwarding.reaching import parts_of

_PATIENCE: Final = 60.0
#: Tokens that a request of this kit may ask for; more is lowered.
_MOST: Final = 64

Send = Callable[[Asked], Answered]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The server to be asked."""

    url: str
    key: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    cacert: Path | None = None


def sending_to(target: Target) -> Send:
    """What asks a server; raises ValueError for a bad URL."""
    parts = parts_of(target.url, "check-server")
    base = parts.path.rstrip("/")
    context = None
    if parts.scheme == "https":
        context = ssl.create_default_context()
        if target.cacert is not None:
            context.load_verify_locations(target.cacert)

    def send(asked: Asked) -> Answered:
        host, port = parts.hostname or "", parts.port
        connection: http.client.HTTPConnection = (
            http.client.HTTPConnection(host, port, timeout=_PATIENCE)
            if context is None
            else http.client.HTTPSConnection(host, port, timeout=_PATIENCE, context=context)
        )
        with closing(connection):
            return _exchange(connection, asked, base, target)

    return send


def _exchange(connection: http.client.HTTPConnection, asked: Asked, base: str, target: Target) -> Answered:
    headers = dict(target.headers)
    if target.key:
        headers["Authorization"] = f"Bearer {target.key}"
    if asked.body is not None and asked.content_type is not None:
        headers["Content-Type"] = asked.content_type
    try:
        connection.request(asked.method, base + asked.path, body=asked.body, headers=headers)
        answer = connection.getresponse()
        told = tuple(answer.getheaders())
        try:
            return Answered(answer.status, told, answer.read())
        except http.client.IncompleteRead as error:
            return Answered(answer.status, told, error.partial, "the answer broke off")
    except (OSError, http.client.HTTPException) as error:
        return Answered(0, problem=f"no answer: {error!r}")


def within(budget: Budget, requests: Iterable[Asked]) -> Iterator[tuple[Asked, str]]:
    """Each request with why it may not be sent; empty: it may, and its tokens are reserved."""
    for asked in requests:
        wanted = limited(asked.body or b"", path_of(asked.path), _MOST)
        yield asked, budget.reserve(min(wanted.tokens, _MOST * 4))
