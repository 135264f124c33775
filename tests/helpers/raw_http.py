"""A client at socket level, for tests of what exactly goes over the wire."""

import json
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Wire:
    """One connection; every read has a deadline of its own."""

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 0), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._kept = b""
        #: Whether the head of an answer was read whole.
        self.had_head = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_to_end(self) -> tuple[bytes, str]:
        """All bytes, and how they ended: "fin" or "rst"."""
        data, self._kept = self._kept, b""
        while True:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                return data, "rst"
            if not piece:
                return data, "fin"
            data += piece

    def read_until(self, mark: bytes) -> bytes:
        """Bytes up to and with a mark; what came after it stays for the next read."""
        while mark not in self._kept:
            piece = self.socket.recv(65536)
            if not piece:
                raise AssertionError(f"ended before {mark!r}: {self._kept!r}")
            self._kept += piece
        end = self._kept.index(mark) + len(mark)
        data, self._kept = self._kept[:end], self._kept[end:]
        return data

    def read(self, count: int) -> bytes:
        while len(self._kept) < count:
            piece = self.socket.recv(65536)
            if not piece:
                raise AssertionError(f"ended before {count} bytes: {self._kept!r}")
            self._kept += piece
        data, self._kept = self._kept[:count], self._kept[count:]
        return data

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for that long."""
        if self._kept:
            return False
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self._kept = self.socket.recv(65536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(before)
        return False

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def response(self) -> "Answered":
        """One whole answer, by its own framing."""
        head = self.read_until(b"\r\n\r\n")
        self.had_head = True
        lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines[1:]))
        values = {name.lower(): value for name, value in headers}
        body, chunks, trailers = b"", [], b""
        if values.get("transfer-encoding") == "chunked":
            while size := int(self.read_until(b"\r\n"), 16):
                chunks.append(self.read(size))
                assert self.read(2) == b"\r\n"
            while (line := self.read_until(b"\r\n")) != b"\r\n":
                trailers += line
            body = b"".join(chunks)
        elif values.get("connection") == "close" and "content-length" not in values:
            body, _ = self.read_to_end()
        else:
            body = self.read(int(values.get("content-length", "0")))
        return Answered(int(lines[0].split()[1]), headers, body, tuple(chunks), lines[0], trailers)


@dataclass(frozen=True)
class Answered:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    chunks: tuple[bytes, ...]
    status_line: str
    trailers: bytes = b""

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.headers]

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


def request(
    path: str = "/generate",
    body: object = None,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a request; the body is JSON unless it is bytes already."""
    content = (
        body if isinstance(body, bytes) else json.dumps({"inputs": "x"} if body is None else body).encode()
    )
    if method in {"GET", "HEAD", "OPTIONS"}:
        content = b""
    lines = [f"{method} {path} HTTP/1.1", "host: x", *(f"{k}: {v}" for k, v in (headers or {}).items())]
    if content:
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def ask(url: str, *args: object, **kwargs: object) -> Answered:
    """One request on a connection of its own."""
    with Wire(url) as wire:
        wire.send(request(*args, **kwargs))  # type: ignore[arg-type]
        return wire.response()


def now() -> float:
    return time.monotonic()
