"""Server-sent events as bytes: decoder and encoder, without I/O.

Source: WHATWG HTML, section 9.2 ("Server-sent events"). The decoder takes bytes in any pieces and
returns finished events; it never waits, reads or writes. Both the fake server and the judging of
what a backend should have seen use this one codec.

Lines are cut on bytes, before UTF-8 is decoded: CR and LF are ASCII, so no broken or unfinished
UTF-8 sequence can span them, and decoding line by line equals decoding the whole stream.
"""

import re
from dataclasses import dataclass
from typing import Final

BOM: Final = b"\xef\xbb\xbf"
DEFAULT_MAX_EVENT_BYTES: Final = 64 * 1024 * 1024

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_TEXT_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_DIGITS: Final = re.compile(r"[0-9]{1,18}")
"""Longer reconnection times are ignored: no clock holds them, and int() refuses the longest."""

_LINE_ENDS: Final = frozenset({"\n", "\r", "\r\n"})


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event as it is handed to the application.

    ``id`` is the last event id seen on the stream so far, as in the standard, not only the one in
    this event's own lines. ``retry`` is the reconnection time in ms that this event gave.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None


class SSEError(ValueError):
    """The stream cannot be decoded any further, or the decoder was used after its end.

    ``events`` are those that the same call had already finished, so that none is lost.
    """

    def __init__(self, message: str, events: tuple[ServerSentEvent, ...] = ()) -> None:
        super().__init__(message)
        self.events = events


