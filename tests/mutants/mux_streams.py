"""Mistakes with several keys on the streams of one client alone (MUX): plain calls are right."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from seams import Broken, exchange

from tgi_conformance.backends.reference import engine, transport
from tgi_conformance.backends.reference.endpoint import Endpoint

KEY = "multiplexing_endpoint_creation"


class StreamsRetryUnderTheNewestKey(Broken):
    """Reads the key anew for each attempt of a stream, from what was set last."""

    breaks = "MUX-04"
    key = KEY
    shows_in = ("streams",)
    _newest: str | None = None

    def damage(self) -> None:
        seen: set[str] = set()

        def keyed(right: Callable[[Any], dict[str, str]]) -> Callable[[Any], dict[str, str]]:
            def headers(request: Any) -> dict[str, str]:
                again = request.stream and request.request_id in seen
                seen.add(request.request_id)
                if again:
                    request = replace(request, settings=replace(request.settings, api_key=self._newest))
                return right(request)

            return headers

        exchange(transport, "_headers", keyed)

    def create_endpoint(self, **given: Any) -> str:
        self._newest = given.get("api_key")
        return super().create_endpoint(**given)


class StreamsRetryAlike(Broken):
    """Gives streams a number of attempts of their own, whatever the endpoint was told."""

    breaks = "MUX-06"
    key = "max_retries"
    shows_in = ("streams",)

    def damage(self) -> None:
        def fixed(right: Callable[..., float | None]) -> Callable[..., float | None]:
            def wait_after(course: engine.Course, error: Any) -> float | None:
                wait = right(course, error)
                return None if course.call.outgoing.stream and course.failures > 1 else wait

            return wait_after

        exchange(engine.Course, "wait_after", fixed)


class StreamsFallBackToTheFirstEndpoint(Broken):
    """Sends a stream for an endpoint that it does not know under the first key that it has."""

    breaks = "MUX-07"
    key = KEY
    shows_in = ("streams",)

    def chat(self, messages: Any, **given: Any) -> Any:
        known: dict[str, Endpoint] = dict(self._client.endpoints)  # type: ignore[arg-type]
        if given.get("stream") and given.get("endpoint_id") not in known:
            given["endpoint_id"] = next(iter(known))
        return super().chat(messages, **given)
