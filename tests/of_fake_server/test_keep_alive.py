"""What a script says of the edges of messages and connections: headers, trailers, ALPN, idleness."""

import contextlib
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from http2_wire import Http2Wire
from raw_http import Wire, ask, request

from tgi_conformance.contracts.script import (
    HeaderMatch,
    Reply,
    Script,
    always,
    answer,
    data,
    status,
    stream,
)
from tgi_conformance.contracts.script.loading import ScriptError, load_script
from tgi_conformance.fake_server.client import FakeServer, Space, connections_closed
from tgi_conformance.fake_server.engine.answers import Answer, Exchange
from tgi_conformance.fake_server.engine.heads import last_chunk
from tgi_conformance.fake_server.engine.layout import plan_answer
from tgi_conformance.fake_server.engine.selection import header_matches

TRAILERS = (("X-Checksum", "abc"), ("x-late", "1"))
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def play(fake: FakeServer, *replies: Reply, **fields: object) -> Space:
    return fake.space(Script(replies=replies, **fields))  # type: ignore[arg-type]


# --- headers that a reply is for ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        (HeaderMatch(name="X-Trace"), True),
        (HeaderMatch(name="x-other"), False),
        (HeaderMatch(name="X-TRACE", value="b c"), True),
        (HeaderMatch(name="x-trace", value="b"), False),
        (HeaderMatch(name="x-trace", contains="c"), True),
        (HeaderMatch(name="x-trace", contains="C"), False),
        (HeaderMatch(name="x-trace", absent=True), False),
        (HeaderMatch(name="x-other", absent=True), True),
    ],
    ids=str,
)
def test_a_header_is_matched_by_its_name_in_any_case(match: HeaderMatch, holds: bool) -> None:  # noqa: FBT001
    assert header_matches(match, [("x-trace", "a"), ("X-Trace", "b c")]) is holds


def test_replies_are_chosen_by_the_headers_of_requests(fake: FakeServer) -> None:
    by_tenant = always(answer("for b"), at_least=0).where_header("X-Tenant", value="b")
    with play(
        fake, by_tenant, always(status(403), at_least=0).where_header("x-tenant", absent=True)
    ) as space:
        for _ in range(3):  # the third comes from the cache
            assert ask(space.base_url, headers={"x-tenant": "b"}).status == 200
            assert ask(space.base_url).status == 403
        assert ask(space.base_url, headers={"x-tenant": "other"}).status == 200  # unscripted
        assert [exchange.reply for exchange in space.journal()][-1] is None
        with Http2Wire(space.base_url) as wire:
            assert wire.answer().status == 403
            assert wire.answer(headers=[("x-tenant", "b")]).status == 200


TWO_KINDS = {"name": "a", "value": "b", "absent": True}
AT_ACCEPT = {"fault": {"ending": "fin", "at": "accept"}}


def reply_for(header: object, **fields: object) -> object:
    return {"replies": [{"when": {"headers": [header]}, **(fields or {"tgi": {}})}]}


@pytest.mark.parametrize(
    ("script", "pointer"),
    [
        (reply_for(TWO_KINDS), "/when/headers/0"),
        (reply_for({"name": "a:b"}), "/replies/0/when/headers/0/name"),
        (reply_for({"name": "a"}, delivery=AT_ACCEPT), "/replies/0/delivery/fault/at"),
        ({"replies": [{"response": {"trailers": [["a", "b"]]}}]}, "/replies/0/response/trailers"),
        ({"replies": [{"stream": {"trailers": [["a", "\u20ac"]]}}]}, "/replies/0/stream/trailers/0"),
        ({"alpn": ["h2"]}, "/alpn"),
        ({"alpn": ["h3"], "tls": ["a"]}, "/alpn/0"),
        ({"idle_ms": 0}, "/idle_ms"),
    ],
    ids=["two-kinds", "no-name", "at-accept", "not-chunked", "not-latin-1", "no-tls", "h3", "no-time"],
)
def test_what_cannot_be_played_is_refused_with_its_place(script: object, pointer: str) -> None:
    with pytest.raises(ScriptError) as refused:
        load_script(script)  # type: ignore[arg-type]
    assert refused.value.pointer.endswith(pointer)


