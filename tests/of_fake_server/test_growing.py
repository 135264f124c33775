"""An answer that grows is laid out as one that is there at once, however its bytes arrive."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_conformance.contracts.script import Delivery, Fault, Forward, Hold, Interim, Pace, Pause
from tgi_conformance.fake_server.engine.answers import Answer, Exchange
from tgi_conformance.fake_server.engine.layout import lay_out
from tgi_conformance.fake_server.engine.plans import Gate, Plan, Step, Wait, Write
from tgi_conformance.fake_server.forwarding.event_places import EventPlaces
from tgi_conformance.fake_server.forwarding.growing import ForeignHead, Growing

DATE = "Thu, 01 Jan 1970 00:00:00 GMT"
EXCHANGE = Exchange(date=DATE)
EVENTS = (b"data: one\n\n", b": a comment\n\n", b"data: {\ndata: }\n\n", b"data: [DONE]\n\n")
STREAM_HEAD = ForeignHead(
    200, "OK", (("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
)
SIZE = len(b"".join(EVENTS))


def scripted(delivery: Delivery, exchange: Exchange = EXCHANGE) -> Plan:
    """What the layout makes of the events as a scripted stream."""
    answer = Answer(
        200, (("content-type", "text/event-stream"),), EVENTS, reason="OK", framing="chunked", streamed=True
    )
    return lay_out(answer, exchange, delivery)


def grown(
    delivery: Delivery, reads: Sequence[bytes], exchange: Exchange = EXCHANGE, head: ForeignHead = STREAM_HEAD
) -> tuple[list[Step], Growing]:
    """The steps of the same bytes, come in these reads."""
    plan = lay_out(Forward(), exchange, delivery)
    assert plan.grows is not None
    growing = Growing(plan, plan.grows)
    steps = [*plan.steps, *growing.head(head)]
    for read in reads:
        steps += growing.body(read)
    return steps + growing.end("complete"), growing


def played(steps: Sequence[Step]) -> list[object]:
    """The payload with its waits and gates at their places; how it was cut into writes is left out."""
    out: list[object] = []
    for step in steps:
        data = _payload(step) if isinstance(step, Write) else None
        if isinstance(data, bytes) and out and isinstance(out[-1], bytes):
            out[-1] += data
        elif data != b"":
            out.append(step if data is None else data)
    return out


def _payload(step: Write) -> bytes:
    """What a write holds, the framing of its chunks undone; the last chunk stays."""
    if step.interim:
        return step.data
    head, blank, rest = (
        step.data.partition(b"\r\n\r\n") if step.data.startswith(b"HTTP/") else (b"", b"", step.data)
    )
    out = head + blank
    while rest and not rest.startswith(b"0\r\n"):
        size, mark, rest = rest.partition(b"\r\n")
        if not mark:
            return out + size
        out, rest = out + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return out + rest


PLACES = st.integers(0, SIZE - 1)
HOLDS = st.one_of(
    st.builds(Hold, gate=st.sampled_from("gh"), byte=PLACES),
    st.builds(Hold, gate=st.sampled_from("gh"), event=st.integers(0, len(EVENTS) - 1)),
    st.builds(Hold, gate=st.just("g"), before=st.sampled_from(["head", "end"])),
)
FAULTS = st.one_of(
    st.builds(Fault, ending=st.sampled_from(["fin", "rst", "stall", "half-close"]), byte=PLACES),
    st.builds(Fault, ending=st.sampled_from(["fin", "rst"]), event=st.integers(0, len(EVENTS) - 1)),
    st.builds(Fault, ending=st.just("rst"), head_byte=st.integers(0, 40)),
    st.builds(Fault, ending=st.just("fin"), at=st.just("head")),
)
DELIVERIES = st.builds(
    Delivery,
    interim=st.sampled_from([(), (Interim(),)]),
    delay_ms=st.sampled_from([0.0, 5.0]),
    splits=st.one_of(
        st.sampled_from(["events", "whole", "bytes"]),
        st.sets(PLACES, max_size=3).map(lambda places: tuple(sorted(places))),
    ),
    event_gap_ms=st.sampled_from([0.0, 3.0]),
    pace=st.none() | st.builds(Pace, bytes=st.integers(1, 20), every_ms=st.just(2.0)),
    pauses=st.lists(st.builds(Pause, before=PLACES, ms=st.just(1.0)), max_size=2).map(tuple),
    holds=st.lists(HOLDS, max_size=2).map(tuple),
    fault=st.none() | FAULTS,
    close=st.sampled_from([None, "announced", "silent"]),
)


@st.composite
def reads(draw: st.DrawFn) -> list[bytes]:
    """The stream, cut anywhere."""
    whole = b"".join(EVENTS)
    cuts = sorted(draw(st.sets(st.integers(1, SIZE - 1), max_size=6)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, SIZE], strict=True)]


@settings(max_examples=400, deadline=None)
@given(delivery=DELIVERIES, come=reads())
def test_the_delivery_of_a_forwarded_stream_is_that_of_a_scripted_one(
    delivery: Delivery, come: list[bytes]
) -> None:
    expected = scripted(delivery)
    steps, growing = grown(delivery, come)
    assert played(steps) == played(expected.steps)
    assert (growing.plan.ending, growing.plan.faulty) == (expected.ending, expected.faulty)
    assert growing.plan.status == 200
    assert growing.over
    assert not growing.missed_fault


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_events_are_found_across_reads_with_every_line_end(line_end: bytes, size: int) -> None:
    events = [event.replace(b"\n", line_end) for event in EVENTS]
    whole = b"".join(events) + b"d"
    places = EventPlaces()
    for at in range(0, len(whole), size):
        places.feed(whole[at : at + size])
    assert places.starts == [0, *(len(b"".join(events[:number])) for number in range(1, len(events) + 1))]


def test_blank_lines_alone_begin_no_event() -> None:
    places = EventPlaces()
    places.feed(b"\n\n\ndata: one\n\n\n\ndata: two\n\n")
    assert places.starts == [0, 14, 27]


@pytest.mark.parametrize("read", [1, 4, SIZE])
def test_a_cut_behind_an_event_comes_with_its_last_byte_not_with_the_next_event(read: int) -> None:
    delivery = Delivery(fault=Fault(ending="rst", event=1))
    plan = lay_out(Forward(), EXCHANGE, delivery)
    assert plan.grows is not None
    growing = Growing(plan, plan.grows)
    growing.head(STREAM_HEAD)
    for at in range(0, len(EVENTS[0]), read):
        assert not growing.over
        growing.body(EVENTS[0][at : at + read])
    assert (growing.over, growing.plan.ending) == (True, "rst")


@pytest.mark.parametrize(
    "fault", [Fault(ending="fin", byte=SIZE + 1), Fault(ending="rst", event=len(EVENTS) + 1)]
)
def test_a_fault_whose_place_is_never_reached_leaves_the_answer_whole(fault: Fault) -> None:
    steps, growing = grown(Delivery(fault=fault), EVENTS)
    assert played(steps) == played(scripted(Delivery()).steps)
    assert growing.missed_fault
    assert (growing.plan.ending, growing.plan.faulty) == ("keep", False)


def test_holds_that_the_body_does_not_come_to_stand_before_its_end() -> None:
    holds = (Hold(gate="byte", byte=SIZE + 5), Hold(gate="event", event=9), Hold(gate="end", before="end"))
    steps, _ = grown(Delivery(holds=holds), EVENTS)
    assert played(steps)[-4:] == [Gate("byte"), Gate("event"), Gate("end"), b"0\r\n\r\n"]


@pytest.mark.parametrize(
    ("headers", "exchange", "framing"),
    [
        ((("Content-Length", "2"),), EXCHANGE, "keep"),
        ((("transfer-encoding", "chunked"),), EXCHANGE, "keep"),
        ((), EXCHANGE, "close"),
        ((("transfer-encoding", "chunked"),), Exchange(date=DATE, http_1_0=True, close=True), "close"),
    ],
)
def test_the_framing_is_that_of_the_answer_as_far_as_the_client_can_read_it(
    headers: tuple[tuple[str, str], ...], exchange: Exchange, framing: str
) -> None:
    steps, growing = grown(Delivery(), [b"ok"], exchange, ForeignHead(200, "Fine", headers))
    assert growing.plan.ending == framing
    wire = b"".join(step.data for step in steps if isinstance(step, Write))
    assert wire.startswith(b"HTTP/1.0 200 Fine\r\n" if exchange.http_1_0 else b"HTTP/1.1 200 Fine\r\n")
    chunked = b"transfer-encoding: chunked" in wire
    assert chunked == (headers == (("transfer-encoding", "chunked"),) and not exchange.http_1_0)
    assert wire.endswith(b"2\r\nok\r\n0\r\n\r\n" if chunked else b"\r\n\r\nok")


def test_headers_of_the_other_connection_stay_behind() -> None:
    head = ForeignHead(
        503, "Busy", (("retry-after", "2"), ("connection", "close"), ("keep-alive", "5"), ("date", "then"))
    )
    steps, _ = grown(Delivery(), [], head=head)
    first = next(step.data for step in steps if isinstance(step, Write))
    assert first == b"HTTP/1.1 503 Busy\r\nretry-after: 2\r\ndate: then\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(("how", "ending"), [("fin", "fin"), ("rst", "rst")])
def test_an_answer_that_breaks_off_breaks_off_for_the_client_too(how: str, ending: str) -> None:
    plan = lay_out(Forward(), EXCHANGE, Delivery())
    assert plan.grows is not None
    growing = Growing(plan, plan.grows)
    growing.head(STREAM_HEAD)
    growing.body(EVENTS[0])
    assert growing.end(how) == []  # type: ignore[arg-type]
    assert (growing.plan.ending, growing.plan.faulty) == (ending, True)


def test_where_there_is_no_answer_the_client_gets_a_502_that_says_why() -> None:
    plan = lay_out(Forward(), EXCHANGE, Delivery())
    assert plan.grows is not None
    growing = Growing(plan, plan.grows)
    wire = b"".join(step.data for step in growing.failed("no route to it") if isinstance(step, Write))
    assert wire.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert wire.endswith(b"\r\n\r\nno route to it")
    assert growing.over


def test_nothing_is_taken_once_it_is_over() -> None:
    steps, growing = grown(Delivery(), EVENTS)
    assert growing.body(b"more") == growing.end("complete") == growing.failed("late") == []
    assert not any(isinstance(step, Wait) for step in steps)


def test_an_answer_without_a_body_is_over_with_its_head() -> None:
    plan = lay_out(Forward(), Exchange(date=DATE, head_only=True), Delivery())
    assert plan.grows is not None
    growing = Growing(plan, plan.grows)
    growing.head(ForeignHead(200, "OK", (("content-length", "7"),)))
    assert (growing.over, growing.plan.ending) == (True, "keep")
