"""Mistakes with the key that streams alone make: other code often opens them than plain calls (SEC)."""

import logging
import os
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from seams import Broken, exchange

from tgi_conformance.backends.reference import async_client, engine, transport


class OpensStreamsByItself(Broken):
    """Opens each stream with a client of its own, set up in another way than that of plain calls."""

    #: What is set up otherwise.
    options: dict[str, Any]

    def damage(self) -> None:
        def make(right: Any) -> Any:
            @asynccontextmanager
            async def post(pool: Any, request: Any) -> Any:
                if not request.stream:
                    async with right(pool, request) as reply:
                        yield reply
                    return
                reply, own = await self.opened(request)
                try:
                    yield reply
                finally:
                    await own.aclose()

            return post

        exchange(transport.Transport, "post", make)

    async def opened(self, request: Any) -> tuple[Any, Any]:
        """The head of a stream's answer, and the client that is to be closed."""
        own = httpx.AsyncClient(**{"trust_env": False} | self.options)
        headers = transport._headers(request)
        url = request.settings.url(request.route)
        sent = own.build_request(
            "POST", url, content=request.body, headers=headers, timeout=transport._timeout(request.settings)
        )
        try:
            return transport.Reply(await own.send(sent, stream=True)), own
        except httpx.HTTPError as error:
            await own.aclose()
            failure = transport._translate(error, status=None)
        raise failure


class StreamsGetAfterRedirect(OpensStreamsByItself):
    """Has the library follow the redirects of a stream, which makes a GET of its POST."""

    breaks = "SEC-05"
    key = "new:redirect_safety"
    shows_in = ("streams",)
    options = {"follow_redirects": True}  # noqa: RUF012 - read only


class StreamsBelieveAnyCertificate(OpensStreamsByItself):
    """Switches the check of certificates off where a stream is opened."""

    breaks = "SEC-07"
    key = "new:tls"
    shows_in = ("streams",)
    options = {"verify": False}  # noqa: RUF012 - read only


class StreamsFollowAnywhere(Broken):
    """Follows the redirects of a stream to any origin, with all headers."""

    breaks = "SEC-04"
    key = "new:redirect_safety"
    shows_in = ("streams",)

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def redirected(response: Any, url: Any, seen: Any) -> Any:
                if "event-stream" in response.request.headers.get("accept", ""):
                    return url.join(response.headers["location"])
                return right(response, url, seen)

            return redirected

        exchange(transport, "_redirected", make)


class KeyInStreamErrors(Broken):
    """Puts the request's headers into the errors of streams."""

    breaks = "SEC-01"
    key = "new:key_redaction"
    shows_in = ("streams",)

    def damage(self) -> None:
        def make(right: Callable[..., None]) -> Any:
            def failed(course: Any, error: BaseException) -> None:
                right(course, error)
                if course.call.outgoing.stream:
                    error.args = (*error.args, transport._headers(course.call.outgoing))

            return failed

        exchange(engine.Course, "failed", make)


class KeyInStreamLogs(Broken):
    """Logs the headers of streams that fail."""

    breaks = "SEC-02"
    key = "new:key_redaction"
    shows_in = ("streams",)

    def damage(self) -> None:
        def make(right: Callable[..., None]) -> Any:
            def failed(course: Any, error: BaseException) -> None:
                right(course, error)
                if course.call.outgoing.stream:
                    logging.getLogger("client").warning("lost: %s", transport._headers(course.call.outgoing))

            return failed

        exchange(engine.Course, "failed", make)


class SplitsHeadersOfStreams(Broken):
    """Checks the ids of plain calls only: those of streams are cut at a line end and sent."""

    breaks = "SEC-06"
    key = "request_id_tracking"
    shows_in = ("streams",)

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def prepare(*given: Any, **options: Any) -> Any:
                if options.get("stream") and isinstance(options.get("request_id"), str):
                    options["request_id"] = options["request_id"].replace("\0", "\r").splitlines()[0]
                return right(*given, **options)

            return prepare

        exchange(async_client, "prepare", make)


class StreamsTakeAmbientToken(Broken):
    """Falls back on ``HF_TOKEN`` for streams, where no key is given."""

    breaks = "SEC-09"
    key = "new:ambient_token"
    shows_in = ("streams",)

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def headers(request: Any) -> dict[str, str]:
                made: dict[str, str] = right(request)
                token = os.environ.get("HF_TOKEN")
                if request.stream and token and "Authorization" not in made:
                    made["Authorization"] = f"Bearer {token}"
                return made

            return headers

        exchange(transport, "_headers", make)


class BelievesAnyName(Broken):
    """Checks who vouches for a certificate, and not for whom."""

    breaks = "SEC-07"
    key = "new:tls"

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def context(*, needed: bool) -> Any:
                made = right(needed=needed)
                made.check_hostname = False
                return made

            return context

        exchange(transport, "_tls_context", make)