# --- trailers -----------------------------------------------------------------------------------------


def test_trailers_come_after_the_last_chunk_as_they_are_given(fake: FakeServer) -> None:
    reply = stream(data({"a": 1}), headers=(("trailer", "x-checksum"),), trailers=TRAILERS)
    with play(fake, reply.times(3)) as space:
        for _ in range(3):
            with Wire(space.base_url) as wire:
                wire.send(request("/generate_stream"))
                got = wire.read_until(b"x-late: 1\r\n\r\n")
                assert got.endswith(b'{"a":1}\n\n\r\n0\r\nX-Checksum: abc\r\nx-late: 1\r\n\r\n')
                assert b"trailer: x-checksum\r\n" in got


def test_the_next_answer_on_the_connection_begins_after_the_trailers(fake: FakeServer) -> None:
    chunked = Reply(response=_with_trailers())
    with play(fake, chunked, answer("second")) as space, Wire(space.base_url) as wire:
        wire.send(request())
        assert b"0\r\nX-Checksum: abc" in wire.read_until(b"x-late: 1\r\n\r\n")
        wire.send(request())
        assert b"second" in wire.response().body


def _with_trailers() -> object:
    made = status(200, json={"generated_text": "x"}).response
    assert made is not None
    return type(made)(body=made.body, framing="chunked", trailers=TRAILERS)


@pytest.mark.parametrize("kind", ["stream", "plain", "empty"])
def test_http2_sends_trailers_as_a_second_field_list_that_ends_the_stream(
    fake: FakeServer, kind: str
) -> None:
    replies = {
        "stream": stream(data({"a": 1}), trailers=TRAILERS),
        "plain": Reply(response=_with_trailers()),  # type: ignore[arg-type]
        "empty": stream(trailers=TRAILERS),
    }
    with play(fake, replies[kind], answer("next")) as space, Http2Wire(space.base_url) as wire:
        first = wire.answer()
        assert (first.status, first.ended) == (200, True)
        assert first.trailers == [("x-checksum", "abc"), ("x-late", "1")]
        assert wire.answer().trailers == []


def test_who_gets_no_chunks_or_no_body_gets_no_trailers() -> None:
    answered = Answer(200, (), (b"x",), framing="chunked", trailers=TRAILERS)
    for asked in (Exchange(date="now", http_1_0=True), Exchange(date="now", head_only=True)):
        for each in (asked, Exchange(date="now", head_only=True, http_2=True)):
            plan = plan_answer(answered, each)
            assert b"abc" not in repr(plan.steps).encode()
    assert last_chunk(()) == b"0\r\n\r\n"


# --- ALPN ---------------------------------------------------------------------------------------------


def shaken(space: Space, offers: Sequence[str]) -> tuple[Wire, str | None]:
    """A TLS connection that offers these protocols, and what was agreed on."""
    context = ssl.create_default_context(cadata=space.certificate)
    if offers:
        context.set_alpn_protocols(list(offers))
    wire = Wire(space.base_url)
    secure = context.wrap_socket(wire.socket, server_hostname="127.0.0.1")
    wire.socket = secure
    return wire, secure.selected_alpn_protocol()


@pytest.mark.parametrize(
    ("alpn", "offers", "agreed"),
    [
        (("h2", "http/1.1"), ("http/1.1", "h2"), "h2"),
        (("http/1.1", "h2"), ("h2", "http/1.1"), "http/1.1"),
        (("h2",), ("http/1.1",), None),
        (("http/1.1",), (), None),
        ((), ("h2",), None),
    ],
)
def test_the_scripts_order_decides_over_the_protocol(
    fake: FakeServer, alpn: tuple[str, ...], offers: tuple[str, ...], agreed: str | None
) -> None:
    with play(fake, always(answer("x"), at_least=0), tls=("a",), alpn=alpn) as space:
        wire, told = shaken(space, offers)
        with contextlib.closing(wire.socket):
            assert told == agreed
            if agreed == "h2":
                wire.send(PREFACE + b"\0\0\0\4\0\0\0\0\0")
                assert wire.read(9)[3] == 4, "the server's SETTINGS"
            else:
                wire.send(request())
                assert wire.response().status == 200


