"""What the fake server writes, byte for byte: framing, splits, holds, pauses and faults."""

import gzip
import json
import socket
from collections.abc import Iterator

import pytest
from raw_http import Wire, ask, request

from tgi_conformance.contracts.script import (
    Body,
    Encoding,
    Pause,
    Reply,
    Response,
    Script,
    always,
    answer,
    comment,
    data,
    done,
    raw,
    raw_event,
    silence,
    status,
    stream,
)
from tgi_conformance.fake_server.client import FakeServer, Space, answered, gone, open_requests, received

A = b'data: {"a":1}\n\n'
DONE = b"data: [DONE]\n\n"
TWO = stream(data({"a": 1}), done())


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def play(fake: FakeServer, *replies: Reply, **fields: object) -> Space:
    return fake.space(Script(replies=replies, **fields))  # type: ignore[arg-type]


def chunks_of(body: bytes) -> list[bytes]:
    """The chunks of a chunked body that may have been cut between two of them."""
    chunks = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        count = int(size, 16)
        chunks.append(rest[:count])
        body = rest[count + 2 :]
    return chunks


# --- framing ------------------------------------------------------------------------------------------


def test_each_event_is_a_chunk_of_its_own_and_the_last_chunk_ends_it(fake: FakeServer) -> None:
    got = ask(play(fake, TWO).base_url)
    assert got.chunks == (A, DONE)
    assert got.names == ["content-type", "transfer-encoding", "date"]
    assert got.header("content-type") == "text/event-stream"


def test_encoding_decides_line_ends_blanks_and_byte_order_mark(fake: FakeServer) -> None:
    old = stream(data({"a": 1}), comment("hi"), encoding=Encoding(line_end="\r\n", blank=False, bom=True))
    assert ask(play(fake, old).base_url).body == b'\xef\xbb\xbfdata:{"a":1}\r\n\r\n: hi\r\n\r\n'


def test_fields_raw_bytes_and_escapes_go_out_as_scripted(fake: FakeServer) -> None:
    reply = stream(
        data("é", fields=(("event", "x"), ("id", "7"))),
        data("é", ascii=True),
        raw_event(b"data: \xff"),
        done(),
    )
    expected = 'event: x\nid: 7\ndata: "é"\n\n'.encode() + b'data: "\\u00e9"\n\n' + b"data: \xff" + DONE
    assert ask(play(fake, reply).base_url).body == expected


@pytest.mark.parametrize(
    ("splits", "chunks"),
    [
        ("whole", (A + DONE,)),
        ("events", (A, DONE)),
        ((3, 20), (A[:3], (A + DONE)[3:20], (A + DONE)[20:])),
        ("bytes", tuple(bytes([byte]) for byte in A + DONE)),
    ],
)
def test_splits_cut_the_payload_into_chunks(
    fake: FakeServer, splits: object, chunks: tuple[bytes, ...]
) -> None:
    got = ask(play(fake, TWO.deliver(splits=splits)).base_url)
    assert got.chunks == chunks


def test_a_plain_answer_can_be_written_byte_by_byte(fake: FakeServer) -> None:
    assert ask(play(fake, status(200, json={"a": 1}).deliver(splits="bytes")).base_url).body == b'{"a":1}'


def test_headers_go_out_in_order_and_as_given(fake: FakeServer) -> None:
    reply = status(503, ("Retry-After", " 1"), ("X-A", "1"), ("X-A", "2"), text="no")
    got = ask(play(fake, reply).base_url)
    assert got.headers[:4] == (
        ("content-type", "text/plain; charset=utf-8"),
        ("Retry-After", " 1"),
        ("X-A", "1"),
        ("X-A", "2"),
    )
    assert got.status_line == "HTTP/1.1 503 Service Unavailable"


def test_a_lying_content_length_is_sent(fake: FakeServer) -> None:
    space = play(
        fake, Reply(response=Response(body=Body(text="abc"), content_length=10)).deliver(close="silent")
    )
    with Wire(space.base_url) as wire:
        wire.send(request())
        got, how = wire.read_to_end()
    assert b"content-length: 10\r\n" in got
    assert got.endswith(b"\r\n\r\nabc")
    assert how == "fin"


