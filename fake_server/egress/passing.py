"""One request on its way to a real endpoint: the key put on, the length limited, the answer without keys."""

import asyncio
import hmac
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from time import monotonic, time
from typing import Final

from tgi_conformance.contracts.targets import path_of
from tgi_conformance.fake_server.egress.budget import Budget
from tgi_conformance.fake_server.egress.cleaning import Cleaner
from tgi_conformance.fake_server.egress.endpoints import Orders, number_of
from tgi_conformance.fake_server.egress.limiting import limited
from tgi_conformance.fake_server.forwarding.onward import ALIAS_HEADER, TOKEN_HEADER
from tgi_conformance.fake_server.forwarding.reaching import Obstacle
from tgi_conformance.fake_server.forwarding.upstream import End, Head, Piece, Upstream
from tgi_conformance.fake_server.http.parsing import Request

#: Statuses after which an endpoint is left alone, and for how many seconds where it does not say.
_BUSY: Final = frozenset({429, 503})
_PAUSES: Final = (1.0, 2.0, 4.0)
_LONGEST_PAUSE: Final = 60.0
#: Where an answer says how many tokens were generated.
_GENERATED: Final = re.compile(rb'"(?:generated_tokens|completion_tokens)"\s*:\s*(\d{1,9})')
_TAIL: Final = 4_096


class Refused(Exception):
    """A request that is not sent, and why."""

    def __init__(self, status: int, problem: Obstacle, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.problem = problem


@dataclass(slots=True)
class _Turn:
    """When an endpoint may be asked again."""

    not_before: float = 0.0
    #: How often it was busy, one time after the other.
    busy: int = 0

    def left_alone(self, status: int, retry_after: str | None) -> None:
        """Take note of a status."""
        if status not in _BUSY:
            self.busy = 0
            return
        pause = _seconds(retry_after)
        if pause is None:
            pause = _PAUSES[min(self.busy, len(_PAUSES) - 1)]
        self.busy += 1
        self.not_before = monotonic() + min(pause, _LONGEST_PAUSE)


def _seconds(retry_after: str | None) -> float | None:
    """What a Retry-After header asks for; None where it says nothing that can be read."""
    if retry_after is None:
        return None
    if re.fullmatch(r"\d{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time())
    except (TypeError, ValueError):
        return None


class Passage:
    """The way out: one a run, whichever worker asks."""

    def __init__(self, orders: Orders, *, note: Callable[[str], None] = lambda _: None) -> None:
        """``note``: is told, once, that a real key came back in an answer."""
        self._orders = orders
        self.budget = Budget(orders.max_requests, orders.max_tokens)
        self._upstreams = [
            Upstream(each.url, option="TGI_ENDPOINT", identity=True, cacert=orders.cacert, by_proxy=True)
            for each in orders.endpoints
        ]
        self._turns = [_Turn() for _ in orders.endpoints]
        self._room = asyncio.Semaphore(orders.concurrency)
        self._note = note
        #: Whether a real key has come back.
        self.echoed = False

    async def exchange(self, request: Request) -> AsyncGenerator[Head | Piece | End, None]:
        """Pass a request on; raises :class:`Refused` where it is not sent, or ``UpstreamError``."""
        number = self._endpoint_of(request)
        body = limited(request.body, path_of(request.target), self._orders.tokens_a_request)
        refusal = self.budget.reserve(body.tokens, limited=body.changed)
        if refusal:
            raise Refused(503, "budget", refusal)
        used = 0
        try:
            async with self._room:
                if self._orders.dry_run:
                    raise Refused(503, "budget", "a dry run sends nothing")
                await self._await_turn(self._turns[number])
                passed = replace(request, body=body.body)
                async for part in self._cleaned(passed, number):
                    if isinstance(part, Piece):
                        used = _used(part.content, used)
                    yield part
        finally:
            if used:
                self.budget.settle(body.tokens, used)

    def _endpoint_of(self, request: Request) -> int:
        """Which endpoint a request is for; raises :class:`Refused` where it may not pass at all."""
        given = {name.lower(): value for name, value in request.headers}
        if not hmac.compare_digest(given.get(TOKEN_HEADER, "").encode(), self._orders.token.encode()):
            raise Refused(
                403, "key", "the egress passes on what its run's own fake server asks, nothing else"
            )
        number = number_of(given.get(ALIAS_HEADER, ""), len(self._orders.endpoints))
        if number is None:
            raise Refused(
                401, "key", "the request has no key of its case, so it was not sent to the endpoint"
            )
        return number

    async def _await_turn(self, turn: _Turn) -> None:
        while (left := turn.not_before - monotonic()) > 0:
            await asyncio.sleep(left)

    async def _cleaned(self, request: Request, number: int) -> AsyncGenerator[Head | Piece | End, None]:
        """The exchange with the endpoint, without any real key in what comes back."""
        cleaner = Cleaner(self._orders.secrets)
        target = request.target
        headers = self._headers(request, number)
        async for part in self._upstreams[number].exchange(request, target=target, headers=headers):
            if isinstance(part, Head):
                after = next((value for name, value in part.headers if name.lower() == "retry-after"), None)
                self._turns[number].left_alone(part.status, after)
                clean = tuple((name, cleaner.header(value)) for name, value in part.headers)
                yield Head(part.status, clean, part.after, part.reason)
            elif isinstance(part, Piece):
                if content := cleaner.feed(part.content):
                    yield Piece(content, part.after)
            else:
                if held := cleaner.end():
                    yield Piece(held, 0.0)
                yield part
        if cleaner.found and not self.echoed:
            self.echoed = True
            self._note("a real key came back in an answer; it was taken out")

    def _headers(self, request: Request, number: int) -> list[tuple[str, str]]:
        own = {
            "authorization",
            TOKEN_HEADER,
            ALIAS_HEADER,
            *(name.lower() for name, _ in self._orders.headers),
        }
        headers = [pair for pair in request.headers if pair[0].lower() not in own]
        key = self._orders.endpoints[number].key
        if key:
            headers.append(("authorization", f"Bearer {key}"))
        return [*headers, *self._orders.headers]


def _used(content: bytes, before: int) -> int:
    """How many tokens an answer says it generated, as far as it has come."""
    found = _GENERATED.findall(content[-_TAIL:])
    return max(before, int(found[-1])) if found else before