def test_who_agrees_on_http2_and_speaks_http1_is_not_answered(fake: FakeServer) -> None:
    with play(fake, always(answer("x"), at_least=0), tls=("a",), alpn=("h2", "http/1.1")) as space:
        wire, _ = shaken(space, ["h2"])
        with contextlib.closing(wire.socket):
            wire.send(request())
            assert wire.read_to_end() == (b"", "fin")
        journal = space.journal()
        assert journal.exchanges == ()
        assert "HTTP/1 where ALPN chose h2" in journal.notes[0]


def test_who_agrees_on_http1_and_speaks_http2_is_refused(fake: FakeServer) -> None:
    with play(fake, always(answer("x"), at_least=0), tls=("a",), alpn=("http/1.1",)) as space:
        wire, agreed = shaken(space, ["h2", "http/1.1"])
        with contextlib.closing(wire.socket):
            assert agreed == "http/1.1"
            wire.send(PREFACE + b"\0\0\0\4\0\0\0\0\0")
            refused, _ = wire.read_to_end()
            assert refused.startswith(b"HTTP/1.1 400 ")
        assert space.journal().exchanges == ()


# --- idle connections ---------------------------------------------------------------------------------


def test_a_connection_that_is_silent_after_an_answer_is_closed(fake: FakeServer) -> None:
    with play(fake, always(answer("x"), at_least=0), idle_ms=50.0) as space, Wire(space.base_url) as wire:
        for _ in range(3):
            wire.send(request())
            assert wire.response().header("connection") is None
        assert wire.read_to_end() == (b"", "fin")
        (connection,) = space.journal().connections
        assert (connection.closed_by, connection.requests) == ("server", 3)
        last = space.journal().exchanges[-1]
        assert connection.closed_at is not None
        assert last.replied_at is not None
        assert connection.closed_at - last.replied_at >= 0.045


def test_what_has_begun_is_not_idle(fake: FakeServer) -> None:
    held = answer("late").held("door")
    with play(fake, answer("x"), held, idle_ms=30.0) as space, Wire(space.base_url) as wire:
        assert wire.is_silent(0.08), "before its first request it may take its time"
        wire.send(request())
        assert wire.response().status == 200
        whole = request()
        wire.send(whole[:20])
        assert wire.is_silent(0.08)
        wire.send(whole[20:])
        assert wire.is_silent(0.08)
        space.release("door")
        assert b"late" in wire.response().body
        assert wire.read_to_end() == (b"", "fin")


def test_idle_http2_and_tls_connections_are_closed_in_their_own_way(fake: FakeServer) -> None:
    with (
        play(fake, answer("x"), idle_ms=30.0) as space,
        Http2Wire(space.base_url) as wire,
    ):
        assert wire.answer().status == 200
        assert wire.until_over() == "fin"
        assert wire.goaway == 0
    with play(fake, answer("x"), tls=("a",), idle_ms=30.0) as space:
        wire1, _ = shaken(space, [])
        with contextlib.closing(wire1.socket):
            wire1.send(request())
            assert wire1.response().status == 200
            assert wire1.read_to_end() == (b"", "fin")
        space.wait(connections_closed(), timeout=5)
        assert space.journal().faults == ()


# --- options of the process ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--alpn", "h2"], "it needs --tls"),
        (["--tls", "--alpn", "h3"], "--alpn: h2, http/1.1 or both"),
        (["--idle-timeout", "0"], "--idle-timeout: more than 0"),
    ],
)
def test_options_that_cannot_be_are_refused(options: list[str], said: str) -> None:
    command = [sys.executable, "-m", "tgi_conformance.fake_server", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_options_set_alpn_and_the_keep_alive_timeout() -> None:
    command = [sys.executable, "-m", "tgi_conformance.fake_server", "--tls", "--alpn", "h2,http/1.1"]
    with subprocess.Popen([*command, "--idle-timeout", "40"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        context = ssl.create_default_context(cadata=ready["certificate"])
        context.set_alpn_protocols(["h2", "http/1.1"])
        with Wire(ready["base_url"]) as wire:
            secure = context.wrap_socket(wire.socket, server_hostname="127.0.0.1")
            wire.socket = secure
            assert secure.selected_alpn_protocol() == "h2"
        process.terminate()
        assert process.wait(timeout=20) == 0
