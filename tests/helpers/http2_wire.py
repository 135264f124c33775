"""A client of HTTP/2 at socket level: the h2 library over one connection, every read with a deadline."""

import json
import socket
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass(slots=True)
class Stream:
    """What has come on one stream."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    interim: list[list[tuple[str, str]]] = field(default_factory=list)
    #: The payload of each DATA frame, empty ones too.
    data: list[bytes] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(dict(self.headers)[":status"])

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.headers if name != ":status"]

    @property
    def body(self) -> bytes:
        return b"".join(self.data)

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


class Http2Wire:
    """One connection; ``window``: bytes that the server may send ahead on each stream.

    ``grant`` False: no more than that is granted until :meth:`grant_all`.
    """

    def __init__(
        self, url: str, *, window: int = 65_535, grant: bool = True, cadata: str | None = None
    ) -> None:
        parts = urlsplit(url)
        self.socket: socket.socket = socket.create_connection((parts.hostname or "", parts.port or 0), 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if cadata is not None:
            context = ssl.create_default_context(cadata=cadata)
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.h2 = H2Connection(
            H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False)
        )
        self.h2.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = window
        self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        self.grants = grant
        self.streams: dict[int, Stream] = {}
        #: Streams in the order in which their DATA came.
        self.order: list[int] = []
        #: Error code of the server's GOAWAY.
        self.goaway: int | None = None
        self.over = False
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def ask(
        self,
        path: str = "/generate",
        body: object = None,
        *,
        method: str = "POST",
        headers: Iterable[tuple[str, str]] = (),
        ends: bool = True,
    ) -> int:
        """Begin a request; with ``ends`` its body (JSON, or bytes as they are) goes with it."""
        stream_id = self.h2.get_next_available_stream_id()
        content = b"" if method in {"GET", "HEAD", "OPTIONS"} else content_of(body)
        fields = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "x"), *headers]
        if method not in {"GET", "HEAD", "OPTIONS"}:
            fields.append(("content-type", "application/json"))
        self.streams[stream_id] = Stream()
        self.h2.send_headers(stream_id, fields, end_stream=ends and not content)
        self.flush()
        if ends and content:
            self.send(stream_id, content)
        return stream_id

    def send(self, stream_id: int, content: bytes, *, ends: bool = True) -> None:
        """Send a body, as fast as the server lets us."""
        while content:
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            if room:
                last = ends and room >= len(content)
                self.h2.send_data(stream_id, content[:room], end_stream=last)
                content = content[room:]
                self.flush()
            else:
                self.read()

    def read(self, *, answering: bool = True) -> None:
        """Take what comes next; ``answering`` False: without a word back, which would reset a closed peer."""
        data = self.socket.recv(65_536)
        if not data:
            self.over = True
            return
        for event in self.h2.receive_data(data):
            self._take(event)
        # The library takes GOAWAY for the end; the streams that run go on.
        if self.h2.state_machine.state is ConnectionState.CLOSED:
            self.h2.state_machine.state = ConnectionState.CLIENT_OPEN
        if answering:
            self.flush()

    def _take(self, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            self.streams[event.stream_id].headers = _text(event.headers)
        elif isinstance(event, InformationalResponseReceived):
            self.streams[event.stream_id].interim.append(_text(event.headers))
        elif isinstance(event, TrailersReceived):
            self.streams[event.stream_id].trailers = _text(event.headers)
        elif isinstance(event, DataReceived):
            self.streams[event.stream_id].data.append(event.data)
            self.order.append(event.stream_id)
            if self.grants and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.streams[event.stream_id].ended = True
        elif isinstance(event, StreamReset):
            self.streams[event.stream_id].reset = int(event.error_code)
        elif isinstance(event, ConnectionTerminated):
            self.goaway = int(event.error_code)

    def until(self, stream_id: int, mark: bytes = b"") -> Stream:
        """Read until a stream has ended or holds a mark; AssertionError if the connection ends first."""
        stream = self.streams[stream_id]
        while not (stream.ended or stream.reset is not None or (mark and mark in stream.body)):
            assert not self.over, f"the connection ended: {stream}"
            self.read()
        return stream

    def until_over(self) -> str:
        """Read to the end of the connection: "fin" or "rst"."""
        try:
            while not self.over:
                self.read(answering=False)
        except ConnectionResetError:
            return "rst"
        return "fin"

    def answer(self, *args: object, **kwargs: object) -> Stream:
        """One request and its whole answer."""
        return self.until(self.ask(*args, **kwargs))  # type: ignore[arg-type]

    def grant_all(self, stream_id: int, size: int) -> None:
        """Let the server send so many bytes more."""
        self.h2.increment_flow_control_window(size, stream_id)
        self.h2.increment_flow_control_window(size)
        self.flush()

    def give_up(self, stream_id: int) -> None:
        """Reset a stream, as a client does that no longer wants the answer."""
        self.h2.reset_stream(stream_id, 8)
        self.flush()

    def say_goaway(self) -> None:
        self.socket.sendall(GoAwayFrame(0, last_stream_id=0, error_code=0).serialize())

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def content_of(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return json.dumps({"inputs": "x"} if body is None else body).encode()


def _text(headers: object) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in headers]  # type: ignore[attr-defined]
