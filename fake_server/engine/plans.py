"""From an answer and how it is to be delivered to a plan: the writes, waits, gates and the end.

Pure: no socket and no clock. A plan is what one request gets on its connection, byte for byte.
"""

from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus
from itertools import accumulate
from typing import Final, Literal, TypeAlias

from tgi_conformance.contracts.script import Delivery, Fault, Interim

#: ``reset-stream`` is HTTP/2's alone.
Ending: TypeAlias = Literal[
    "keep", "close", "fin", "rst", "stall", "half-close", "endless", "linger", "reset-stream"
]

LAST_CHUNK: Final = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Http2Head:
    """The head of an HTTP/2 answer as fields; ``cut``: only so many bytes of its frame go out."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()
    cut: int | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes handed to the socket in one call; ``interim``: no answer has begun with them.

    In a plan for HTTP/1 the bytes are what the wire carries. In one for HTTP/2 they are payload of the
    stream, and a head goes before them as ``head``; without any head in the plan they are no HTTP.
    """

    data: bytes
    interim: bool = False
    head: Http2Head | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds of silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Gate:
    """Silence until the gate of that name lets one hold pass."""

    name: str


Step: TypeAlias = Write | Wait | Gate


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """What goes out whenever an answer that has begun has been silent for so many seconds."""

    seconds: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done for one request, in order, and how it ends.

    ``keep`` leaves the connection to the next request, ``close`` closes after a whole answer; the
    other endings are faults.
    """

    steps: tuple[Step, ...]
    ending: Ending = "keep"
    status: int | None = None
    #: Whether the script ended the answer wrongly (also with an ending that looks like a close).
    faulty: bool = False
    #: What is done again and again after the steps (ending ``endless``); begins with a wait.
    repeat: tuple[Step, ...] = ()
    keep_alive: KeepAlive | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer before it is cut into writes.

    ``parts`` are the frames of a stream, or the body of a plain answer as one part.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    parts: tuple[bytes, ...] = ()
    reason: str | None = None
    framing: Literal["content-length", "chunked", "close"] = "content-length"
    #: A content-length that lies.
    content_length: int | None = None
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the writer has to know of the request."""

    date: str
    head_only: bool = False
    #: The client wants the connection closed, or speaks HTTP/1.0.
    close: bool = False
    http_1_0: bool = False
    http_2: bool = False


_DEFAULT_DELIVERY: Final = Delivery()


def plan_answer(answer: Answer, exchange: Exchange, delivery: Delivery = _DEFAULT_DELIVERY) -> Plan:
    """Lay out an answer as a plan."""
    if exchange.http_2:
        return _plan_http2(answer, exchange, delivery)
    chunked = answer.framing == "chunked" and not exchange.http_1_0
    closes = exchange.close or delivery.close is not None or answer.framing == "close"
    closes = closes or (answer.framing == "chunked" and exchange.http_1_0)
    head = _head(answer, exchange, delivery, chunked=chunked, closes=closes)
    ending: Ending = "close" if closes else "keep"
    if delivery == _DEFAULT_DELIVERY and not answer.streamed and not chunked:
        body = b"" if _has_no_body(answer, exchange) else b"".join(answer.parts)
        return Plan((Write(head + body),), ending, answer.status)
    parts = () if _has_no_body(answer, exchange) else answer.parts
    if parts and chunked and answer.streamed and delivery == _DEFAULT_DELIVERY:
        chunks = [Write(b"%X\r\n%b\r\n" % (len(part), part)) for part in parts if part]
        return Plan((Write(head), *chunks, Write(LAST_CHUNK)), ending, answer.status)
    layout = _Layout(parts, delivery, chunked=chunked and not _has_no_body(answer, exchange))
    return layout.plan(Write(head), ending, answer, merge=not answer.streamed)


