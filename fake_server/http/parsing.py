"""Requests from bytes, without I/O: heads as hyper reads them, bodies by length or chunks.

httptools reads the head (with hyper's leniencies); where the head and the body end is judged on the
raw bytes here, so that a journal can keep a head exactly as it was received.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import httptools

from tgi_conformance.contracts.targets import is_target, path_of

MAX_HEAD: Final = 417_792
"""hyper's own bound: 8 KiB and 4 KiB for each of 100 headers."""

MAX_TRAILERS: Final = 16_384
"""Bytes of all trailers of one chunked body."""
_COMMON_HEAD: Final = 4096
"""Bytes up to which a head that was read is remembered."""
_TOKEN: Final = rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])\r?\n")
_METHOD_BYTE: Final = re.compile(_TOKEN)
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


class ParseError(ValueError):
    """Bytes that are no request; ``status`` is what hyper answers before it closes."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(slots=True)
class Request:
    """One request as it came in. Times are monotonic seconds."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]
    head: bytes
    first_byte_at: float
    body: bytes = b""
    complete: bool = True
    too_large: bool = False
    received_at: float = 0.0
    #: Names in lower case, first value each.
    first: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the target, without its query."""
        return path_of(self.target)

    @property
    def waits_to_go_on(self) -> bool:
        """Whether the sender waits for ``100 Continue`` before it sends a body."""
        expects = self.first.get("expect", "").lower() == "100-continue"
        return expects and self.method == "POST" and self.version != "1.0"

    @property
    def close(self) -> bool:
        """Whether the connection ends with this exchange."""
        stays = self.version != "1.0"
        if "connection" in self.first:
            for name, value in self.headers:
                if name.lower() == "connection":
                    tokens = {token.strip() for token in value.lower().split(",")}
                    stays = "close" not in tokens if stays else "keep-alive" in tokens
        return not stays


class _HeadReader:
    """Callbacks of httptools for one head."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1").rstrip(" \t")))


def parse_head(head: bytes, at: float) -> Request:
    """Read one whole head; raises :class:`ParseError`."""
    if len(head) > _COMMON_HEAD:
        return _read_head(head, at)
    read = _read_common_head(head)
    return Request(read.method, read.target, read.version, read.headers, read.head, at, first=read.first)


@lru_cache(maxsize=256)
def _read_common_head(head: bytes) -> Request:
    """Read a head of usual size: clients send the same one again and again."""
    return _read_head(head, 0.0)


def _read_head(head: bytes, at: float) -> Request:
    line = _LINE.match(head)
    if line is None or not is_target(line[2]):
        first_line = head.split(b"\n", 1)[0][:200]
        raise ParseError(400, f"{first_line!r} is no request line of HTTP/1")
    reader = _HeadReader()
    parser = httptools.HttpRequestParser(reader)
    parser.set_dangerous_leniencies(
        lenient_optional_cr_before_lf=True,
        lenient_optional_lf_after_cr=True,
        lenient_chunked_length=True,
        lenient_data_after_close=True,
    )
    with suppress(httptools.HttpParserUpgrade):
        try:
            # Which methods and targets there are is asked of the line; llhttp knows others.
            parser.feed_data(b"GET / HTTP/1.1\r\n" + head[line.end() :])
        except httptools.HttpParserError as error:
            raise ParseError(400, str(error)) from error
    return _request(
        line[1].decode("ascii"), line[2], f"1.{line[3].decode()}", tuple(reader.headers), head, at
    )


def _request(
    method: str, target: bytes, version: str, headers: tuple[tuple[str, str], ...], head: bytes, at: float
) -> Request:
    first: dict[str, str] = {}
    for name, value in headers:
        first.setdefault(name.lower(), value)
    return Request(method, target.decode("latin-1"), version, headers, head, at, first=first)


