"""From what is to be said and how it is to be delivered to a plan. Pure: no socket and no clock."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate
from typing import Final

from tgi_conformance.contracts.script import Delivery, Fault, Forward
from tgi_conformance.fake_server.engine.answers import Answer, Exchange, Growth, Said
from tgi_conformance.fake_server.engine.faults import ending_of, plan_nothing
from tgi_conformance.fake_server.engine.heads import (
    has_no_body,
    head_bytes,
    head_fields,
    http2_fields,
    interim_write,
    last_chunk,
)
from tgi_conformance.fake_server.engine.plans import Ending, Gate, Http2Head, Plan, Step, Wait, Write

_DEFAULT_DELIVERY: Final = Delivery()


def lay_out(said: Said, exchange: Exchange, delivery: Delivery = _DEFAULT_DELIVERY) -> Plan:
    """Lay out what a request gets as a plan."""
    if isinstance(said, Answer):
        return plan_answer(said, exchange, delivery)
    if isinstance(said, bytes):
        return _plan_raw(said, delivery)
    if isinstance(said, Forward):
        steps = tuple(before_head(delivery, http_2=exchange.http_2))
        return Plan(steps, "more", grows=Growth(exchange, delivery))
    return plan_nothing(said, delivery.delay_ms)


def plan_answer(answer: Answer, exchange: Exchange, delivery: Delivery = _DEFAULT_DELIVERY) -> Plan:
    """Lay out an answer as a plan."""
    if exchange.http_2:
        return _plan_http2(answer, exchange, delivery)
    chunked = answer.framing == "chunked" and not exchange.http_1_0
    closes = exchange.close or delivery.close is not None or answer.framing == "close"
    closes = closes or (answer.framing == "chunked" and exchange.http_1_0)
    head = head_bytes(answer, exchange, delivery, chunked=chunked, closes=closes)
    ending: Ending = "close" if closes else "keep"
    if delivery == _DEFAULT_DELIVERY and not answer.streamed and not chunked:
        body = b"" if has_no_body(answer, exchange) else b"".join(answer.parts)
        return Plan((Write(head + body),), ending, answer.status)
    parts = () if has_no_body(answer, exchange) else answer.parts
    if parts and chunked and answer.streamed and delivery == _DEFAULT_DELIVERY:
        chunks = [Write(b"%X\r\n%b\r\n" % (len(part), part)) for part in parts if part]
        return Plan((Write(head), *chunks, Write(last_chunk(answer.trailers))), ending, answer.status)
    chunked = chunked and not has_no_body(answer, exchange)
    tail = Write(last_chunk(answer.trailers)) if chunked else None
    layout = _Layout(parts, delivery, chunked=chunked, tail=tail)
    return layout.plan(Write(head), ending, answer, merge=not answer.streamed)


def _plan_http2(answer: Answer, exchange: Exchange, delivery: Delivery) -> Plan:
    """Lay out an answer for a stream of HTTP/2: the head as fields, no chunks, and the stream's own end.

    The last write of an unbroken plan ends the stream. As hyper has it, that is the last of a body whose
    length is known, and an empty frame of its own after any other; trailers are the end where there are any.
    """
    head = Http2Head(answer.status, http2_fields(head_fields(answer, exchange, delivery)))
    ending: Ending = "keep" if delivery.close is None else "close"
    parts = () if has_no_body(answer, exchange) else answer.parts
    tail = Write(b"") if answer.framing != "content-length" and parts else None
    if answer.trailers and not has_no_body(answer, exchange):
        tail = Write(b"", head=Http2Head(None, http2_fields(answer.trailers)))
    layout = _Layout(parts, delivery, chunked=False, tail=tail, broken="reset-stream")
    return layout.plan(Write(b"", head=head), ending, answer, merge=not answer.streamed)


def _plan_raw(content: bytes, delivery: Delivery) -> Plan:
    """Lay out bytes that stand in place of a whole answer; the connection is closed after them."""
    answer = Answer(status=0, parts=(content,) if content else ())
    layout = _Layout(answer.parts, delivery, chunked=False)
    plan = layout.plan(Write(b""), "close", answer, merge=False)
    return replace(plan, status=_status_of(content))


def _status_of(content: bytes) -> int | None:
    line = content.split(b"\r\n", 1)[0].split(b" ", 2)
    code = line[1] if len(line) > 1 and line[0].startswith(b"HTTP/") else b""
    return int(code) if code.isdigit() and len(code) == 3 else None


def before_head(delivery: Delivery, *, http_2: bool) -> Iterable[Step]:
    """The steps before the head: interim answers, the delay, the holds."""
    yield from (interim_write(interim, http_2=http_2) for interim in delivery.interim)
    if delivery.delay_ms:
        yield Wait(delivery.delay_ms / 1000)
    yield from (Gate(hold.gate) for hold in delivery.holds if hold.before == "head")


def head_steps(write: Write, delivery: Delivery) -> Iterable[Step]:
    """The steps of the head, as far as a fault lets it go out."""
    fault, pace, head = delivery.fault, delivery.pace, write.data
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
        tail: Write | None = None,
        broken: Ending = "fin",
    ) -> None:
        self._payload = b"".join(parts)
        self._ends = tuple(accumulate(len(part) for part in parts))
        self._starts = (0, *self._ends[:-1]) if parts else ()
        self._begins = frozenset(self._starts)
        self._delivery = delivery
        self._chunked = chunked
        self._tail = tail
        self._broken = broken
        self._limit = self._cut_at()

    def plan(self, head: Write, ending: Ending, answer: Answer, *, merge: bool) -> Plan:
        fault = self._delivery.fault
        steps: list[Step] = [*head_steps(head, self._delivery)]
        if fault is None or (fault.at != "head" and fault.head_byte is None):
            steps += self._body()
        if fault is None or fault.ending == "no-last-chunk":
            steps += self._before_end()
        if fault is None and self._tail is not None:
            steps.append(self._tail)
        merged = _merge(steps) if merge or self._delivery.splits == "whole" else steps
        repeat = self._repeat(fault) if fault is not None and fault.ending == "endless" else ()
        if fault is not None:
            ending = "stall" if fault.ending == "endless" and not repeat else ending_of(fault, self._broken)
        status = answer.status or None
        every = (*before_head(self._delivery, http_2=head.head is not None), *merged)
        return Plan(every, ending, status, faulty=fault is not None, repeat=repeat)

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
        if len(merged) <= 1 and isinstance(step, Write) and step.head is None and isinstance(last, Write):
            merged[-1] = Write(last.data + step.data, head=last.head)
        else:
            merged.append(step)
    return merged
