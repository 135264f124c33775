"""How a real server is reached: by name and port, over TLS, through a proxy; and in words why it is not."""

import asyncio
import base64
import contextlib
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

CONNECT_SECONDS: Final = 10.0
_MOST_OF_A_HEAD: Final = 65_536

#: What stood in the way: the name has no address, nobody listens, the handshake failed, nothing came in time,
#: the connection broke, what came is no HTTP. ``budget`` and ``key``: the egress of a run sent nothing.
Obstacle = Literal["name", "refused", "tls", "timeout", "lost", "no-http", "budget", "key"]

#: What is said of a server that nobody answers for; runs tell it from what a server answered.
UNREACHABLE: Final = " cannot be reached"


class UpstreamError(Exception):
    """The real server cannot be reached, or does not speak HTTP."""

    def __init__(self, text: str, obstacle: Obstacle) -> None:
        super().__init__(text)
        self.obstacle: Obstacle = obstacle


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy on the way, with what lets one through."""

    host: str
    port: int
    credentials: str | None = None

    @property
    def header(self) -> str:
        """The header that lets one through; empty: none is needed."""
        if self.credentials is None:
            return ""
        return f"proxy-authorization: Basic {base64.b64encode(self.credentials.encode()).decode('ascii')}\r\n"


class Way:
    """The way to one server."""

    def __init__(self, parts: SplitResult, *, cacert: Path | None = None, by_proxy: bool = False) -> None:
        """``by_proxy``: the environment's ``https_proxy``, ``http_proxy`` and ``no_proxy`` are honoured."""
        self.host = parts.hostname or ""
        self.netloc = parts.netloc
        self._tls = _context(cacert) if parts.scheme == "https" else None
        self.port = parts.port or (443 if self._tls else 80)
        self._proxy = _proxy_for(parts.scheme, parts.netloc) if by_proxy else None

    @property
    def target_prefix(self) -> str:
        """What stands before the path in the request line: a proxy of plain HTTP is told the whole URL."""
        return f"http://{self.netloc}" if self._proxy is not None and self._tls is None else ""

    @property
    def header(self) -> str:
        """The header line that a proxy of plain HTTP needs with each request."""
        return self._proxy.header if self._proxy is not None and self._tls is None else ""

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; raises :class:`UpstreamError`."""
        try:
            return await asyncio.wait_for(self._opened(), CONNECT_SECONDS)
        except UpstreamError:
            raise
        except (OSError, TimeoutError) as error:
            raise self._error(error) from error

    def close(self, writer: asyncio.StreamWriter) -> None:
        """Close a connection at once: nothing more is wanted from it."""
        if self._tls is None:
            writer.close()
        else:  # a close would wait for the other side's goodbye
            writer.transport.abort()

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        proxy = self._proxy
        if proxy is None:
            return await asyncio.open_connection(self.host, self.port, ssl=self._tls)
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        try:
            if self._tls is not None:
                await self._through(proxy, reader, writer)
                await writer.start_tls(self._tls, server_hostname=self.host)
        except BaseException:
            writer.close()
            raise
        return reader, writer

    async def _through(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Ask the proxy for a tunnel (RFC 9110 section 9.3.6)."""
        where = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        writer.write(f"CONNECT {where} HTTP/1.1\r\nhost: {where}\r\n{proxy.header}\r\n".encode("latin-1"))
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise UpstreamError(
                f"the proxy {proxy.host}:{proxy.port} ended the connection", "refused"
            ) from error
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        if len(words) < 2 or not words[1].startswith("2"):
            said = " ".join(words[1:])
            raise UpstreamError(f"the proxy {proxy.host}:{proxy.port} lets nobody through: {said}", "refused")

    def _error(self, error: OSError | TimeoutError) -> UpstreamError:
        via = "" if self._proxy is None else f" (by the proxy {self._proxy.host}:{self._proxy.port})"
        where = f"{self.netloc}{UNREACHABLE}{via}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return UpstreamError(f"{where}: its certificate is not accepted: {error.verify_message}", "tls")
        if isinstance(error, ssl.SSLError):
            return UpstreamError(f"{where}: no TLS was agreed on: {error.reason or error}", "tls")
        if isinstance(error, socket.gaierror):
            return UpstreamError(f"{where}: the name has no address: {error.strerror}", "name")
        if isinstance(error, TimeoutError):
            return UpstreamError(f"{where}: no connection within {CONNECT_SECONDS:g} s", "timeout")
        if isinstance(error, ConnectionRefusedError):
            return UpstreamError(f"{where}: nobody listens there", "refused")
        return UpstreamError(f"{where}: {os.strerror(error.errno) if error.errno else error}", "refused")


def parts_of(url: str, option: str) -> SplitResult:
    """A base URL in its parts; raises ValueError for one that is none, and never shows credentials in it."""
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(f"{option}: no URL can be read in it") from None
    if parts.username or parts.password or "@" in parts.netloc:
        raise ValueError(f"{option}: a URL with user or password is refused; the key has a place of its own")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_one:
        raise ValueError(f"{option} {url!r}: an http or https URL is needed, as https://host:port/path")
    if parts.query or parts.fragment:
        raise ValueError(f"{option}: a base URL has no query")
    return parts


def _context(cacert: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if cacert is not None:
        try:
            context.load_verify_locations(cacert)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"--cacert {cacert}: no certificates can be read there: {error}") from error
    return context


def _proxy_for(scheme: str, netloc: str) -> Proxy | None:
    """The proxy that the environment names for a server."""
    url = getproxies_environment().get(scheme)
    with contextlib.suppress(ValueError):
        if url is None or proxy_bypass(netloc):
            return None
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.hostname:
            user = (
                None
                if parts.username is None
                else f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            )
            return Proxy(parts.hostname, parts.port or 80, user)
    raise ValueError(
        f"{scheme}_proxy names no proxy that can be read: set it to http://host:port or unset it"
    )
