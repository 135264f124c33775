"""Mistakes with the key (SEC)."""
# ruff: noqa: ARG001, ARG005 - the parts exchanged take more than each mistake needs

import logging
import os
import ssl
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import calls, client, engine, settings, transport


class KeyInErrors(Broken):
    """Puts the request's headers into every error."""

    breaks = "SEC-01"
    key = "new:key_redaction"

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def failed(course: Any, error: BaseException) -> None:
                right(course, error)
                error.args = (*error.args, transport._headers(course.call.outgoing))

            return failed

        exchange(engine.Course, "failed", make)


class LogsHeaders(BrokenCalls):
    """Logs the headers of each request."""

    breaks = "SEC-02"
    key = "new:key_redaction"

    def create_endpoint(self, **given: Any) -> str:
        logging.getLogger("client").info("new endpoint with %s", given)
        return super().create_endpoint(**given)


class KeyInQuery(Broken):
    """Sends the key in the query too."""

    breaks = "SEC-03"
    key = "post_request_headers"

    def damage(self) -> None:
        def make(right: Any) -> Any:
            def url(endpoint: Any, route: str) -> str:
                return f"{right(endpoint, route)}?token={endpoint.api_key}"

            return url

        exchange(settings.EndpointSettings, "url", make)


class FollowsAnywhere(Broken):
    """Follows redirects to any origin with all headers."""

    breaks = "SEC-04"
    key = "new:redirect_safety"

    def damage(self) -> None:
        exchange(transport, "_origin", lambda _: lambda url: "one")


class GetsAfterRedirect(Broken):
    """Follows redirects as browsers do: the POST becomes a GET."""

    breaks = "SEC-05"
    key = "new:redirect_safety"

    def damage(self) -> None:
        def following(right: Any) -> Any:
            async def opened(self: Any) -> Any:
                made = await right(self)
                made.follow_redirects = True
                return made

            return opened

        exchange(transport.Transport, "_opened", following)


class SplitsHeaders(Broken):
    """Cuts request ids at a line end and sends the first line."""

    breaks = "SEC-06"
    key = "request_id_tracking"

    def damage(self) -> None:
        exchange(calls, "_checked_id", lambda _: lambda given: given.replace("\0", "\r").splitlines()[0])


class BelievesAnyCertificate(Broken):
    """Switches the check of certificates off."""

    breaks = "SEC-07"
    key = "new:tls"

    def damage(self) -> None:
        def trusting(*, needed: bool) -> ssl.SSLContext:
            return ssl._create_unverified_context()  # noqa: S323 - the mistake itself

        exchange(transport, "_tls_context", lambda _: trusting)


class ShowsKey(Broken):
    """Lists its endpoints with their keys."""

    breaks = "SEC-08"
    key = "new:key_redaction"

    def damage(self) -> None:
        def shown(self: Any) -> str:
            return f"<Client {[each.api_key for each in self.endpoints.values()]}>"

        exchange(client.Client, "__repr__", lambda _: shown)


class TakesAmbientToken(Broken):
    """Falls back on ``HF_TOKEN`` where no key is given."""

    breaks = "SEC-09"
    key = "new:ambient_token"

    def create_endpoint(self, **given: Any) -> str:
        if given.get("api_key") is None:
            given["api_key"] = os.environ.get("HF_TOKEN")
        return super().create_endpoint(**given)
