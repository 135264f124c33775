"""Where the fake server sends what it forwards: to a real server itself, or to the egress of a run."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, Protocol, cast, get_args

from tgi_conformance.fake_server.forwarding.reaching import Obstacle, UpstreamError
from tgi_conformance.fake_server.forwarding.upstream import End, Head, Piece, Upstream
from tgi_conformance.fake_server.http.parsing import Request

#: Headers between the fake server and the egress: the egress' token, the alias of the client's key, and why
#: the egress answered itself.
TOKEN_HEADER: Final = "x-tgic-egress-token"  # noqa: S105 - the name of a header
ALIAS_HEADER: Final = "x-tgic-key-alias"
PROBLEM_HEADER: Final = "x-tgic-egress-problem"
_MOST_OF_A_PROBLEM: Final = 2_000


class Onward(Protocol):
    """Takes a request on."""

    def exchange(
        self, request: Request, *, target: str, alias: str
    ) -> AsyncGenerator[Head | Piece | End, None]:
        """Send it to ``target`` (below the mount); raises ``UpstreamError``. ``alias``: of its key."""


@dataclass(frozen=True, slots=True)
class Straight:
    """To a real server, with the client's own key."""

    upstream: Upstream

    def exchange(
        self, request: Request, *, target: str, alias: str
    ) -> AsyncGenerator[Head | Piece | End, None]:
        """Send a request; its key goes with it."""
        del alias
        return self.upstream.exchange(request, target=target)


class ByEgress:
    """To the egress of a run, which puts the real key on: here the client's is taken off."""

    def __init__(self, url: str, token: str) -> None:
        self._upstream = Upstream(url, option="egress")
        self._token = token

    async def exchange(
        self, request: Request, *, target: str, alias: str
    ) -> AsyncGenerator[Head | Piece | End, None]:
        """Send a request; what the egress itself has to say is an ``UpstreamError``."""
        own = {"authorization", TOKEN_HEADER, ALIAS_HEADER}
        headers = [pair for pair in request.headers if pair[0].lower() not in own]
        headers += [(TOKEN_HEADER, self._token), (ALIAS_HEADER, alias)]
        problem, text = "", b""
        async for part in self._upstream.exchange(request, target=target, headers=headers):
            if isinstance(part, Head):
                given = {name.lower(): value for name, value in part.headers}
                problem = given.get(PROBLEM_HEADER, "")
            if not problem:
                yield part
            elif isinstance(part, Piece):
                text += part.content
        if problem:
            known = problem if problem in get_args(Obstacle) else "refused"
            raise UpstreamError(text.decode(errors="replace")[:_MOST_OF_A_PROBLEM], cast("Obstacle", known))