def _plan_http2(answer: Answer, exchange: Exchange, delivery: Delivery) -> Plan:
    """Lay out an answer for a stream of HTTP/2: the head as fields, no chunks, and the stream's own end.

    The last write of an unbroken plan ends the stream. As hyper has it, that is the last of a body whose
    length is known, and an empty frame of its own after any other.
    """
    head = Http2Head(answer.status, _http2_fields(_fields(answer, exchange, delivery)))
    ending: Ending = "keep" if delivery.close is None else "close"
    parts = () if _has_no_body(answer, exchange) else answer.parts
    tail = b"" if answer.framing != "content-length" and parts else None
    layout = _Layout(parts, delivery, chunked=False, tail=tail, broken="reset-stream")
    return layout.plan(Write(b"", head=head), ending, answer, merge=not answer.streamed)


def plan_raw(content: bytes, exchange: Exchange, delivery: Delivery = _DEFAULT_DELIVERY) -> Plan:
    """Lay out bytes that stand in place of a whole answer; the connection is closed after them."""
    del exchange
    answer = Answer(status=0, parts=(content,) if content else ())
    layout = _Layout(answer.parts, delivery, chunked=False)
    plan = layout.plan(Write(b""), "close", answer, merge=False)
    return replace(plan, status=_status_of(content))


def plan_nothing(fault: Fault, delay_ms: float = 0.0) -> Plan:
    """Lay out a fault that leaves nothing to answer."""
    steps = (Wait(delay_ms / 1000),) if delay_ms else ()
    return Plan(steps, _ending_of(fault), None, faulty=True)


def _status_of(content: bytes) -> int | None:
    line = content.split(b"\r\n", 1)[0].split(b" ", 2)
    code = line[1] if len(line) > 1 and line[0].startswith(b"HTTP/") else b""
    return int(code) if code.isdigit() and len(code) == 3 else None


def _has_no_body(answer: Answer, exchange: Exchange) -> bool:
    return exchange.head_only or answer.status in {204, 304} or 100 <= answer.status < 200


def _head(answer: Answer, exchange: Exchange, delivery: Delivery, *, chunked: bool, closes: bool) -> bytes:
    reason = reason_of(answer.status) if answer.reason is None else answer.reason
    fields = _fields(answer, exchange, delivery, chunked=chunked, closes=closes)
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    return f"HTTP/1.1 {answer.status} {reason}\r\n{''.join(lines)}\r\n".encode("latin-1", "replace")


def _fields(
    answer: Answer, exchange: Exchange, delivery: Delivery, *, chunked: bool = False, closes: bool = False
) -> list[tuple[str, str]]:
    """The answer's own headers and those that the server adds."""
    fields = list(answer.headers)
    given = {name.lower() for name, _ in answer.headers}
    announce = closes and delivery.close != "silent" and "connection" not in given
    if (
        answer.framing == "content-length"
        and "content-length" not in given
        and answer.status not in {204, 304}
    ):
        length = answer.content_length
        size = sum(map(len, answer.parts)) if length is None else length
        fields.append(("content-length", str(size)))
    if announce:
        fields.append(("connection", "close"))
    if chunked and "transfer-encoding" not in given:
        fields.append(("transfer-encoding", "chunked"))
    if "date" not in given:
        fields.append(("date", exchange.date))
    return fields


#: Headers of one connection, which HTTP/2 does not know and hyper takes out.
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
)