class RequestReader:
    """Turns the bytes of one connection into requests.

    ``feed`` returns the requests that the bytes complete, in order. ``expects_continue`` is true
    while a body is awaited whose sender waits for ``100 Continue``. Raises :class:`ParseError`.
    """

    def __init__(self, *, max_body: int, max_head: int = MAX_HEAD) -> None:
        self._max_body = max_body
        self._max_head = max_head
        self._buffer = bytearray()
        self._request: Request | None = None
        self._length: int | None = None
        self._chunks: _ChunkReader | None = None
        self._first_byte_at = 0.0
        #: Up to where the buffer holds no end of a head: a head that comes byte by byte is searched once.
        self._searched = 0
        #: The request before, if its body was framed by its length, and that length.
        self._before: tuple[Request, int] | None = None
        self.expects_continue = False

    @property
    def pending(self) -> bool:
        """Whether an unfinished request is held."""
        return bool(self._buffer) or self._request is not None

    @property
    def awaited(self) -> Request | None:
        """The request whose body has not ended yet, by its head alone."""
        return self._request

    @property
    def body_size(self) -> int:
        """How many bytes of the awaited body have come."""
        return len(self._chunks.body if self._chunks else self._buffer)

    @property
    def unfinished(self) -> Request | None:
        """The request whose body has not ended yet."""
        if self._request is not None:
            self._request.body = bytes(self._chunks.body if self._chunks else self._buffer)
            self._request.complete = False
        return self._request

    @property
    def raw(self) -> bytes:
        """The bytes that no request has taken, for a note on what was not understood."""
        return bytes(self._buffer)

    def feed(self, data: bytes, at: float) -> list[Request]:
        """Take the next bytes, which came at monotonic time ``at``."""
        if not self._buffer and self._request is None:
            again = self._again(data, at)
            if again is not None:
                return [again]
            self._first_byte_at = at
        self._buffer += data
        done: list[Request] = []
        while (request := self._next()) is not None:
            request.received_at = at
            done.append(request)
            self._request = self._length = self._chunks = None
            self._first_byte_at = at
            self.expects_continue = False
            if request.too_large:
                self._buffer.clear()
        return done

    def _again(self, data: bytes, at: float) -> Request | None:
        """The whole request in ``data``, if its head is the one before: then that is read already."""
        if self._before is None or not data.startswith(self._before[0].head):
            return None
        last, length = self._before
        start = len(last.head)
        if len(data) != start + length:
            return None
        return Request(
            last.method,
            last.target,
            last.version,
            last.headers,
            last.head,
            at,
            data[start:],
            received_at=at,
            first=last.first,
        )

    def _next(self) -> Request | None:
        if self._request is None:
            self._request = self._take_head()
            if self._request is None:
                return None
            self._frame(self._request)
        request = self._request
        if request.too_large:
            return request
        if self._chunks is not None:
            return self._take_chunks(request)
        if self._length is not None and len(self._buffer) >= self._length:
            request.body = bytes(self._buffer[: self._length])
            del self._buffer[: self._length]
            self._before = None if "expect" in request.first else (request, self._length)
            return request
        return None

    def _take_head(self) -> Request | None:
        while self._buffer[:2] == b"\r\n" or self._buffer[:1] == b"\n":
            del self._buffer[: self._buffer.index(b"\n") + 1]
        if not self._buffer:
            return None
        end = _HEAD_END.search(self._buffer, max(self._searched - 3, 0))
        self._searched = 0 if end else len(self._buffer)
        size = end.end() if end else len(self._buffer)
        if size > self._max_head:
            raise ParseError(431, f"a request head of more than {self._max_head} bytes")
        if end is None:
            if not _METHOD_BYTE.match(self._buffer) and self._buffer != b"\r":
                raise ParseError(400, f"{bytes(self._buffer[:1])!r} begins no request")
            return None
        head = bytes(self._buffer[:size])
        request = parse_head(head, self._first_byte_at)
        if len(request.headers) > 100:
            raise ParseError(431, f"{len(request.headers)} request headers; at most 100 are read")
        del self._buffer[:size]
        return request

    def _frame(self, request: Request) -> None:
        """Decide how the body ends."""
        coding = request.first.get("transfer-encoding")
        length = request.first.get("content-length")
        if coding is not None:
            if request.version == "1.0":
                raise ParseError(400, "HTTP/1.0 has no transfer-encoding")
            if coding.lower().rpartition(",")[2].strip() != "chunked":
                raise ParseError(400, f"transfer-encoding {coding!r} does not end in chunked")
            self._chunks = _ChunkReader(self._max_body)
        elif length is not None:
            if not _LENGTH.fullmatch(length.strip()):
                raise ParseError(400, f"content-length {length!r} is no number")
            self._length = int(length)
        else:
            self._length = 0
        request.too_large = self._length is not None and self._length > self._max_body
        request.complete = not request.too_large
        awaited = self._chunks is not None or (self._length or 0) > len(self._buffer)
        self.expects_continue = awaited and request.waits_to_go_on

    def _take_chunks(self, request: Request) -> Request | None:
        chunks = self._chunks
        if chunks is None or not chunks.feed(self._buffer):
            return None
        request.body = bytes(chunks.body)
        request.too_large = chunks.too_large
        request.complete = not chunks.too_large
        return request


