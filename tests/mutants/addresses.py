"""Mistakes in where a request goes and in its headers: in streams alone, or with unusual base URLs."""

import hashlib
import re
from typing import Any

import httpx
from seams import Broken, exchange

from tgi_conformance.backends.reference import async_client, settings, transport


class StreamSendsNoRequestId(Broken):
    """Leaves the header of the request id out of streams."""

    breaks = "REQ-11"
    key = "request_id_tracking"
    shows_in = ("streams",)

    def damage(self) -> None:
        def without(right: Any) -> Any:
            def headers(request: Any) -> Any:
                sent = dict(right(request))
                return {k: v for k, v in sent.items() if not request.stream or v != request.request_id}

            return headers

        exchange(transport, "_headers", without)


class StreamSendsNoKey(Broken):
    """Leaves the key out of streams."""

    breaks = "MUX-01"
    key = "multiplexing_endpoint_creation"
    shows_in = ("streams",)

    def damage(self) -> None:
        def without(right: Any) -> Any:
            def headers(request: Any) -> Any:
                sent = dict(right(request))
                kept = {k: v for k, v in sent.items() if k.lower() != "authorization"}
                return kept if request.stream and request.route == "/v1/completions" else sent

            return headers

        exchange(transport, "_headers", without)


class StreamLosesMount(Broken):
    """Puts the route of a stream behind the host of the base URL."""

    breaks = "INIT-04"
    key = "endpoint_handler"
    shows_in = ("streams",)

    def damage(self) -> None:
        def url(right: Any) -> Any:
            def of_route(given: Any, route: str) -> str:
                if route != "/generate_stream":
                    return str(right(given, route))
                return str(httpx.URL(given.base_url).copy_with(path=route))

            return of_route

        exchange(settings.EndpointSettings, "url", url)


class ReplacesVersion(Broken):
    """Takes whatever looks like a version at the end of a base URL for the one that it adds."""

    breaks = "INIT-04"
    key = "endpoint_handler"

    def damage(self) -> None:
        def root(right: Any) -> Any:
            return lambda url: re.sub(r"/v\d+\w*$", "", right(url))

        exchange(settings, "_server_root", root)


class HostWithoutBrackets(Broken):
    """Writes the Host header itself, from the name without its brackets."""

    breaks = "INIT-10"
    key = "endpoint_handler"

    def damage(self) -> None:
        def named(right: Any) -> Any:
            def headers(request: Any) -> Any:
                url = httpx.URL(request.settings.base_url)
                return {**right(request), "Host": f"{url.host}:{url.port}"}

            return headers

        exchange(transport, "_headers", named)


class GluesRouteToQuery(Broken):
    """Appends the route to the base URL, its query included."""

    breaks = "INIT-11"
    key = "endpoint_handler"

    def damage(self) -> None:
        exchange(settings, "_server_root", lambda right: lambda url: url if "?" in url else right(url))


class DropsQuery(Broken):
    """Drops the query of a base URL, without a word."""

    breaks = "INIT-11"
    key = "endpoint_handler"

    def damage(self) -> None:
        exchange(settings, "_server_root", lambda right: lambda url: right(url.partition("?")[0]))


class StreamsShareAPath(Broken):
    """Keeps the path of the endpoint that was made last for the streams of all."""

    breaks = "INIT-04"
    key = "endpoint_handler"
    shows_in = ("streams",)

    def damage(self) -> None:
        self._path = ""

        def url(right: Any) -> Any:
            def of_route(given: Any, route: str) -> str:
                own = httpx.URL(right(given, route))
                return (
                    str(own.copy_with(path=self._path + route)) if route == "/generate_stream" else str(own)
                )

            return of_route

        exchange(settings.EndpointSettings, "url", url)

    def create_endpoint(self, **given: Any) -> str:
        self._path = httpx.URL(given["base_url"]).path.rstrip("/")
        return super().create_endpoint(**given)


class StreamHashesRequests(Broken):
    """Makes the request id of a stream from what is asked."""

    breaks = "REQ-12"
    key = "request_id_tracking"
    shows_in = ("streams",)

    def damage(self) -> None:
        def prepared(right: Any) -> Any:
            def prepare(*args: Any, **given: Any) -> Any:
                if given.get("stream") and given.get("request_id") is None:
                    given["request_id"] = hashlib.md5(repr(args[1]).encode()).hexdigest()  # noqa: S324
                return right(*args, **given)

            return prepare

        exchange(async_client, "prepare", prepared)