def test_framing_by_close_has_no_length(fake: FakeServer) -> None:
    space = play(fake, Reply(response=Response(body=Body(text="abc"), framing="close")))
    with Wire(space.base_url) as wire:
        wire.send(request())
        got, how = wire.read_to_end()
    assert b"content-length" not in got
    assert b"connection: close" in got
    assert (got[-3:], how) == (b"abc", "fin")


def test_gzip_is_used_only_when_offered(fake: FakeServer) -> None:
    reply = Reply(response=Response(body=Body(json={"a": 1}), gzip=True)).times(2)
    space = play(fake, reply)
    packed = ask(space.base_url, headers={"accept-encoding": "gzip, br"})
    assert packed.header("content-encoding") == "gzip"
    assert gzip.decompress(packed.body) == b'{"a":1}'
    assert ask(space.base_url).body == b'{"a":1}'


def test_raw_bytes_stand_in_place_of_the_answer(fake: FakeServer) -> None:
    with Wire(play(fake, raw(b"HTTP/1.1 2OO OK\r\n\r\n")).base_url) as wire:
        wire.send(request())
        assert wire.read_to_end() == (b"HTTP/1.1 2OO OK\r\n\r\n", "fin")


def test_an_interim_answer_can_be_scripted_before_the_real_one(fake: FakeServer) -> None:
    content = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    with Wire(play(fake, raw(content)).base_url) as wire:
        wire.send(request())
        assert wire.read_to_end()[0] == content


def test_head_and_bodiless_statuses_have_no_body(fake: FakeServer) -> None:
    space = play(fake, status(204), status(304))
    assert ask(space.base_url).body == b""
    assert "content-length" not in ask(space.base_url).names
    with Wire(space.base_url) as wire:
        wire.send(request("/info", method="HEAD") + request("/health", method="GET"))
        head = wire.read_until(b"\r\n\r\n")
        assert b"content-type: application/json" in head
        assert wire.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_answered_in_order(fake: FakeServer) -> None:
    space = play(fake, answer("one").held("g"), answer("two"), answer("three"))
    with Wire(space.base_url) as wire:
        wire.send(request() + request() + request())
        space.wait(open_requests(1), 5)
        space.release("g")
        texts = [json.loads(wire.response().body)["generated_text"] for _ in range(3)]
    assert texts == ["one", "two", "three"]


def test_chunked_requests_and_expect_continue_are_read(fake: FakeServer) -> None:
    space = play(fake)
    with Wire(space.base_url) as wire:
        head = b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        wire.send(head + b"transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n")
        assert wire.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b'5;ext=1\r\n{"inp\r\n')
        wire.send(b'0A\r\nuts":"hi"}\r\n0\r\ntrailer: 1\r\n\r\n')
        assert json.loads(wire.response().body) == {"generated_text": "echo: hi"}
    (exchange,) = space.journal().exchanges
    assert exchange.body == b'{"inputs":"hi"}'
    assert exchange.head.startswith(head)


def test_a_close_is_announced_or_silent(fake: FakeServer) -> None:
    for close, announced in (("announced", True), ("silent", False)):
        with Wire(play(fake, status(200, text="x").deliver(close=close)).base_url) as wire:
            wire.send(request())
            got, how = wire.read_to_end()
        assert (b"connection: close" in got, how) == (announced, "fin")


# --- holds and pauses ---------------------------------------------------------------------------------


def test_a_hold_before_the_head_lets_nothing_out_until_released(fake: FakeServer) -> None:
    space = play(fake, answer().held("g"))
    with Wire(space.base_url) as wire:
        wire.send(request())
        space.wait(open_requests(1), 5)
        assert wire.is_silent(0.05)
        space.release("g", 1)
        assert wire.response().status == 200


def test_a_hold_before_an_event_lets_the_earlier_ones_out(fake: FakeServer) -> None:
    space = play(fake, TWO.held("g", event=1))
    with Wire(space.base_url) as wire:
        wire.send(request())
        wire.read_until(A + b"\r\n")
        assert wire.is_silent(0.05)
        space.release("g")
        wire.read_until(b"0\r\n\r\n")