def _http2_fields(fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    lower = ((name.lower(), value) for name, value in fields)
    return tuple((name, value) for name, value in lower if name not in _HOP_BY_HOP)


def _interim(answer: Interim, *, http_2: bool) -> Write:
    if http_2:
        head = Http2Head(answer.status, _http2_fields(answer.headers))
        return Write(b"", interim=True, head=head)
    lines = [f"HTTP/1.1 {answer.status} {reason_of(answer.status)}"]
    lines += (f"{name}: {value}" for name, value in answer.headers)
    return Write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"), interim=True)


#: Names as hyper writes them where the standard library's differ.
_REASONS: Final = {413: "Payload Too Large", 422: "Unprocessable Entity", 416: "Range Not Satisfiable"}


@lru_cache(maxsize=1000)
def reason_of(status: int) -> str:
    """The reason phrase of a status; empty for one that has none."""
    if status in _REASONS:
        return _REASONS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _ending_of(fault: Fault, broken: Ending = "fin") -> Ending:
    return broken if fault.ending == "no-last-chunk" else fault.ending


class _Layout:
    """Cuts one payload into steps.

    ``tail`` is written after a whole payload; ``broken`` is how an answer ends that lacks only its end.
    """

    def __init__(
        self,
        parts: tuple[bytes, ...],
        delivery: Delivery,
        *,
        chunked: bool,
        tail: bytes | None = None,
        broken: Ending = "fin",
    ) -> None:
        self._payload = b"".join(parts)
        self._ends = tuple(accumulate(len(part) for part in parts))
        self._starts = (0, *self._ends[:-1]) if parts else ()
        self._begins = frozenset(self._starts)
        self._delivery = delivery
        self._chunked = chunked
        self._tail = LAST_CHUNK if chunked else tail
        self._broken = broken
        self._limit = self._cut_at()

    def plan(self, head: Write, ending: Ending, answer: Answer, *, merge: bool) -> Plan:
        fault = self._delivery.fault
        steps: list[Step] = [*self._head(head)]
        if fault is None or (fault.at != "head" and fault.head_byte is None):
            steps += self._body()
        if fault is None or fault.ending == "no-last-chunk":
            steps += self._before_end()
        if fault is None and self._tail is not None:
            steps.append(Write(self._tail))
        merged = _merge(steps) if merge or self._delivery.splits == "whole" else steps
        repeat = self._repeat(fault) if fault is not None and fault.ending == "endless" else ()
        if fault is not None:
            ending = "stall" if fault.ending == "endless" and not repeat else _ending_of(fault, self._broken)
        status = answer.status or None
        every = (*self._before_head(http_2=head.head is not None), *merged)
        return Plan(every, ending, status, faulty=fault is not None, repeat=repeat)

    def _before_head(self, *, http_2: bool) -> Iterable[Step]:
        yield from (_interim(interim, http_2=http_2) for interim in self._delivery.interim)
        if self._delivery.delay_ms:
            yield Wait(self._delivery.delay_ms / 1000)
        yield from (Gate(hold.gate) for hold in self._delivery.holds if hold.before == "head")

    def _head(self, write: Write) -> Iterable[Step]:
        fault, pace, head = self._delivery.fault, self._delivery.pace, write.data
        if write.head is not None:
            cut = None if fault is None else fault.head_byte
            yield Write(b"", head=replace(write.head, cut=cut))
            return
        if fault is not None and fault.head_byte is not None:
            head = head[: fault.head_byte]
        size = pace.bytes if pace is not None and pace.head else max(len(head), 1)
        for start in range(0, len(head), size):
            if start and pace is not None:
                yield Wait(pace.every_ms / 1000)
            yield Write(head[start : start + size])

    def _repeat(self, fault: Fault) -> tuple[Step, ...]:
        """The steps from the fault's place to the end, with a wait that lets other connections live."""
        start = fault.byte if fault.byte is not None else self._event_start(fault.event or 0)
        if start >= len(self._payload):
            return ()
        gap = self._delivery.event_gap_ms if start == 0 else 0.0
        return (Wait(gap / 1000), *self._body(start))

    def _cut_at(self) -> int:
        """How many payload bytes go out."""
        fault = self._delivery.fault
        size = len(self._payload)
        if fault is None or fault.ending == "endless":
            return size
        if fault.byte is not None:
            return min(fault.byte, size)
        if fault.event is not None:
            return self._event_start(fault.event)
        return 0 if fault.at == "head" else size

    def _event_start(self, event: int) -> int:
        return self._starts[event] if event < len(self._starts) else len(self._payload)

    def _body(self, first: int = 0) -> Iterable[Step]:
        cuts = sorted(cut for cut in {first, *self._cuts()} if first <= cut <= self._limit)
        for start, end in zip(cuts, [*cuts[1:], self._limit], strict=True):
            yield from self._before(start)
            if end > start:
                yield Write(self._frame(self._payload[start:end]))

    def _cuts(self) -> Iterable[int]:
        """Offsets where one write ends and the next begins."""
        splits = self._delivery.splits
        if splits == "events":
            yield from self._starts
        elif splits == "bytes":
            yield from range(len(self._payload))
        elif not isinstance(splits, str):
            yield from splits
        if self._delivery.pace is not None:
            yield from range(0, len(self._payload), self._delivery.pace.bytes)
        for pause in self._delivery.pauses:
            yield pause.before
        for hold in self._delivery.holds:
            if hold.byte is not None:
                yield hold.byte
            if hold.event is not None and hold.event < len(self._starts):
                yield self._event_start(hold.event)
        if self._delivery.event_gap_ms:
            yield from self._starts

    def _before(self, offset: int) -> Iterable[Step]:
        """What happens before the byte at ``offset`` goes out."""
        if self._delivery.event_gap_ms and offset and offset in self._begins:
            yield Wait(self._delivery.event_gap_ms / 1000)
        pace = self._delivery.pace
        if pace is not None and offset and offset % pace.bytes == 0:
            yield Wait(pace.every_ms / 1000)
        yield from (Wait(pause.ms / 1000) for pause in self._delivery.pauses if pause.before == offset)
        for hold in self._delivery.holds:
            at = self._event_start(hold.event) if hold.event is not None else hold.byte
            beyond = hold.event is not None and hold.event >= len(self._starts)
            if at == offset and not beyond:
                yield Gate(hold.gate)

    def _before_end(self) -> Iterable[Step]:
        """Holds before the end, and those at an event that the stream does not have."""
        for hold in self._delivery.holds:
            missing = hold.event is not None and hold.event >= len(self._starts)
            beyond = hold.byte is not None and hold.byte > self._limit
            if hold.before == "end" or missing or beyond:
                yield Gate(hold.gate)

    def _frame(self, data: bytes) -> bytes:
        return b"%X\r\n%b\r\n" % (len(data), data) if self._chunked else data


def _merge(steps: Iterable[Step]) -> list[Step]:
    """Join the head with the first write after it: a plain answer leaves in one segment."""
    merged: list[Step] = []
    for step in steps:
        last = merged[-1] if merged else None
        if len(merged) <= 1 and isinstance(step, Write) and isinstance(last, Write):
            merged[-1] = Write(last.data + step.data, head=last.head)
        else:
            merged.append(step)
    return merged


def announce_close(steps: MutableSequence[Step]) -> None:
    """Say in a head that is still to be written that the connection will be closed, as hyper does then."""
    index = _head_step(steps)
    if index is not None:
        steps[index] = _with_line(steps[index], b"connection: close")


def with_header(plan: Plan, name: str, value: str) -> Plan:
    """The same plan with one more header before the date; a plan without a head stays as it is."""
    steps = list(plan.steps)
    index = _head_step(steps)
    if index is None:
        return plan
    step = steps[index]
    if isinstance(step, Write) and step.head is not None:
        steps[index] = replace(step, head=_with_field(step.head, name.lower(), value))
    else:
        steps[index] = _with_line(step, f"{name}: {value}".encode("latin-1"))
    return replace(plan, steps=tuple(steps))


def _head_step(steps: Sequence[Step]) -> int | None:
    """Which step writes the head."""
    for index, step in enumerate(steps):
        if not isinstance(step, Write) or step.interim:
            continue
        if step.head is not None or step.data.startswith(b"HTTP/1.1 "):
            return index
    return None


def _with_field(head: Http2Head, name: str, value: str) -> Http2Head:
    """The head with a field before its date."""
    place = next((i for i, (known, _) in enumerate(head.fields) if known == "date"), len(head.fields))
    return replace(head, fields=(*head.fields[:place], (name, value), *head.fields[place:]))


def _with_line(step: Step, line: bytes) -> Step:
    if not isinstance(step, Write):
        return step
    head, end, body = step.data.partition(b"\r\n\r\n")
    if b"\r\n" + line not in head:
        head = head.replace(b"\r\ndate: ", b"\r\n" + line + b"\r\ndate: ", 1)
    return Write(head + end + body)
