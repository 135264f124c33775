"""The reference client under a row.

Each runs in a process of its own, so a part is exchanged where it stands and never put back.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import httpx
from rows import Stranger

from tgi_conformance.backends.reference import async_stream, endpoint, engine, errors, retry_policy, transport
from tgi_conformance.backends.reference.adapter import AsyncReferenceAdapter, ReferenceAdapter
from tgi_conformance.backends.reference.admission import Admission
from tgi_conformance.contracts import adapter
from tgi_conformance.contracts.codec import to_json

_ADAPTERS: Final[dict[str, type[ReferenceAdapter | AsyncReferenceAdapter]]] = {
    "reference": ReferenceAdapter,
    "async": AsyncReferenceAdapter,
}


def methods(stranger: Stranger) -> frozenset[str]:
    """The methods that the adapter has."""
    return frozenset(name for name in adapter.METHODS if hasattr(_ADAPTERS[stranger.client], name))


def made(stranger: Stranger) -> Any:
    """The reference adapter, its client changed as the row says."""
    policy, does = stranger.row.policy, stranger.row.does
    _retry_what_is_declared(policy)
    if policy.get("keeps_slot"):
        _keep_slots()
    if "waits when full" in does:
        endpoint.Admission = _Patient  # type: ignore[misc]
    if "no request id" in does:
        right = transport._headers
        transport._headers = lambda request: _less(right(request), transport.REQUEST_ID_HEADER)
    if "slow calls" in does:
        _before_each_request(lambda _connections, _request: asyncio.sleep(1.2))
    if "asks health" in does:
        _before_each_request(_health)
    return _ADAPTERS[stranger.client]()


def described(client: ReferenceAdapter | AsyncReferenceAdapter) -> Any:
    """What the adapter says of itself, as JSON."""
    return to_json(client.describe())


def extra_settings(stranger: Stranger) -> dict[str, object]:
    """Settings of this client that the kit has no name for."""
    names = {"max_retry_after"} & stranger.row.policy.keys()
    return {name: stranger.row.policy[name] for name in names}


def failure(kind: str, text: str) -> errors.TGIError:
    """The client's own error for what an auxiliary request met."""
    if kind == "timeout":
        return errors.RequestTimeoutError(text, "connect")
    return errors.TransportError(text, "refused")


def _retry_what_is_declared(policy: Any) -> None:
    if "jitter" in policy:
        retry_policy.JITTER = policy["jitter"]  # type: ignore[misc]
    statuses = set(policy.get("statuses", retry_policy.RETRYABLE_STATUSES))
    faults = set(policy.get("faults", {*retry_policy.RETRYABLE_FAULTS, "overloaded_event"}))

    def is_retryable(error: errors.TGIError) -> bool:
        if isinstance(error, errors.OverloadedError) and error.status == 200:
            return "overloaded_event" in faults
        if isinstance(error, errors.StatusError):
            return error.status in statuses
        if isinstance(error, errors.RequestTimeoutError):
            return error.phase != "total" and "timeout" in faults
        return isinstance(error, errors.TransportError) and error.fault in faults

    retry_policy.is_retryable = is_retryable


class _Keeping(Admission):
    """A call keeps its slot from its first attempt to its end."""

    def __init__(self, cap: int, waiting_room: int) -> None:
        super().__init__(cap, waiting_room)
        self.kept: set[int] = set()

    @asynccontextmanager
    async def slot(self, number: int) -> AsyncIterator[None]:
        if number not in self.kept:
            await self._take(number)
            self.kept.add(number)
        yield

    def release(self, number: int | None) -> None:
        """Give back the slot of a call that has ended, if it had one."""
        if number in self.kept:
            self.kept.discard(number)
            self._taken -= 1
            self._call_next()


def _keep_slots() -> None:
    answers, pieces = engine._answer_of_attempts, engine.pieces_of_attempts

    async def answer_of_attempts(course: engine.Course) -> Any:
        try:
            return await answers(course)
        finally:
            course.endpoint.admission.release(course._number)  # type: ignore[attr-defined]

    async def pieces_of_attempts(course: engine.Course) -> AsyncGenerator[Any, None]:
        try:
            async with aclosing(pieces(course)) as made_pieces:
                async for piece in made_pieces:
                    yield piece
        finally:
            course.endpoint.admission.release(course._number)  # type: ignore[attr-defined]

    endpoint.Admission = _Keeping  # type: ignore[misc]
    engine._answer_of_attempts = answer_of_attempts
    async_stream.pieces_of_attempts = pieces_of_attempts


class _Patient(Admission):
    """Lets any number of calls wait."""

    @property
    def is_full(self) -> bool:
        return False


def _less(headers: dict[str, str], name: str) -> dict[str, str]:
    return {other: value for other, value in headers.items() if other != name}


def _before_each_request(prelude: Callable[[transport.Transport, transport.Outgoing], Any]) -> None:
    right = transport.Transport.post

    @asynccontextmanager
    async def post(self: transport.Transport, request: transport.Outgoing) -> AsyncIterator[transport.Reply]:
        await prelude(self, request)
        async with right(self, request) as reply:
            yield reply

    transport.Transport.post = post  # type: ignore[method-assign]


async def _health(connections: transport.Transport, request: transport.Outgoing) -> None:
    """Ask for the server's health; whatever it answers, the request is sent."""
    client = await connections._opened()
    url = request.settings.url("/health")
    lost: errors.TGIError
    try:
        await client.get(url, timeout=transport._timeout(request.settings))
    except httpx.HTTPError as error:
        lost = transport._translate(error, status=None)
    else:
        return
    raise lost
