"""Mistakes with several keys on one client (MUX)."""
# ruff: noqa: ARG001, ARG002, ARG005 - the parts exchanged take more than each mistake needs

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import async_client, endpoint, engine, transport
from tgi_conformance.backends.reference.errors import TGIError
from tgi_conformance.backends.reference.rotation import Choice

Headers = Callable[[Any], dict[str, str]]


class OneSessionForAll(Broken):
    """Puts each new endpoint's key on the session that all share (kiota, delighted)."""

    breaks = "MUX-01"
    key = "multiplexing_endpoint_creation"
    _newest: str | None = None

    def damage(self) -> None:
        _headers_with(lambda request: self._newest)

    def create_endpoint(self, **given: Any) -> str:
        self._newest = given.get("api_key")
        return super().create_endpoint(**given)


class UpdatesEveryEndpoint(Broken):
    """Changes the settings that the endpoints share instead of one endpoint's own."""

    breaks = "MUX-02"
    key = "multiplexing_endpoint_creation"

    def update_endpoint(self, endpoint_id: str, **given: Any) -> None:
        for each in self._client.endpoints:
            super().update_endpoint(each, **given)


class SharesHeadersBetweenThreads(BrokenCalls):
    """Sets the key in a dict of the client's and sends later: overlapping calls send another's key."""

    breaks = "MUX-03"
    key = "multiplexing_endpoint_creation"
    _shared: str | None = None

    def damage(self) -> None:
        _headers_with(lambda request: self._shared or request.settings.api_key)

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        settings = self._client.endpoints.get(parameters.get("endpoint_id") or "")
        self._shared = settings.api_key if settings else None
        return subject, parameters

    def test_endpoint(self, **given: Any) -> Any:
        self._shared = None
        return super().test_endpoint(**given)


class RetriesUnderTheNewestKey(Broken):
    """Reads the key anew for each attempt, from what was set last."""

    breaks = "MUX-04"
    key = "multiplexing_endpoint_creation"
    _newest: str | None = None

    def damage(self) -> None:
        sent: set[str] = set()

        def key(request: Any) -> str | None:
            first = request.request_id not in sent
            sent.add(request.request_id)
            return request.settings.api_key if first else self._newest

        _headers_with(key)

    def create_endpoint(self, **given: Any) -> str:
        self._newest = given.get("api_key")
        return super().create_endpoint(**given)


class BacksOffForTheHost(Broken):
    """Keeps the ban by host: one key's rate limit holds up all others there (OmniRoute, AegisFlow)."""

    breaks = "MUX-05"
    key = "multiplexing_endpoint_creation"

    def damage(self) -> None:
        until: dict[str, float] = {}

        def banning(right: Callable[..., Any]) -> Callable[..., Any]:
            def wait_after(course: engine.Course, error: TGIError) -> float | None:
                wait: float | None = right(course, error)
                until[course.endpoint.settings.base_url] = time.monotonic() + (wait or 0.0)
                return wait

            return wait_after

        def waiting(right: Callable[..., Any]) -> Callable[..., Any]:
            @asynccontextmanager
            async def reply(course: engine.Course) -> AsyncIterator[Any]:
                free = until.get(course.endpoint.settings.base_url, 0.0)
                await asyncio.sleep(max(0.0, free - time.monotonic()))
                async with right(course) as made:
                    yield made

            return reply

        exchange(engine.Course, "wait_after", banning)
        exchange(engine.Course, "reply", waiting)


class KeepsSettingsOfTheFirst(Broken):
    """Makes its retry policy with the first endpoint of a host; what the next ones ask for is stored only."""

    breaks = "MUX-06"
    key = "max_retries"

    def create_endpoint(self, **given: Any) -> str:
        first = self._first.setdefault(given["base_url"], given.get("max_retries"))
        return super().create_endpoint(**given | {"max_retries": first})

    def damage(self) -> None:
        self._first: dict[str, int | None] = {}


class UnknownIsTheDefault(BrokenCalls):
    """Falls back on the default key for an endpoint id that it does not know."""

    breaks = "MUX-07"
    key = "multiplexing_endpoint_creation"

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        known = self._client.endpoints
        if known and parameters.get("endpoint_id") not in known:
            parameters["endpoint_id"] = next(iter(known))
        return subject, parameters


class NamesEndpointsByTheClock(Broken):
    """Makes ids of the time in milliseconds, which is the same for several threads."""

    breaks = "MUX-08"
    key = "multiplexing_endpoint_creation"

    def damage(self) -> None:
        class Timed(endpoint.Endpoint):
            def __init__(self, settings: Any) -> None:
                super().__init__(settings)
                self.id = f"endpoint-{int(time.time() * 1000)}"

        exchange(async_client, "Endpoint", lambda _: Timed)


class PrefersTheFirstKey(Broken):
    """Rotates to the first endpoint for as long as it may be used."""

    breaks = "MUX-09"
    key = "multiplexing_endpoint_creation"

    def damage(self) -> None:
        def first(candidates: Any, *, last: str | None, now: float) -> Choice:
            return Choice(candidates[0].endpoint_id)

        exchange(async_client, "choose", lambda _: first)


class PrefersTheEnvironment(Broken):
    """``os.environ.get("HF_TOKEN") or api_key`` (langchain)."""

    breaks = "MUX-10"
    key = "post_request_headers"

    def create_endpoint(self, **given: Any) -> str:
        given["api_key"] = os.environ.get("HF_TOKEN") or given.get("api_key")
        return super().create_endpoint(**given)


class BearerNone(Broken):
    """Formats whatever the key is into the header."""

    breaks = "MUX-11"
    key = "post_request_headers"

    def damage(self) -> None:
        _headers_with(lambda request: str(request.settings.api_key))


def _headers_with(key: Callable[[Any], str | None]) -> None:
    """Have the client send the key that ``key`` gives for a request."""

    def changed(right: Headers) -> Headers:
        return lambda request: right(replace(request, settings=_with_key(request.settings, key(request))))

    exchange(transport, "_headers", changed)


def _with_key(settings: Any, key: str | None) -> Any:
    return settings if key == settings.api_key else replace(settings, api_key=key)
