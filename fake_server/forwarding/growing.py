"""An answer that comes from elsewhere, laid out as its parts arrive. Pure: no socket and no clock.

The same delivery as in ``layout.py``, for bytes that are not all there yet: places count on the body as it
comes, and events are found across reads.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from tgi_conformance.contracts.script import Delivery, Fault, Hold
from tgi_conformance.fake_server.engine.answers import Answer, Growth
from tgi_conformance.fake_server.engine.faults import ending_of
from tgi_conformance.fake_server.engine.heads import (
    LAST_CHUNK,
    has_no_body,
    head_bytes,
    head_fields,
    http2_fields,
    reason_of,
)
from tgi_conformance.fake_server.engine.layout import head_steps
from tgi_conformance.fake_server.engine.plans import Ending, Gate, Http2Head, Plan, Step, Wait, Write
from tgi_conformance.fake_server.forwarding.event_places import EventPlaces

#: How the other side ended its answer.
UpstreamEnd = Literal["complete", "fin", "rst"]
#: Headers that say something of one connection; the framing is made anew, in the same form.
_OF_A_CONNECTION: Final = frozenset({"connection", "keep-alive", "proxy-connection", "upgrade", "te"})


@dataclass(frozen=True, slots=True)
class ForeignHead:
    """The head of an answer as the upstream server gave it."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]

    def has(self, name: str) -> bool:
        """Whether there is such a header; the name in lower case."""
        return any(given.lower() == name for given, _ in self.headers)


