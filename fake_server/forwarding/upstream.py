"""One exchange with a real server: the request goes there, head and parts come back as they arrive."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final, Literal, TypeAlias

import httptools

from tgi_conformance.fake_server.forwarding.reaching import UpstreamError, Way, parts_of
from tgi_conformance.fake_server.http.parsing import Request

#: Headers that belong to one connection (RFC 9110 section 7.6.1), and those that are made anew.
_OF_A_CONNECTION: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "upgrade", "transfer-encoding", "expect"}
)
_MADE_ANEW: Final = frozenset({"host", "content-length"})
_READ: Final = 65_536

Ending = Literal["complete", "fin", "rst"]
Headers: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer; ``after`` is seconds since the request was sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    after: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk of the body, or what one read gave; ``after`` is seconds since what came before."""

    content: bytes
    after: float


@dataclass(frozen=True, slots=True)
class End:
    """How the answer ended."""

    ending: Ending


class Upstream:
    """A server by its base URL, http or https.

    ``identity``: answers are asked for without a coding, whatever the client offers. ``whole_chunks``: each
    piece is a chunk as the server made it; otherwise what each read gave. Raises ValueError for a bad URL.
    """

    def __init__(
        self,
        url: str,
        *,
        option: str = "--upstream",
        identity: bool = False,
        whole_chunks: bool = False,
        cacert: Path | None = None,
        by_proxy: bool = False,
    ) -> None:
        parts = parts_of(url, option)
        self._way = Way(parts, cacert=cacert, by_proxy=by_proxy)
        self._base = parts.path.rstrip("/")
        self._identity = identity
        self._whole_chunks = whole_chunks

    async def exchange(
        self, request: Request, *, target: str | None = None, headers: Headers | None = None
    ) -> AsyncGenerator[Head | Piece | End, None]:
        """Send a request; yields the head, the pieces and the end. Raises :class:`UpstreamError`.

        ``target`` and ``headers`` stand in place of the request's own.
        """
        reader, writer = await self._way.open()
        try:
            given = request.headers if headers is None else headers
            writer.write(self._bytes(request, request.target if target is None else target, given))
            async for part in _answer(reader, request.method, whole_chunks=self._whole_chunks):
                yield part
        finally:
            self._way.close(writer)

    def _bytes(self, request: Request, target: str, headers: Headers) -> bytes:
        way = self._way
        lines = [f"{request.method} {way.target_prefix}{self._base}{target} HTTP/1.1", f"host: {way.netloc}"]
        dropped = _OF_A_CONNECTION | _MADE_ANEW | ({"accept-encoding"} if self._identity else set())
        lines += (f"{name}: {value}" for name, value in headers if name.lower() not in dropped)
        if self._identity:
            # A compressed answer could not be read in a file, nor stripped of what it must not hold.
            lines.append("accept-encoding: identity")
        lines.append("connection: close")
        if request.body or request.method in {"POST", "PUT", "PATCH"}:
            lines.append(f"content-length: {len(request.body)}")
        head = "\r\n".join(lines) + f"\r\n{way.header}\r\n"
        return head.encode("latin-1", "replace") + request.body


async def _answer(
    reader: asyncio.StreamReader, method: str, *, whole_chunks: bool
) -> AsyncIterator[Head | Piece | End]:
    events = _Events(method, whole_chunks=whole_chunks)
    while not events.complete:
        try:
            data = await reader.read(_READ)
        except OSError:
            yield End("rst")
            return
        if not data:
            break
        for part in events.feed(data):
            yield part
    if not events.begun:
        raise UpstreamError("the connection ended before an answer", "lost")
    yield End("complete" if events.complete or events.until_close else "fin")


class _Events:
    """Callbacks of httptools for one answer, interim answers passed over."""

    def __init__(self, method: str, *, whole_chunks: bool) -> None:
        self._whole_chunks = whole_chunks
        self.complete = False
        self.begun = False
        self._bodiless = method == "HEAD"
        self._since = monotonic()
        self._out: list[Head | Piece] = []
        self._fresh()

    def _fresh(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[str, str]] = []
        self._chunk: bytes | None = None
        self._reason = b""
        self._interim = False

    @property
    def until_close(self) -> bool:
        """Whether only the end of the connection ends the body."""
        names = {name.lower() for name, _ in self._headers}
        return not names & {"content-length", "transfer-encoding"}

    def feed(self, data: bytes) -> list[Head | Piece]:
        """Take bytes; returns what they complete."""
        self._out = []
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise UpstreamError(f"the answer is no HTTP: {error}", "no-http") from error
        return self._out

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200
        if self._interim:
            self._headers.clear()
            self._reason = b""
            return
        kept = tuple(pair for pair in self._headers if pair[0].lower() not in {"connection", "keep-alive"})
        self.begun = True
        self._out.append(Head(status, kept, self._lap(), self._reason.decode("latin-1")))
        self.complete = self._bodiless or status in {204, 304}

    def on_chunk_header(self) -> None:
        self._chunk = b"" if self._whole_chunks else None

    def on_body(self, body: bytes) -> None:
        if self._chunk is None:
            self._out.append(Piece(body, self._lap()))
        else:
            self._chunk += body

    def on_chunk_complete(self) -> None:
        if self._chunk:
            self._out.append(Piece(self._chunk, self._lap()))
        self._chunk = None

    def on_message_complete(self) -> None:
        if not self._interim:
            self.complete = True

    def _lap(self) -> float:
        before, self._since = self._since, monotonic()
        return self._since - before
