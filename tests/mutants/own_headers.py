"""Mistakes with headers that the caller gives (REQ-16, SEC-04, SEC-06)."""
# ruff: noqa: ARG005 - the parts exchanged take more than each mistake needs

from dataclasses import replace
from typing import Any

from seams import Broken, exchange

from tgi_conformance.backends.reference import calls, own_headers, settings, transport


class StreamsForgetOwnHeaders(Broken):
    """Builds the headers of streams in another function, which knows none of the caller's."""

    breaks = "REQ-16"
    key = "post_request_headers"
    shows_in = ("streams",)

    def damage(self) -> None:
        exchange(transport, "_headers", _of_streams)


def _of_streams(right: Any) -> Any:
    def headers(request: Any) -> Any:
        if not request.stream:
            return right(request)
        bare = replace(request.settings, headers={})
        return right(replace(request, headers={}, settings=bare))

    return headers


class RetriesForgetOwnHeaders(Broken):
    """Takes the caller's headers out of the call with the first attempt."""

    breaks = "REQ-16"
    key = "post_request_headers"

    def damage(self) -> None:
        seen: set[str] = set()

        def once(right: Any) -> Any:
            def headers(request: Any) -> Any:
                again = request.request_id in seen
                seen.add(request.request_id)
                return right(replace(request, headers={}) if again else request)

            return headers

        exchange(transport, "_headers", once)


class OwnHeadersStay(Broken):
    """Adds the headers of a call to those of its endpoint, where the next call finds them."""

    breaks = "REQ-16"
    key = "post_request_headers"

    def damage(self) -> None:
        kept: dict[str, str] = {}

        def keeping(right: Any) -> Any:
            def checked(given: Any) -> Any:
                kept.update(right(given))
                return dict(kept)

            return checked

        exchange(calls, "checked_headers", keeping)


class EndpointsShareOwnHeaders(Broken):
    """One mapping of headers for all endpoints."""

    breaks = "REQ-16"
    key = "post_request_headers"

    def damage(self) -> None:
        shared: dict[str, str] = {}

        def sharing(right: Any) -> Any:
            def checked(given: Any) -> Any:
                shared.update(right(given))
                return dict(shared)

            return checked

        exchange(settings, "checked_headers", sharing)


class TidiesOwnHeaders(Broken):
    """Takes the quotes out of the values."""

    breaks = "REQ-16"
    key = "post_request_headers"

    def damage(self) -> None:
        def tidy(right: Any) -> Any:
            return lambda given: {name: value.replace('"', "") for name, value in right(given).items()}

        exchange(settings, "checked_headers", tidy)
        exchange(calls, "checked_headers", tidy)


class MergesByTheLetter(Broken):
    """Merges mappings whose keys have case: ``authorization`` and ``Authorization`` both go out."""

    breaks = "REQ-16"
    key = "post_request_headers"

    def damage(self) -> None:
        exchange(own_headers, "_RESERVED", lambda _: frozenset())

        def merged(own: Any, *given: Any) -> dict[str, str]:
            return dict(own) | {name: value for each in given for name, value in each.items()}

        exchange(transport, "merged", lambda _: merged)


class FollowsWithOwnHeaders(Broken):
    """Follows redirects to any origin, without the key: no other header is known to be a credential."""

    breaks = "SEC-04"
    key = "new:redirect_safety"

    def damage(self) -> None:
        exchange(transport, "_origin", lambda _: lambda url: "one")

        def keyless(right: Any) -> Any:
            async def send(self: Any, url: Any, request: Any) -> Any:
                if str(url) != request.settings.url(request.route):
                    request = replace(request, settings=replace(request.settings, api_key=None))
                return await right(self, url, request)

            return send

        exchange(transport.Transport, "_send", keyless)


class CutsOwnHeaders(Broken):
    """Cuts the caller's headers at a line end and sends the first line."""

    breaks = "SEC-06"
    key = "request_id_tracking"

    def damage(self) -> None:
        def first_line(text: str) -> str:
            return text.replace("\0", "\r").splitlines()[0].partition(":")[0]

        def cutting(right: Any) -> Any:
            return lambda given: right(given and {first_line(n): first_line(v) for n, v in given.items()})

        exchange(settings, "checked_headers", cutting)
        exchange(calls, "checked_headers", cutting)


class AddsItsKeyToTheCallersHeaders(Broken):
    """``headers.setdefault("Authorization", ...)`` on the mapping that the caller handed over."""

    breaks = "REQ-13"
    key = "post_request"

    def chat(self, messages: Any, **given: Any) -> Any:
        answer = super().chat(messages, **given)
        if isinstance(given.get("headers"), dict):
            given["headers"].setdefault("Authorization", "Bearer of the endpoint")
        return answer
