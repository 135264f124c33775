"""The asynchronous face, which is also the core of the synchronous one."""

import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, overload

from tgi_conformance.backends.reference.answers import Answer
from tgi_conformance.backends.reference.async_stream import AsyncStream
from tgi_conformance.backends.reference.calls import KINDS, Call, prepare
from tgi_conformance.backends.reference.endpoint import Endpoint
from tgi_conformance.backends.reference.engine import Course, whole_answer
from tgi_conformance.backends.reference.errors import (
    AuthenticationError,
    ClosedError,
    InvalidArgumentError,
    TGIError,
    UnknownEndpointError,
)
from tgi_conformance.backends.reference.messages import Message
from tgi_conformance.backends.reference.responses import Kind
from tgi_conformance.backends.reference.rotation import Choice, choose
from tgi_conformance.backends.reference.settings import EndpointSettings
from tgi_conformance.backends.reference.stats import Counts, total

PROBE_TIME = 30.0

Pending = Coroutine[Any, Any, Answer]


@dataclass(frozen=True, slots=True)
class EndpointCheck:
    """What ``test_endpoint`` found; true only after a good answer."""

    ok: bool
    detail: str
    status: int | None = None

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, slots=True)
class Assigned:
    """A call and the endpoint that takes it."""

    endpoint: Endpoint
    call: Call
    not_before: float = 0.0