class SSEDecoder:
    """Incremental decoder for one stream.

    ``max_event_bytes`` bounds what one event may hold (its field lines and the unfinished line);
    comments and unknown fields are not kept and not counted once their line has ended.
    """

    def __init__(self, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        if max_event_bytes < 1:
            raise ValueError(f"max_event_bytes must be at least 1, got {max_event_bytes}")
        self._max_event_bytes = max_event_bytes
        self._at_start = True
        self._after_cr = False
        self._closed = False
        self._error: str | None = None
        self._line = bytearray()
        self._last_event_id = ""
        self._reconnection_time: int | None = None
        self._reset_event()

    def _reset_event(self) -> None:
        self._data: list[str] = []
        self._event = ""
        self._retry: int | None = None
        self._next_id = self._last_event_id
        self._held_bytes = 0
        self._has_fields = False

    @property
    def pending(self) -> bool:
        """Whether an unfinished line, or fields without their blank line, are held.

        Stays as it was at ``close()``: true then means that the standard dropped something.
        """
        return bool(self._line) or self._has_fields

    @property
    def last_event_id(self) -> str:
        """The id that a reconnecting client would send as ``Last-Event-ID``."""
        return self._last_event_id

    @property
    def reconnection_time(self) -> int | None:
        """The last valid ``retry`` value in ms, also from a block that dispatched no event."""
        return self._reconnection_time

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Take the next bytes, split anywhere, and return the events that they finish.

        Raises ``SSEError`` when one event outgrows ``max_event_bytes`` or after ``close()``.
        """
        if self._error is not None:
            raise SSEError(self._error)
        if self._closed:
            raise SSEError("feed() after close(): use a new SSEDecoder for a new stream")
        if self._at_start:
            data = self._without_bom(data)
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        events: list[ServerSentEvent] = []
        start = 0
        for end in _LINE_END.finditer(data):
            self._hold(data[start : end.start()], events)
            start = end.end()
            event = self._end_line()
            if event is not None:
                events.append(event)
        self._after_cr = self._after_cr or (data.endswith(b"\r") and start == len(data))
        self._hold(data[start:], events)
        return events

    def close(self) -> list[ServerSentEvent]:
        """Take note of the end of input. An unfinished event is dropped: see ``pending``.

        Returns no events today, because a blank line alone finishes an event; the list keeps the
        call interchangeable with ``feed``.
        """
        self._closed = True
        return []

    def _without_bom(self, data: bytes) -> bytes:
        """Withhold the first bytes until it is known whether they are a byte order mark."""
        head = bytes(self._line) + data
        if len(head) < len(BOM) and BOM.startswith(head):
            self._line = bytearray(head)
            return b""
        self._at_start = False
        self._line.clear()
        return head.removeprefix(BOM)

    def _hold(self, piece: bytes, finished: list[ServerSentEvent]) -> None:
        if self._held_bytes + len(self._line) + len(piece) > self._max_event_bytes:
            self._error = (
                f"one server-sent event is longer than {self._max_event_bytes} bytes: "
                "raise max_event_bytes or look for a missing blank line"
            )
            raise SSEError(self._error, tuple(finished))
        self._line += piece

    def _end_line(self) -> ServerSentEvent | None:
        """Act on the line held; a blank one ends the event and may yield it."""
        if not self._line:
            return self._dispatch()
        line = bytes(self._line)
        self._line.clear()
        name, _, value = line.decode("utf-8", "replace").partition(":")
        if self._set_field(name, value.removeprefix(" ")):
            self._held_bytes += len(line)
            self._has_fields = True
        return None

    def _set_field(self, name: str, value: str) -> bool:
        """Keep one field; false for comments (empty name), unknown names and invalid values."""
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self._next_id = value
            case "retry" if _DIGITS.fullmatch(value):
                self._retry = self._reconnection_time = int(value)
            case _:
                return False
        return True

    def _dispatch(self) -> ServerSentEvent | None:
        self._last_event_id = self._next_id
        event = None
        if self._data:
            event = ServerSentEvent(
                event=self._event or "message",
                data="\n".join(self._data),
                id=self._last_event_id,
                retry=self._retry,
            )
        self._reset_event()
        return event


def encode(event: ServerSentEvent, *, line_end: str = "\n", blank: bool = True) -> bytes:
    """Bytes of one event with its blank line: ``event``, ``id``, ``retry``, then the data lines.

    Fields that have their default are left out. ``blank`` puts one blank after each colon.
    Raises ``ValueError`` for a name or id that cannot stand on one line.
    """
    fields: list[tuple[str, str]] = []
    if event.event != "message":
        fields.append(("event", _one_line("event", event.event)))
    if event.id:
        fields.append(("id", _one_line("id", event.id)))
    if event.retry is not None:
        fields.append(("retry", str(event.retry)))
    fields += [("data", line) for line in _TEXT_LINE_END.split(event.data)]
    return _encode_fields(fields, line_end=line_end, blank=blank)


def encode_data(data: str, *, line_end: str = "\n", blank: bool = True) -> bytes:
    r"""Bytes of one event that has data only, with its blank line, as TGI sends them.

    Each line of ``data`` becomes a ``data`` line; a decoder joins them with LF, so CR and CRLF in
    ``data`` come back as LF. ``blank=False`` writes ``data:{...}`` as TGI up to 2.0 did.
    """
    if blank and line_end == "\n" and "\n" not in data and "\r" not in data:
        return f"data: {data}\n\n".encode()
    lines = [("data", line) for line in _TEXT_LINE_END.split(data)]
    return _encode_fields(lines, line_end=line_end, blank=blank)


def encode_comment(text: str = "", line_end: str = "\n", *, blank_line: bool = True) -> bytes:
    r"""Bytes of a comment; the default is TGI's keep-alive, ``:\n\n``.

    ``blank_line=False`` leaves the blank line out, for a comment inside an event.
    """
    _check_line_end(line_end)
    lines = [f": {line}" if line else ":" for line in _TEXT_LINE_END.split(text)]
    if blank_line:
        lines.append("")
    return "".join(line + line_end for line in lines).encode()


def _encode_fields(fields: list[tuple[str, str]], *, line_end: str, blank: bool) -> bytes:
    _check_line_end(line_end)
    lines = []
    for name, value in fields:
        # A value that itself begins with a blank would lose it if none stood before it.
        separator = ": " if blank or value.startswith(" ") else ":"
        lines.append(f"{name}{separator}{value}{line_end}")
    return ("".join(lines) + line_end).encode()


def _one_line(field: str, value: str) -> str:
    if _TEXT_LINE_END.search(value) or (field == "id" and "\0" in value):
        raise ValueError(f"{field} must be one line without NUL in an id, got {value!r}")
    return value


def _check_line_end(line_end: str) -> None:
    if line_end not in _LINE_ENDS:
        raise ValueError(f"line_end must be LF, CR or CRLF, got {line_end!r}")
