"""Plans and request parsing as pure functions, with properties."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_parts import deliveries, parts, payload

from tgi_conformance.contracts.script import Delivery, Fault, Hold, Pause
from tgi_conformance.fake_server.engine.answers import Answer, Exchange
from tgi_conformance.fake_server.engine.heads import LAST_CHUNK
from tgi_conformance.fake_server.engine.layout import plan_answer
from tgi_conformance.fake_server.engine.plans import Gate, Plan, Wait, Write
from tgi_conformance.fake_server.http.parsing import ParseError, RequestReader, parse_head

EXCHANGE = Exchange(date="Tue, 24 Nov 2026 09:00:00 GMT")


def written(plan: Plan) -> bytes:
    return b"".join(step.data for step in plan.steps if isinstance(step, Write))


@settings(max_examples=150, deadline=None)
@given(parts, deliveries)
def test_no_delivery_changes_the_payload(content: tuple[bytes, ...], delivery: Delivery) -> None:
    plan = plan_answer(Answer(200, parts=content, framing="chunked", streamed=True), EXCHANGE, delivery)
    assert payload(written(plan).partition(b"\r\n\r\n")[2]) == (b"".join(content), True)
    assert sum(isinstance(step, Gate) for step in plan.steps) == len(delivery.holds)
    assert (plan.ending, plan.faulty) == ("keep", False)


@settings(max_examples=150, deadline=None)
@given(
    parts,
    deliveries,
    st.integers(0, 80),
    st.sampled_from(["fin", "rst", "stall", "half-close", "no-last-chunk"]),
)
def test_a_fault_at_a_byte_leaves_exactly_the_bytes_before_it(
    content: tuple[bytes, ...], delivery: Delivery, byte: int, ending: str
) -> None:
    faulty = Delivery(
        splits=delivery.splits,
        pauses=delivery.pauses,
        event_gap_ms=delivery.event_gap_ms,
        fault=Fault(ending=ending, byte=byte),  # type: ignore[arg-type]
    )
    plan = plan_answer(Answer(200, parts=content, framing="chunked", streamed=True), EXCHANGE, faulty)
    assert payload(written(plan).partition(b"\r\n\r\n")[2]) == (b"".join(content)[:byte], False)
    assert plan.faulty
    assert plan.ending == ("fin" if ending == "no-last-chunk" else ending)


@given(parts, st.integers(0, 8))
def test_a_fault_after_events_leaves_exactly_those_events(content: tuple[bytes, ...], event: int) -> None:
    delivery = Delivery(fault=Fault(ending="fin", event=event))
    plan = plan_answer(Answer(200, parts=content, framing="chunked", streamed=True), EXCHANGE, delivery)
    assert payload(written(plan).partition(b"\r\n\r\n")[2]) == (b"".join(content[:event]), False)


def test_a_plain_answer_is_one_write() -> None:
    plan = plan_answer(Answer(200, (("content-type", "text/plain"),), (b"hello",)), EXCHANGE)
    (step,) = plan.steps
    assert isinstance(step, Write)
    assert step.data == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n"
        b"date: Tue, 24 Nov 2026 09:00:00 GMT\r\n\r\nhello"
    )


def test_waits_and_gates_stand_where_they_were_put() -> None:
    delivery = Delivery(
        delay_ms=5,
        pauses=(Pause(before=2, ms=1),),
        holds=(
            Hold(gate="head", before="head"),
            Hold(gate="second", event=1),
            Hold(gate="end", before="end"),
        ),
        event_gap_ms=3,
    )
    plan = plan_answer(
        Answer(200, parts=(b"abc", b"de"), framing="chunked", streamed=True), EXCHANGE, delivery
    )
    head = plan.steps[2]
    assert isinstance(head, Write)
    assert plan.steps == (
        Wait(0.005),
        Gate("head"),
        head,
        Write(b"2\r\nab\r\n"),
        Wait(0.001),
        Write(b"1\r\nc\r\n"),
        Wait(0.003),
        Gate("second"),
        Write(b"2\r\nde\r\n"),
        Gate("end"),
        Write(LAST_CHUNK),
    )


def test_a_script_that_names_framing_headers_itself_is_obeyed() -> None:
    given_headers = (("Content-Length", "99"), ("Connection", "x"), ("Date", "never"))
    data = written(plan_answer(Answer(200, given_headers, (b"a",)), EXCHANGE, Delivery(close="announced")))
    assert data == b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: x\r\nDate: never\r\n\r\na"


@pytest.mark.parametrize("asked", [False, True])
def test_http_1_0_gets_no_chunks_and_the_end_of_the_connection(*, asked: bool) -> None:
    answer = Answer(200, parts=(b"abc",), framing="chunked", streamed=True)
    plan = plan_answer(answer, Exchange(date="x", close=not asked, http_1_0=True, asked_to_keep=asked))
    assert plan.ending == "close"
    told = b"connection: keep-alive\r\n" if asked else b""
    assert written(plan) == b"HTTP/1.0 200 OK\r\n" + told + b"date: x\r\n\r\nabc"


# --- requests -----------------------------------------------------------------------------------------

PLAIN = b"POST /generate?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED += b"3;a=b\r\nabc\r\n0B\r\nhello world\r\n0\r\nT: 1\r\n\r\n"
BARE_LF = b"GET /info HTTP/1.1\nHost: a\n\n"
UNKNOWN = b"FROB /x HTTP/1.1\r\nHost: a\r\n\r\n"
STREAM = PLAIN + CHUNKED + b"\r\n" + BARE_LF + UNKNOWN


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_requests_are_the_same_however_the_bytes_come(cuts: list[int]) -> None:
    reader = RequestReader(max_body=1000)
    edges = [0, *cuts, len(STREAM)]
    requests = [request for start, end in pairwise(edges) for request in reader.feed(STREAM[start:end], 0.0)]
    assert [(request.method, request.target, request.body) for request in requests] == [
        ("POST", "/generate?x=1", b"hello"),
        ("POST", "/", b"abchello world"),
        ("GET", "/info", b""),
        ("FROB", "/x", b""),
    ]
    assert requests[0].head == PLAIN[:-5]
    assert requests[2].head == BARE_LF
    assert not reader.pending


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\r\n\r\n",
        b"GET /\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(ParseError) as refused:
        RequestReader(max_body=100).feed(data, 0.0)
    assert refused.value.status == 400


def test_bodies_over_the_limit_end_the_reading() -> None:
    (declared,) = RequestReader(max_body=3).feed(PLAIN, 0.0)
    assert (declared.too_large, declared.complete, declared.body) == (True, False, b"")
    (chunked,) = RequestReader(max_body=3).feed(CHUNKED, 0.0)
    assert (chunked.too_large, chunked.complete) == (True, False)


def test_too_many_headers_are_refused_as_hyper_refuses_them() -> None:
    head = b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: 1\r\n" % n for n in range(101)) + b"\r\n"
    with pytest.raises(ParseError) as refused:
        RequestReader(max_body=3).feed(head, 0.0)
    assert refused.value.status == 431


def test_header_values_lose_the_blanks_around_them() -> None:
    head = parse_head(b"GET / HTTP/1.1\r\nA:  b c \t\r\n\r\n", 0.0)
    assert head.headers == (("A", "b c"),)