class AsyncClient:
    """A client for one or several TGI endpoints.

    ``create_endpoint`` gives the id under which calls go to an endpoint. A call without an id goes
    to the only endpoint, or takes turns between several. Calls return coroutines, or with
    ``stream=True`` an ``AsyncStream``; the arguments are checked at once in both cases.
    A client is used in one event loop at a time; when that has ended, it may be used in another.
    """

    def __init__(self) -> None:
        self._endpoints: dict[str, Endpoint] = {}
        self._retired: list[Counts] = []
        self._last_in_turn: str | None = None
        self._lock = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} endpoints={len(self._endpoints)} closed={self._closed}>"

    @property
    def endpoints(self) -> Mapping[str, EndpointSettings]:
        """The settings of all endpoints by id; their keys do not show when printed."""
        with self._lock:
            return {name: endpoint.settings for name, endpoint in self._endpoints.items()}

    def create_endpoint(self, **settings: Any) -> str:
        """Make an endpoint and return its id. Sends nothing.

        Takes the fields of ``EndpointSettings``; what is ``None`` or left out has its default.
        Raises ``InvalidArgumentError`` (a ``ValueError``) for values that make no sense.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        if "base_url" not in given:
            raise InvalidArgumentError("base_url is needed: there is no built-in host")
        try:
            checked = EndpointSettings(**given)
        except TypeError as error:
            raise InvalidArgumentError(str(error)) from None
        endpoint = Endpoint(checked)
        with self._lock:
            self._check_open()
            self._endpoints[endpoint.id] = endpoint
        return endpoint.id

    def update_endpoint(self, endpoint_id: str, **settings: Any) -> None:
        """Change settings for the calls made from now on; those under way keep what they have."""
        self._endpoint(endpoint_id).update(settings)

    async def close_endpoint(self, endpoint_id: str) -> None:
        """End the endpoint's calls with ``ClosedError`` and close its connections."""
        endpoint = self._endpoint(endpoint_id)
        with self._lock:
            self._endpoints.pop(endpoint_id, None)
        await endpoint.aclose()
        self._retired.append(endpoint.stats.snapshot())

    @overload
    def generate(
        self,
        prompt: str | Sequence[object],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[False] = False,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Pending: ...
    @overload
    def generate(
        self,
        prompt: str | Sequence[object],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[True],
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> AsyncStream: ...
    def generate(
        self, prompt: str | Sequence[object], *, stream: bool = False, **options: Any
    ) -> Pending | AsyncStream:
        """Continue a prompt on TGI's own route.

        ``prompt`` is text, or a list of texts and images. ``deadline`` is seconds for the whole
        call, ``headers`` are more of them for this call. Other options are TGI's parameters;
        ``max_tokens`` is taken as ``max_new_tokens``.
        """
        return self.begin(self.assign("generate", prompt, stream=stream, **options))

    @overload
    def chat(
        self,
        messages: Sequence[Message],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[False] = False,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Pending: ...
    @overload
    def chat(
        self,
        messages: Sequence[Message],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[True],
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> AsyncStream: ...
    def chat(
        self, messages: Sequence[Message], *, stream: bool = False, **options: Any
    ) -> Pending | AsyncStream:
        """Answer a conversation on ``/v1/chat/completions``.

        Contents may hold images: see ``images.py``. Other options are the route's parameters.
        """
        return self.begin(self.assign("chat", messages, stream=stream, **options))

    @overload
    def completions(
        self,
        prompt: str | Sequence[str],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[False] = False,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Pending: ...
    @overload
    def completions(
        self,
        prompt: str | Sequence[str],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: Literal[True],
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> AsyncStream: ...
    def completions(
        self, prompt: str | Sequence[str], *, stream: bool = False, **options: Any
    ) -> Pending | AsyncStream:
        """Continue one prompt or several on ``/v1/completions``; several give ``texts``."""
        return self.begin(self.assign("completions", prompt, stream=stream, **options))

    async def test_endpoint(
        self, *, base_url: str, api_key: str | None = None, model: str | None = None
    ) -> EndpointCheck:
        """Ask an endpoint for one token of chat, once; true if the answer is a good one.

        The endpoint need not have been created, and the call is in nobody's statistics.
        """
        settings = EndpointSettings(
            base_url=base_url, api_key=api_key, model=model, max_retries=0, timeout=PROBE_TIME
        )
        probe = Endpoint(settings)
        ping = [{"role": "user", "content": "ping"}]
        call = prepare("chat", ping, settings, deadline=PROBE_TIME, parameters={"max_tokens": 1})
        try:
            answer = await whole_answer(Course(probe, call))
        except TGIError as error:
            return EndpointCheck(ok=False, detail=error.message, status=error.status)
        finally:
            await probe.aclose()
        return EndpointCheck(ok=True, detail=f"answered {answer.finish_reason}", status=200)

    def get_stats(self, endpoint_id: str | None = None) -> Counts:
        """Return a copy of an endpoint's counters, or their sum with ``endpoints_count``.

        The sum includes endpoints that were closed.
        """
        if endpoint_id is not None:
            return self._endpoint(endpoint_id, even_closed=True).snapshot()
        with self._lock:
            endpoints = list(self._endpoints.values())
        snapshots = [endpoint.snapshot() for endpoint in endpoints]
        return {
            **total([*snapshots, *self._retired]),
            "current_requests": sum(snapshot["current_requests"] for snapshot in snapshots),
            "queue_size": sum(snapshot["queue_size"] for snapshot in snapshots),
            "endpoints_count": len(endpoints),
        }

    def reset_stats(self, endpoint_id: str | None = None) -> None:
        """Set the counters of one endpoint to 0, or of all."""
        if endpoint_id is not None:
            self._endpoint(endpoint_id, even_closed=True).stats.reset()
            return
        self._retired.clear()
        with self._lock:
            endpoints = list(self._endpoints.values())
        for endpoint in endpoints:
            endpoint.stats.reset()

    async def aclose(self) -> None:
        """End all calls with ``ClosedError`` and close all connections. May be repeated."""
        with self._lock:
            self._closed = True
            endpoints = list(self._endpoints.values())
        for endpoint in endpoints:
            await endpoint.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def assign(
        self,
        kind: Kind,
        subject: str | Sequence[object],
        *,
        endpoint_id: str | None = None,
        request_id: str | None = None,
        stream: bool = False,
        deadline: float | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Assigned:
        """Check a call's arguments and settle which endpoint takes it. May run in any thread."""
        if kind not in KINDS:
            raise InvalidArgumentError(f"a call is one of {', '.join(KINDS)}, not {kind!r}")
        with self._lock:
            self._check_open()
        endpoint, not_before = self._taker(endpoint_id)
        call = prepare(
            kind,
            subject,
            endpoint.settings,
            request_id=request_id,
            stream=stream,
            deadline=deadline,
            headers=headers,
            parameters=parameters,
        )
        return Assigned(endpoint, call, not_before)

    def begin(self, assigned: Assigned) -> Pending | AsyncStream:
        """Return the coroutine or the stream of a call."""
        if assigned.call.outgoing.stream:
            return self.stream(assigned)
        return self.answer(assigned)

    async def answer(self, assigned: Assigned) -> Answer:
        """Run a call to its answer."""
        return await whole_answer(Course(assigned.endpoint, assigned.call, assigned.not_before))

    def stream(self, assigned: Assigned) -> AsyncStream:
        """Return the stream of a call."""
        return AsyncStream(assigned.endpoint, assigned.call, not_before=assigned.not_before)

    def _taker(self, endpoint_id: str | None) -> tuple[Endpoint, float]:
        if endpoint_id is not None:
            return self._endpoint(endpoint_id), 0.0
        with self._lock:
            if not self._endpoints:
                raise UnknownEndpointError("there is no endpoint: call create_endpoint first")
            if len(self._endpoints) == 1:
                return next(iter(self._endpoints.values())), 0.0
            choice = self._next_in_turn()
            self._last_in_turn = choice.endpoint_id
            return self._endpoints[choice.endpoint_id], choice.not_before

    def _next_in_turn(self) -> Choice:
        candidates = [endpoint.as_candidate() for endpoint in self._endpoints.values()]
        choice = choose(candidates, last=self._last_in_turn, now=time.monotonic())
        if choice is None:
            raise AuthenticationError(
                "the keys of all endpoints were refused: update_endpoint with another api_key",
                status=401,
            )
        return choice

    def _endpoint(self, endpoint_id: str, *, even_closed: bool = False) -> Endpoint:
        with self._lock:
            if not even_closed:
                self._check_open()
            endpoint = self._endpoints.get(endpoint_id)
        if endpoint is None:
            raise UnknownEndpointError(f"there is no endpoint {endpoint_id!r}")
        return endpoint

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the client is closed")