class _ChunkReader:
    """Chunked body: sizes in hex, extensions and trailers ignored, lone LF taken as hyper does."""

    def __init__(self, max_body: int) -> None:
        self.body = bytearray()
        self.too_large = False
        self._max_body = max_body
        self._state = "size"
        self._left = 0
        self._trailer_bytes = 0

    def feed(self, buffer: bytearray) -> bool:
        """Take what ``buffer`` has of the body off it; true once the body has ended."""
        step = {"size": self._size, "data": self._data, "line": self._line, "trailer": self._trailer}
        while self._state != "done":
            if not step[self._state](buffer):
                return False
        return True

    def _size(self, buffer: bytearray) -> bool:
        if b"\n" not in buffer:
            if len(buffer) > 16_384:
                raise ParseError(400, "a chunk size line without an end")
            return False
        match = _SIZE_LINE.match(buffer)
        if match is None:
            line = bytes(buffer[: buffer.index(b"\n")])
            raise ParseError(400, f"{line!r} is no chunk size")
        self._left = int(match[1], 16)
        del buffer[: match.end()]
        self._state = "data" if self._left else "trailer"
        return True

    def _data(self, buffer: bytearray) -> bool:
        piece = buffer[: self._left]
        if len(self.body) + len(piece) > self._max_body:
            self.too_large = True
            self._state = "done"
            return True
        self.body += piece
        self._left -= len(piece)
        del buffer[: len(piece)]
        if self._left:
            return False
        self._state = "line"
        return True

    def _line(self, buffer: bytearray) -> bool:
        """The line end after a chunk's data."""
        return self._line_end(buffer, "size")

    def _trailer(self, buffer: bytearray) -> bool:
        end = buffer.find(b"\n")
        if self._trailer_bytes + (len(buffer) if end < 0 else end) > MAX_TRAILERS:
            raise ParseError(400, f"trailers of more than {MAX_TRAILERS} bytes")
        if end < 0:
            return False
        self._trailer_bytes += end + 1
        blank = bytes(buffer[: end + 1]).strip() == b""
        del buffer[: end + 1]
        self._state = "done" if blank else "trailer"
        return True

    def _line_end(self, buffer: bytearray, following: str) -> bool:
        if buffer[:2] == b"\r\n":
            del buffer[:2]
        elif buffer[:1] == b"\n":
            del buffer[:1]
        elif len(buffer) >= 2 or (buffer and buffer[:1] != b"\r"):
            raise ParseError(400, "a chunk is longer than its size said")
        else:
            return False
        self._state = following
        return True
