"""Mistakes at the edges of connections and messages: ALPN, trailers, connections kept too long."""
# ruff: noqa: ARG001, ARG002, ARG005 - the parts exchanged take more than each mistake needs

import ssl
from dataclasses import replace
from typing import Any

import h11._readers
import httpcore._async.http2
import httpcore._async.http11
from seams import Broken, exchange

from tgi_conformance.backends.reference import errors, retry_policy, transport
from tgi_conformance.contracts.adapter import Description


class _OffersHttp2(ssl.SSLContext):
    """Offers h2 whatever it is told to offer."""

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        super().set_alpn_protocols(["h2", "http/1.1"])


class OffersWhatItLacks(Broken):
    """Offers HTTP/2 in the handshake, as a browser does, and speaks HTTP/1.1."""

    breaks = "REQ-17"
    key = "new:tls"

    def damage(self) -> None:
        def made(*, needed: bool) -> ssl.SSLContext:
            context = _OffersHttp2(ssl.PROTOCOL_TLS_CLIENT)
            context.load_default_certs()
            return context

        exchange(transport, "_tls_context", lambda _: made)
        http1 = httpcore._async.http11.AsyncHTTP11Connection
        exchange(httpcore._async.http2, "AsyncHTTP2Connection", lambda _: http1)


class InsistsOnHttp2(Broken):
    """Begins with HTTP/2 over TLS without asking whether it was agreed on."""

    breaks = "REQ-17"
    key = "new:tls"

    def damage(self) -> None:
        def only_2(right: Any) -> Any:
            def made(**given: Any) -> Any:
                return right(**given, http1=False, http2=True) if self._secure else right(**given)

            return made

        self._secure = False
        exchange(transport.httpx, "AsyncClient", only_2)

    def create_endpoint(self, **given: Any) -> str:
        self._secure = given["base_url"].startswith("https:")
        return super().create_endpoint(**given)


class KnowsNoTrailers(Broken):
    """Wants an empty line after the last chunk, and takes anything else for the end of the connection."""

    breaks = "RESP-05"
    key = "chat_method"

    def damage(self) -> None:
        def strict(right: Any) -> Any:
            def read(self: Any, buf: Any) -> Any:
                event = right(self, buf)
                if isinstance(event, h11._readers.EndOfMessage) and list(event.headers):
                    raise h11._readers.LocalProtocolError("expected an empty line")
                return event

            return read

        exchange(h11._readers.ChunkedReader, "__call__", strict)


class StreamsTrustThePool(Broken):
    """Takes a kept connection for a good one, and gives a stream up that is lost on it."""

    breaks = "RETRY-14"
    key = "post_request"
    shows_in = ("streams",)

    def damage(self) -> None:
        exchange(httpcore._async.http11.AsyncHTTP11Connection, "has_expired", lambda _: lambda _self: False)

        def marking(right: Any) -> Any:
            async def send(self: Any, url: Any, request: Any) -> Any:
                try:
                    return await right(self, url, request)
                except errors.TransportError as error:
                    error.of_stream = request.stream  # type: ignore[attr-defined]
                    raise

            return send

        exchange(transport.Transport, "_send", marking)

        def for_plain_calls(rule: Any) -> Any:
            return lambda error: not getattr(error, "of_stream", False) and rule(error)

        exchange(retry_policy, "is_retryable", for_plain_calls)


class NoticesNoEnd(Broken):
    """Retries nothing, and takes a connection that the server has closed for one that it may send on."""

    breaks = "RETRY-14"
    key = "post_request"

    def damage(self) -> None:
        exchange(httpcore._async.http11.AsyncHTTP11Connection, "has_expired", lambda _: lambda _self: False)
        exchange(retry_policy, "is_retryable", lambda _: lambda error: False)

    def describe(self) -> Description:
        right = super().describe()
        return replace(right, capabilities=right.capabilities - {"retry"}, retry=None)
