"""What a space tells of its answers when it is asked: the wire's bytes, what they say, and how it ended."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from raw_http import Wire, ask, request

from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.journal import Journal, KeptAnswer
from tgi_conformance.contracts.schema.registry import problems
from tgi_conformance.contracts.script import (
    Reply,
    Script,
    always,
    answer,
    data,
    done,
    raw,
    silence,
    status,
    stream,
)
from tgi_conformance.fake_server.client import FakeServer, Space, gone
from tgi_conformance.fake_server.engine.plans import Gate, Http2Head, Plan, Wait, Write
from tgi_conformance.fake_server.keeping.kept import kept_answer

A = b'data: {"a":1}\n\n'
DONE = b"data: [DONE]\n\n"
TWO = stream(data({"a": 1}), done())


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def play(fake: FakeServer, *replies: Reply) -> Space:
    return fake.space(Script(replies=replies))


def wire_of(kept: KeptAnswer) -> bytes:
    return b"".join(step.data for step in kept.wire)


def test_the_bytes_of_a_torn_stream_are_those_that_the_client_got(fake: FakeServer) -> None:
    space = play(fake, TWO.cut("rst", event=1).deliver(delay_ms=20))
    with Wire(space.base_url) as wire:
        wire.send(request())
        got, _ = wire.read_to_end()
    (kept,) = space.answers().values()
    assert wire_of(kept) == got
    assert [part.content for part in kept.parts] == [A]
    assert (kept.status, kept.reason, kept.ended) == (200, "OK", "rst")
    assert ("content-type", "text/event-stream") in kept.headers
    assert kept.wire[0].wait == 0.02
    exchange = space.journal().exchanges[0]
    assert exchange.reply_at == kept.wire[1].at


def test_what_a_client_that_left_did_not_get_is_told_too(fake: FakeServer) -> None:
    space = play(fake, TWO.held("later", event=1))
    with Wire(space.base_url) as wire:
        wire.send(request())
        wire.read_until(A)
    space.wait(gone(1), 5)
    (kept,) = space.answers().values()
    assert [part.content for part in kept.parts] == [A]
    assert [step.gate for step in kept.wire if step.gate] == ["later"]
    assert [DONE in step.data for step in kept.wire if step.data and step.at is None] == [True, False]


def test_times_are_in_order_and_of_the_same_clock_as_the_journal(fake: FakeServer) -> None:
    space = play(fake, TWO.deliver(event_gap_ms=20))
    ask(space.base_url)
    exchange = space.journal().exchanges[0]
    (kept,) = space.answers().values()
    times = [step.at for step in kept.wire if step.at is not None]
    assert times == sorted(times)
    assert exchange.replied_at is not None
    assert exchange.received_at <= times[0] <= times[-1] <= exchange.replied_at
    first, second = kept.parts
    assert second.at - first.at >= 0.02


def test_a_repeat_that_was_looked_up_has_its_answer_too(fake: FakeServer) -> None:
    space = play(fake, always(answer("the same")))
    said = [ask(space.base_url) for _ in range(4)]
    kept = space.answers()
    assert sorted(kept) == [0, 1, 2, 3]
    assert [answer.parts[0].content for answer in kept.values()] == [each.body for each in said]
    for earlier, later in pairwise(kept.values()):
        assert earlier.parts[0].at < later.parts[0].at


def test_bytes_that_are_no_http_and_silence_are_kept_as_they_are(fake: FakeServer) -> None:
    space = play(fake, raw(b"\x16\x03junk"), silence("fin"))
    for _ in range(2):
        with Wire(space.base_url) as wire:
            wire.send(request())
            wire.read_to_end()
    junk, nothing = space.answers().values()
    assert (wire_of(junk), junk.headers, junk.ended) == (b"\x16\x03junk", (), "close")
    assert (nothing.wire, nothing.status, nothing.ended) == ((), None, "fin")


def test_a_journal_with_answers_is_valid(fake: FakeServer) -> None:
    space = play(fake, status(503, ("x-odd", "a\tb")))
    ask(space.base_url)
    (exchange,) = space.journal().exchanges
    value = to_json(Journal(exchanges=(exchange,)))
    assert isinstance(value, dict)
    value["exchanges"][0]["answer"] = to_json(space.answers()[0])
    assert problems("journal", value) == []


def test_an_answer_of_http_2_is_its_fields_and_its_payload() -> None:
    head = Http2Head(200, (("content-type", "text/plain"),))
    kept = kept_answer(Plan((Write(b"", head=head), Wait(0.1), Write(b"hello"))), (1.0, 1.1), most=99)
    assert (kept.status, kept.headers) == (200, (("content-type", "text/plain"),))
    assert [(part.content, part.at) for part in kept.parts] == [(b"hello", 1.1)]


def test_chunks_are_taken_apart_however_the_writes_lie() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    payload = b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    for cut in range(1, len(payload)):
        plan = Plan((Write(head + payload[:cut]), Write(payload[cut:])))
        assert kept_answer(plan, (1.0, 2.0), most=999).body == b"hello!"


def test_an_answer_beyond_the_bound_is_cut_and_says_so() -> None:
    plan = Plan((Write(b"a" * 50), Gate("g"), Write(b"b" * 10), Write(b"c")))
    kept = kept_answer(plan, (1.0, 2.0, 3.0), most=55)
    assert kept.dropped_bytes == 11
    assert wire_of(kept) == b"a" * 50


def test_the_answers_of_a_space_are_bounded_together(fake: FakeServer) -> None:
    space = play(fake, always(answer("x" * 300_000)))
    for _ in range(3):
        ask(space.base_url)
    first, second, third = space.answers().values()
    assert first.dropped_bytes == 0
    assert second.dropped_bytes == third.dropped_bytes > 300_000
    assert second.status == 200


def test_a_closed_space_does_not_hold_on_to_long_answers(fake: FakeServer) -> None:
    space = play(fake, answer("short"), always(answer("x" * 3_000_000)))
    for _ in range(3):
        ask(space.base_url)
    assert sorted(space.answers()) == [0, 1, 2]
    space.close()
    assert sorted(space.answers()) == [0, 1]
