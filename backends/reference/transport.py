"""The edge to the network: one pool of connections over httpx, one request at a time through it.

Only here is httpx known. What it raises becomes one of this client's errors, made afresh: httpx's
own exceptions hold the request with its key, and are not chained. Redirects are not left to
httpx: a POST goes on, with its body, to the same origin after 307 or 308 only. Compression is not
offered, so a coded body is an error. Cookies are not kept.
"""

import asyncio
import functools
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, cast
from urllib.request import getproxies

import httpx

from tgi_conformance.backends.reference.errors import (
    ClosedError,
    InvalidArgumentError,
    ProtocolError,
    RedirectError,
    RequestTimeoutError,
    TGIError,
    TimeoutPhase,
    TransportError,
    TransportFault,
)
from tgi_conformance.backends.reference.own_headers import merged
from tgi_conformance.backends.reference.settings import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    EndpointSettings,
)

REQUEST_ID_HEADER: Final = "X-Request-Id"
ANSWER_LIMIT: Final = 64 * 1024 * 1024
ERROR_LIMIT: Final = 64 * 1024
REDIRECT_LIMIT: Final = 3

_KEEPS_POST: Final = frozenset({307, 308})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_USER_AGENT: Final = "tgi-reference-client/1"
_NO_ANSWER_TEXT: Final = "without sending a response"
"""How httpx words a connection that ended without a head."""