def test_a_hold_before_a_byte_and_one_before_the_end(fake: FakeServer) -> None:
    space = play(fake, TWO.held("g", byte=4).held("h", before="end"))
    with Wire(space.base_url) as wire:
        wire.send(request())
        wire.read_until(b"\r\n\r\n4\r\ndata\r\n")
        assert wire.is_silent(0.05)
        space.release("g")
        wire.read_until(DONE + b"\r\n")
        assert wire.is_silent(0.05)
        space.release("h")
        assert wire.read(5) == b"0\r\n\r\n"


def test_each_release_lets_so_many_holds_pass_also_ones_to_come(fake: FakeServer) -> None:
    space = play(fake, answer().held("g").times(4))
    space.release("g", 2)
    wires = [Wire(space.base_url) for _ in range(4)]
    for wire in wires:
        wire.send(request())
    space.wait(answered(2), 5)
    space.wait(open_requests(2), 5)
    space.release("g", 1)
    space.wait(answered(3), 5)
    space.release("g")
    space.wait(answered(4), 5)
    for wire in wires:
        wire.socket.close()


def test_pauses_delays_and_gaps_are_kept_at_least(fake: FakeServer) -> None:
    reply = TWO.deliver(delay_ms=20, event_gap_ms=20, pauses=(Pause(before=2, ms=20),))
    space = play(fake, reply)
    ask(space.base_url)
    (exchange,) = space.close().exchanges
    assert exchange.reply_at is not None
    assert exchange.replied_at is not None
    assert exchange.reply_at - exchange.received_at >= 0.02
    assert exchange.replied_at - exchange.reply_at >= 0.04


# --- faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("byte", [0, 1, 14, 15, 16, 28])
@pytest.mark.parametrize("ending", ["fin", "rst"])
def test_a_stream_is_cut_after_that_many_payload_bytes(fake: FakeServer, ending: str, byte: int) -> None:
    space = play(fake, TWO.cut(ending, byte=byte))
    with Wire(space.base_url) as wire:
        wire.send(request())
        got, how = wire.read_to_end()
    body = got.partition(b"\r\n\r\n")[2]
    if ending == "fin":
        assert b"".join(chunks_of(body)) == (A + DONE)[:byte]
        assert not body.endswith(b"0\r\n\r\n")
    assert how == ending
    (exchange,) = space.journal().exchanges
    assert (exchange.ending, exchange.status, exchange.reply) == ("fault", 200, "0")


def test_a_stream_is_cut_after_events(fake: FakeServer) -> None:
    with Wire(play(fake, TWO.cut("fin", event=1)).base_url) as wire:
        wire.send(request())
        got, _ = wire.read_to_end()
    assert got.endswith(b"F\r\n" + A + b"\r\n")


def test_a_plain_body_is_cut_short_of_its_length(fake: FakeServer) -> None:
    with Wire(play(fake, status(200, json={"a": 1}).cut("fin", byte=3)).base_url) as wire:
        wire.send(request())
        got, how = wire.read_to_end()
    assert b"content-length: 7" in got
    assert got.endswith(b'\r\n\r\n{"a')
    assert how == "fin"


def test_a_missing_last_chunk_comes_after_the_whole_payload(fake: FakeServer) -> None:
    with Wire(play(fake, TWO.cut("no-last-chunk", event=99)).base_url) as wire:
        wire.send(request())
        got, how = wire.read_to_end()
    assert got.endswith(DONE + b"\r\n")
    assert how == "fin"


def test_a_stall_says_nothing_more_until_the_client_goes(fake: FakeServer) -> None:
    space = play(fake, TWO.cut("stall", event=1))
    with Wire(space.base_url) as wire:
        wire.send(request())
        wire.read_until(A + b"\r\n")
        assert wire.is_silent(0.05)
    journal = space.wait(gone(1), 5)
    assert journal.exchanges[0].ending == "client"


def test_a_half_close_ends_the_write_side_only(fake: FakeServer) -> None:
    space = play(fake, TWO.cut("half-close", event=1))
    with Wire(space.base_url) as wire:
        wire.send(request())
        got, how = wire.read_to_end()
        assert got.endswith(A + b"\r\n")
        assert how == "fin"
        wire.send(b"still here")
        assert space.journal().connections[0].closed_at is None