class Growing:
    """One answer; each method gives the steps that its argument adds, and ``plan`` is what is known by then.

    Once ``over``, nothing more is taken, and ``plan`` says how the answer ends.
    """

    def __init__(self, plan: Plan, growth: Growth) -> None:
        self.plan = plan
        self.over = False
        #: Whether the answer ended before the place of its fault.
        self.missed_fault = False
        self._exchange = growth.exchange
        self._delivery = growth.delivery
        self._fault = growth.delivery.fault
        #: None where the delivery does not look at events: to find them takes a look at each byte.
        self._places = EventPlaces() if _looks_at_events(growth.delivery) else None
        self._chunked = False
        self._ending: Ending = "keep"
        #: Bytes of the body so far, and those that wait for the end where all is to be one write.
        self._at = 0
        self._gathered = bytearray()

    def head(self, given: ForeignHead) -> list[Step]:
        """Take the head."""
        exchange, delivery = self._exchange, self._delivery
        answer = _answer_of(given)
        self._chunked = answer.framing == "chunked" and not exchange.http_1_0 and not exchange.http_2
        closes = exchange.close or delivery.close is not None or answer.framing == "close"
        closes = closes or (answer.framing == "chunked" and exchange.http_1_0)
        if exchange.http_2:
            closes = delivery.close is not None
            fields = http2_fields(head_fields(answer, exchange, delivery))
            write = Write(b"", head=Http2Head(answer.status, fields))
        else:
            write = Write(head_bytes(answer, exchange, delivery, chunked=self._chunked, closes=closes))
        self._ending = "close" if closes else "keep"
        self.plan = replace(self.plan, status=given.status)
        steps = [*head_steps(write, delivery)]
        fault = self._fault
        if fault is not None and (fault.head_byte is not None or fault.at == "head"):
            self._break(fault)
        elif fault is not None and self._reaches(fault, 0):
            steps += self._before(0)
            self._break(fault)
        elif has_no_body(answer, exchange):
            self._end(self._ending)
        return steps

    def body(self, data: bytes) -> list[Step]:
        """Take bytes of the body."""
        if self.over:
            return []
        if self._delivery.splits == "whole":
            self._gathered += data
            return []
        return [*self._cut_up(data)]

    def end(self, how: UpstreamEnd) -> list[Step]:
        """Take the end, or learn that the answer broke off."""
        if self.over:
            return []
        steps = [*self._cut_up(bytes(self._gathered))] if self._gathered else []
        if self.over:
            return steps
        delivery, at = self._delivery, self._at
        steps += (Wait(pause.ms / 1000) for pause in delivery.pauses if pause.before == at)
        steps += (Gate(hold.gate) for hold in delivery.holds if hold.byte == at)
        steps += (Gate(hold.gate) for hold in delivery.holds if self._is_at_end(hold))
        self.missed_fault = self._fault is not None
        if how != "complete":
            broken: Ending = "reset-stream" if self._exchange.http_2 else how
            self._end(broken, faulty=True)
            return steps
        if self._chunked:
            steps.append(Write(LAST_CHUNK))
        elif self._exchange.http_2:
            steps.append(Write(b""))
        self._end(self._ending)
        return steps

    def failed(self, problem: str, status: int = 502) -> list[Step]:
        """Learn that there is no answer: the client gets a status and why, unless a head has gone out."""
        if self.over:
            return []
        if self.plan.status is not None:
            return self.end("fin")
        body = problem.encode()
        headers = (("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body))))
        steps = self.head(ForeignHead(status, reason_of(status), headers))
        return steps if self.over else [*steps, *self.body(body), *self.end("complete")]

    # --- the body ----------------------------------------------------------------------------------

    def _cut_up(self, data: bytes) -> Iterator[Step]:
        begin, end = self._at, self._at + len(data)
        if self._places is not None:
            self._places.feed(data)
        limit = self._limit(end)
        cuts = sorted({begin, *self._cuts(begin, limit)})
        for start, stop in zip(cuts, [*cuts[1:], limit], strict=True):
            if stop > start:
                yield from self._before(start)
                part = data[start - begin : stop - begin]
                yield Write(self._framed(part), kept=part)
        self._at = limit
        if self._fault is not None and self._reaches(self._fault, limit):
            yield from self._before(limit)
            self._break(self._fault)

    def _limit(self, end: int) -> int:
        """How far the body goes out, of ``end`` bytes that are there."""
        place = None if self._fault is None else self._place_of(self._fault.byte, self._fault.event)
        return end if place is None else min(place, end)

    def _place_of(self, byte: int | None, event: int | None) -> int | None:
        """The offset of a place, once it is known."""
        if event is None or self._places is None:
            return byte
        return self._places.start_of(event)

    def _reaches(self, fault: Fault, at: int) -> bool:
        place = self._place_of(fault.byte, fault.event)
        return place is not None and place <= at

    def _is_at_end(self, hold: Hold) -> bool:
        """Whether a hold is at the end, or at a place that the body did not come to."""
        if hold.byte is not None:
            return hold.byte > self._at
        if hold.event is not None:
            start = self._place_of(None, hold.event)
            return start is None or start >= self._at
        return hold.before == "end"

    def _cuts(self, begin: int, end: int) -> Iterator[int]:
        """Offsets from ``begin`` to before ``end`` at which something waits, or one write ends."""
        delivery = self._delivery
        if delivery.splits == "bytes":
            yield from range(begin, end)
        elif not isinstance(delivery.splits, str):
            yield from (offset for offset in delivery.splits if begin <= offset < end)
        if delivery.pace is not None:
            size = delivery.pace.bytes
            yield from range(-(-begin // size) * size, end, size)
        if delivery.event_gap_ms and self._places is not None:
            starts = self._places.starts
            yield from starts[bisect_left(starts, begin) : bisect_left(starts, end)]
        places = [pause.before for pause in delivery.pauses]
        places += (
            place for hold in delivery.holds if (place := self._place_of(hold.byte, hold.event)) is not None
        )
        yield from (place for place in places if begin <= place < end)

    def _before(self, offset: int) -> Iterator[Step]:
        """What happens before the byte at ``offset`` goes out."""
        delivery = self._delivery
        if delivery.event_gap_ms and offset and self._places is not None and self._places.begins_at(offset):
            yield Wait(delivery.event_gap_ms / 1000)
        if delivery.pace is not None and offset and offset % delivery.pace.bytes == 0:
            yield Wait(delivery.pace.every_ms / 1000)
        yield from (Wait(pause.ms / 1000) for pause in delivery.pauses if pause.before == offset)
        for hold in delivery.holds:
            if self._place_of(hold.byte, hold.event) == offset:
                yield Gate(hold.gate)

    def _framed(self, data: bytes) -> bytes:
        return b"%X\r\n%b\r\n" % (len(data), data) if self._chunked else data

    # --- its end -----------------------------------------------------------------------------------

    def _break(self, fault: Fault) -> None:
        broken: Ending = "reset-stream" if self._exchange.http_2 else "fin"
        self._end(ending_of(fault, broken), faulty=True)

    def _end(self, ending: Ending, *, faulty: bool = False) -> None:
        self.over = True
        self.plan = replace(self.plan, ending=ending, faulty=faulty)


def _looks_at_events(delivery: Delivery) -> bool:
    places = [hold.event for hold in delivery.holds]
    places += [delivery.fault.event] if delivery.fault is not None else []
    return bool(delivery.event_gap_ms) or any(event is not None for event in places)


def _answer_of(given: ForeignHead) -> Answer:
    """The head as one of ours, its framing in the form that it had."""
    kept = tuple(pair for pair in given.headers if pair[0].lower() not in _OF_A_CONNECTION)
    if given.has("transfer-encoding"):
        bare = tuple(pair for pair in kept if pair[0].lower() != "transfer-encoding")
        return Answer(given.status, bare, reason=given.reason, framing="chunked", streamed=True)
    if given.has("content-length"):
        return Answer(given.status, kept, reason=given.reason)
    return Answer(given.status, kept, reason=given.reason, framing="close", streamed=True)