_TIMEOUTS: Final[dict[type[httpx.TimeoutException], TimeoutPhase]] = {
    httpx.ConnectTimeout: "connect",
    httpx.ReadTimeout: "read",
    httpx.WriteTimeout: "write",
    httpx.PoolTimeout: "pool",
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request, the same for all attempts of a call."""

    settings: EndpointSettings
    route: str
    body: bytes
    request_id: str
    stream: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The caller's own for this call."""


class Reply:
    """An answer whose head has come. ``headers`` names are lower case."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    @property
    def is_event_stream(self) -> bool:
        """Whether the body is declared as server-sent events."""
        media_type = self.headers.get("content-type", "").partition(";")[0]
        return media_type.strip().lower() == "text/event-stream"

    def header_lines(self, name: str) -> list[str]:
        """Return the values of all lines of one header."""
        return self._response.headers.get_list(name)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes; a body that breaks off raises ``TransportError``."""
        coding = self.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise ProtocolError(
                f"the body is coded as {coding[:40]}, which was not offered", status=self.status
            )
        failure: TGIError
        try:
            raw = cast("AsyncGenerator[bytes, None]", self._response.aiter_raw())
            async with aclosing(raw) as parts:
                async for part in parts:
                    yield part
        except (httpx.HTTPError, httpx.StreamError) as error:
            failure = _translate(error, status=self.status)
        else:
            return
        raise failure

    async def read(self, limit: int = ANSWER_LIMIT) -> bytes:
        """Return the whole body; raises ``ProtocolError`` if it is longer than ``limit`` bytes."""
        body = bytearray()
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    raise ProtocolError(f"the body is longer than {limit} bytes", status=self.status)
        return bytes(body)

    async def read_error(self) -> bytes:
        """Return what can be had of an error body: its status must not be lost with the rest."""
        body = bytearray()
        try:
            async with aclosing(self.chunks()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) >= ERROR_LIMIT:
                        break
        except TGIError:
            return bytes(body)
        return bytes(body[:ERROR_LIMIT])


class Transport:
    """The connections of one endpoint. They belong to the event loop in use; another one gets its own."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._connections = settings.connections
        self._proxied = bool(getproxies())
        self._needs_tls = self._proxied or settings.base_url.startswith("https:")
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lifeline: AsyncGenerator[None, None] | None = None
        self._closed = False

    @asynccontextmanager
    async def post(self, request: Outgoing) -> AsyncIterator[Reply]:
        """Send ``request``, and give the answer while it may be read.

        Leaving the block with an unread body closes the connection.
        """
        url = httpx.URL(request.settings.url(request.route))
        seen = {url}
        for _ in range(REDIRECT_LIMIT + 1):
            response = await self._send(url, request)
            try:
                if response.status_code not in _REDIRECTS:
                    yield Reply(response)
                    return
                url = _redirected(response, url, seen)
            finally:
                await response.aclose()
        raise RedirectError(f"more than {REDIRECT_LIMIT} redirects", status=response.status_code)

    async def aclose(self) -> None:
        """Close every connection; later requests raise ``ClosedError``."""
        self._closed = True
        if self._lifeline is not None:
            await self._lifeline.aclose()

    async def _send(self, url: httpx.URL, request: Outgoing) -> httpx.Response:
        if self._closed:
            raise ClosedError("the endpoint is closed")
        client = await self._opened()
        failure: TGIError
        try:
            return await client.send(
                client.build_request(
                    "POST",
                    url,
                    content=request.body,
                    headers=_headers(request),
                    timeout=_timeout(request.settings),
                ),
                stream=True,
            )
        except httpx.HTTPError as error:
            failure = _translate(error, status=None)
        except (httpx.InvalidURL, httpx.StreamError) as error:
            failure = InvalidArgumentError(f"the request cannot be sent: {error}")
        except RuntimeError:
            # httpx says so when the pool is closed under a request that is about to begin.
            if not self._closed:
                raise
            failure = ClosedError("the endpoint was closed")
        raise failure

    async def _opened(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
            self._client = httpx.AsyncClient(
                verify=_tls_context(needed=self._needs_tls),
                limits=httpx.Limits(
                    max_connections=self._connections,
                    max_keepalive_connections=self._connections,
                ),
                follow_redirects=False,
                cookies=no_cookies,
                trust_env=self._proxied,  # else httpx looks through the environment once more
            )
            self._loop = loop
            self._lifeline = _closed_with_loop(self._client)
            await anext(self._lifeline)
        return self._client


@functools.cache
def _tls_context(*, needed: bool) -> ssl.SSLContext:
    """Return the TLS settings, made once: reading the certificates takes tens of milliseconds.

    Where no TLS is needed the settings trust nobody, which costs nothing and stays safe.
    """
    return httpx.create_ssl_context() if needed else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _closed_with_loop(client: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    """Close ``client`` when this generator is closed: by us, with its loop, or by the collector.

    An event loop that shuts down closes the generators begun in it. So no socket outlives its
    loop, and none warns, even if nobody closes the client.
    """
    try:
        yield
    finally:
        await client.aclose()


def _headers(request: Outgoing) -> dict[str, str]:
    headers = {
        "Accept": "text/event-stream, application/json" if request.stream else "application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": _USER_AGENT,
        REQUEST_ID_HEADER: request.request_id,
    }
    if request.settings.api_key is not None:
        headers["Authorization"] = f"Bearer {request.settings.api_key}"
    return merged(headers, request.settings.headers, request.headers)


def _timeout(settings: EndpointSettings) -> httpx.Timeout:
    silence = settings.timeout or READ_TIMEOUT
    return httpx.Timeout(silence, connect=settings.timeout or CONNECT_TIMEOUT)


def _redirected(response: httpx.Response, url: httpx.URL, seen: set[httpx.URL]) -> httpx.URL:
    """Return where the POST goes on, or raise ``RedirectError``."""
    status = response.status_code
    location = response.headers.get("location", "")
    failure = f"the server answered {status}, a redirect to {location[:200] or 'nowhere'}: "
    try:
        target = url.join(location)
    except httpx.InvalidURL:
        target = url
    if status not in _KEEPS_POST:
        raise RedirectError(failure + "it would turn the POST into a GET", status=status)
    if _origin(target) != _origin(url):
        raise RedirectError(failure + "another origin; if it is right, make it the base_url", status=status)
    if target in seen:
        raise RedirectError(failure + "a loop", status=status)
    seen.add(target)
    return target


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _translate(error: httpx.HTTPError | httpx.StreamError, *, status: int | None) -> TGIError:
    """Return this client's error for one of httpx's; ``status`` is set once a head has come."""
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, httpx.TimeoutException):
        phase = _TIMEOUTS.get(type(error), "read")
        return RequestTimeoutError(f"no progress in time ({phase}): {text}", phase)
    fault = "body" if status is not None else _fault_before_answer(error)
    return TransportError(f"the connection failed ({fault}): {text}", fault, status=status)


def _fault_before_answer(error: Exception) -> TransportFault:
    if isinstance(error, httpx.ProxyError):
        return "proxy"
    if isinstance(error, httpx.ConnectError):
        return "tls" if _has_cause(error, ssl.SSLError) else "refused"
    if isinstance(error, httpx.RemoteProtocolError):
        return "closed" if _NO_ANSWER_TEXT in str(error) else "malformed"
    return "reset"


def _has_cause(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False