@pytest.mark.parametrize(("ending", "how"), [("fin", "fin"), ("rst", "rst")])
@pytest.mark.parametrize("at", ["head", "request"])
def test_the_end_can_come_before_any_payload(fake: FakeServer, ending: str, how: str, at: str) -> None:
    space = play(fake, TWO.cut(ending, at=at) if at == "head" else silence(ending))
    with Wire(space.base_url) as wire:
        wire.send(request())
        got, ended = wire.read_to_end()
    assert ended == how
    if ending == "fin":
        assert got.endswith(b"\r\n\r\n") if at == "head" else got == b""
    assert space.journal().exchanges[0].ending == "fault"


@pytest.mark.parametrize("ending", ["fin", "rst"])
def test_a_connection_can_be_ended_at_accept(fake: FakeServer, ending: str) -> None:
    space = play(fake, silence(ending, "accept"), answer("after"))
    try:
        with Wire(space.base_url) as wire:
            assert wire.read_to_end() == (b"", ending)
    except ConnectionResetError:
        # The reset can overtake the end of connect() itself.
        assert ending == "rst"
    assert json.loads(ask(space.base_url).body) == {"generated_text": "after"}
    assert space.journal().unmet == ()


def test_a_stall_at_accept_books_what_is_sent(fake: FakeServer) -> None:
    space = play(fake, silence("stall", "accept"))
    with Wire(space.base_url) as wire:
        wire.send(request())
        space.wait(received(1), 5)
        assert wire.is_silent(0.05)
    assert space.wait(gone(1), 5).exchanges[0].reply == "0"


# --- clients that go ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_client_that_goes_while_its_answer_is_owed_is_booked(fake: FakeServer, how: str) -> None:
    space = play(fake, TWO.held("never", event=1))
    wire = Wire(space.base_url)
    wire.send(request())
    wire.read_until(A)
    if how == "rst":
        wire.reset()
    else:
        wire.socket.close()
    journal = space.wait(gone(1), 5)
    (exchange,) = journal.exchanges
    assert exchange.ending == "client"
    assert exchange.gone_at is not None
    assert exchange.replied_at is None
    assert journal.connections[0].closed_by in {"client-fin", "client-rst"}


def test_a_client_that_shuts_its_write_side_gets_no_answer(fake: FakeServer) -> None:
    space = play(fake, answer().held("g"))
    with Wire(space.base_url) as wire:
        wire.send(request())
        space.wait(open_requests(1), 5)
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.read_to_end() == (b"", "fin")
    assert space.journal().exchanges[0].gone_at is not None


def test_a_close_sent_before_a_request_is_booked_before_it(fake: FakeServer) -> None:
    space = play(fake, always(answer().held("never")))
    for turn in range(20):
        first, second = Wire(space.base_url), Wire(space.base_url)
        first.send(request())
        space.wait(received(2 * turn + 1), 5)
        first.socket.close()
        second.send(request())
        space.wait(received(2 * turn + 2), 5)
        second.socket.close()
        space.wait(gone(2 * turn + 2), 5)
    exchanges = space.journal().exchanges
    for left, following in zip(exchanges[::2], exchanges[1::2], strict=True):
        assert left.gone_at is not None
        assert left.gone_at <= following.received_at


def test_what_is_sent_counts_what_the_kernel_took(fake: FakeServer) -> None:
    huge = status(200, base64=b"x" * 8_000_000)
    space = play(fake, huge)
    with Wire(space.base_url) as wire:
        wire.send(request())
        wire.read_until(b"\r\n\r\n")
        (exchange,) = space.wait(open_requests(1), 5).exchanges
        assert 0 < exchange.sent_bytes < 8_000_000
        assert exchange.ending == "open"
        wire.read(8_000_000)
    assert space.wait(answered(1), 5).exchanges[0].sent_bytes > 8_000_000


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"GARBAGE\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n"),
        (
            b"GET / HTTP/1.1\r\nx: " + b"a" * 500_000,
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n",
        ),
    ],
)
def test_bytes_that_are_no_request_are_refused_and_noted(
    fake: FakeServer, sent: bytes, expected: bytes
) -> None:
    space = play(fake)
    with Wire(space.base_url) as wire:
        wire.send(sent)
        assert wire.read_until(b"\r\n\r\n").startswith(expected)
    assert len(space.journal().notes) == 1
