"""The fake server over cleartext HTTP/2 with prior knowledge, as hyper serves it beside HTTP/1."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from http2_wire import Http2Wire
from raw_http import Wire, ask
from recorded import Recording, load_recordings
from replaying import LIMITS, MEASURED, events

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.script import (
    Delivery,
    EventStream,
    Fault,
    Generation,
    Interim,
    Raw,
    Reading,
    Reply,
    Script,
    Server,
    always,
    answer,
    data,
    status,
    stream,
    tokens,
)
from tgi_conformance.contracts.tgi.personas import PERSONAS
from tgi_conformance.fake_server.client import FakeServer, Space, gone, open_requests, received

PIECES = (" Deep", " learning", " is", " a", " subset")
#: Events of a stream of these: one a token, the last one's included.
EVENTS = len(PIECES) + 1
RECORDED = [recording for recording in load_recordings() if recording.case.startswith("http2-")]


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def opened(fake: FakeServer, *replies: Reply, **settings: object) -> Space:
    return fake.space(Script(replies=replies, **settings))  # type: ignore[arg-type]


def pid_of(server: FakeServer) -> int:
    running = server._process
    assert running is not None
    return running.pid


def only(space: Space) -> Exchange:
    (exchange,) = space.journal().exchanges
    return exchange


# --- the recording ------------------------------------------------------------------------------------


@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording.case)
def test_the_recorded_exchange_is_reproduced(fake: FakeServer, recording: Recording) -> None:
    toy = Reply(tgi=Generation(toy=True))
    script = Script(server=Server(**LIMITS), replies=(toy,))  # type: ignore[arg-type]
    with fake.space(script) as space, Http2Wire(space.base_url) as wire:
        got = wire.answer(body={"inputs": "What is Deep Learning?", "parameters": {"max_new_tokens": 2}})
    lines = [str(line) for line in recording.facts["header_lines"] if line]  # type: ignore[union-attr]
    recorded = [tuple(line.split(": ", 1)) for line in lines[1:]]
    assert f"HTTP/2 {got.status} " == lines[0]
    assert got.names == [name for name, _ in recorded]
    for name, value in recorded:
        if name not in MEASURED or name in {"content-length", "x-prompt-tokens", "x-generated-tokens"}:
            assert got.header(name) == value
    assert got.body.decode() == recording.facts["body"]
    assert got.ended


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_curl_speaks_it_too(fake: FakeServer) -> None:
    known = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    if "HTTP2" not in known:
        pytest.skip("this curl speaks no HTTP/2")
    with opened(fake, answer(" Deep")) as space:
        command = ["curl", "-sS", "-m", "10", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}"]
        command += [f"{space.base_url}/generate", "-H", "content-type: application/json"]
        ran = subprocess.run(
            [*command, "-d", '{"inputs":"x"}'], capture_output=True, text=True, timeout=20, check=True
        )
    assert ran.stdout == '{"generated_text":" Deep"}2 200'


# --- what is the same as over HTTP/1 ------------------------------------------------------------------

PLAIN = [
    ("POST", "/generate", {"inputs": "x"}),
    ("POST", "/", {"inputs": "x"}),
    ("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ("POST", "/generate", {"inputs": ""}),
    ("POST", "/generate", {"inputs": "x", "parameters": {"temperature": 0}}),
    ("POST", "/generate", b"{"),
    ("POST", "/nowhere", {"inputs": "x"}),
    ("POST", "/health", {}),
    ("GET", "/generate", None),
    ("GET", "/health", None),
    ("GET", "/info", None),
    ("HEAD", "/info", None),
    ("HEAD", "/health", None),
    ("OPTIONS", "/generate", None),
    ("POST", "/tokenize", {"inputs": "x y"}),
    ("DELETE", "/generate", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), PLAIN)
def test_status_headers_and_body_are_those_of_http_1(
    fake: FakeServer, method: str, path: str, body: object
) -> None:
    with opened(fake) as space, Http2Wire(space.base_url) as wire, Wire(space.base_url) as old:
        got = wire.answer(path, body, method=method)
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: x"]
        if method not in {"GET", "HEAD", "OPTIONS"}:
            lines += ["content-type: application/json", f"content-length: {len(content)}"]
        old.send("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        head = old.read_until(b"\r\n\r\n").decode().split("\r\n")[:-2]
        fields = dict(line.split(": ", 1) for line in head[1:])
        theirs = b"" if method == "HEAD" else old.read(int(fields.get("content-length", "0")))
    assert got.status == int(head[0].split()[1])
    assert got.names == list(fields)
    assert {k: v for k, v in got.headers if k in fields and k not in MEASURED} == {
        k: v for k, v in fields.items() if k not in MEASURED
    }
    assert re.sub(rb"\d{9,}", b"-", got.body) == re.sub(rb"\d{9,}", b"-", theirs)


def test_a_stream_comes_event_by_event_and_ends_with_an_empty_frame(fake: FakeServer) -> None:
    with opened(fake, tokens(*PIECES)) as space, Http2Wire(space.base_url) as wire:
        got = wire.answer("/generate_stream")
        assert got.header("content-type") == "text/event-stream"
        assert not {"transfer-encoding", "connection", "content-length"} & set(got.names)
        assert len(events(got.body)) == EVENTS
        assert [len(events(piece)) for piece in got.data] == [1] * EVENTS + [0]
        assert got.data[-1] == b""


def test_a_body_of_known_length_ends_with_its_last_frame(fake: FakeServer) -> None:
    with opened(fake, answer(" Deep")) as space, Http2Wire(space.base_url) as wire:
        assert wire.answer().data == [b'{"generated_text":" Deep"}']


def test_the_journal_books_streams_on_one_connection(fake: FakeServer) -> None:
    with opened(fake, always(answer("x"))) as space:
        with Http2Wire(space.base_url) as wire:
            for number in range(3):
                wire.answer(headers=[("authorization", "Bearer nobody"), ("x-number", str(number))])
        journal = space.journal()
    assert [exchange.http_version for exchange in journal] == ["2", "2", "2"]
    assert {exchange.connection for exchange in journal} == {0}
    (connection,) = journal.connections
    assert (connection.requests, connection.closed_by) == (3, "client-fin")
    first = journal.exchanges[0]
    assert first.header("host") == "x"
    assert first.header("x-number") == "0"
    assert first.key == "other"
    assert first.head.startswith(b":method: POST\r\n:path: /generate\r\n:scheme: http\r\n:authority: x\r\n")
    assert first.head.endswith(b"\r\n\r\n")
    assert first.json() == {"inputs": "x"}
    assert (first.status, first.ending) == (200, "complete")
    assert first.sent_bytes > 26


def test_http_1_is_served_beside_it(fake: FakeServer) -> None:
    with opened(fake, always(answer("x"))) as space, Http2Wire(space.base_url) as wire:
        assert wire.answer().status == 200
        assert ask(space.base_url).status == 200
        assert wire.answer().status == 200
        assert [exchange.http_version for exchange in space.journal()] == ["2", "1.1", "2"]


def test_keys_are_checked(fake: FakeServer) -> None:
    script = Script(server=Server(check_key=True), replies=(always(answer("x")),))
    with fake.space(script, keys={"A": "secret"}) as space, Http2Wire(space.base_url) as wire:
        assert wire.answer().status == 401
        assert wire.answer(headers=[("authorization", "Bearer secret")]).status == 200
        assert [exchange.key for exchange in space.journal()] == ["none", "A"]


def test_permits_are_shared_with_http_1(fake: FakeServer) -> None:
    script = Script(
        server=Server(max_concurrent_requests=2), replies=(tokens(*PIECES).held("go", event=1).times(2),)
    )
    with fake.space(script) as space, Http2Wire(space.base_url) as wire:
        held = [wire.ask("/generate_stream") for _ in range(2)]
        space.wait(open_requests(2), 5)
        assert wire.answer().status == 429
        assert ask(space.base_url).status == 429
        space.release("go")
        assert all(wire.until(each).status == 200 for each in held)
        assert wire.answer().status == 200


def test_a_request_id_of_a_gateway_comes_before_the_date(fake: FakeServer) -> None:
    persona = next(name for name, traits in PERSONAS.items() if traits.request_id)
    with opened(fake, always(answer("x")), persona=persona) as space, Http2Wire(space.base_url) as wire:
        assert wire.answer().names[-2:] == ["x-request-id", "date"]


# --- streams side by side -----------------------------------------------------------------------------


def test_streams_go_on_side_by_side(fake: FakeServer) -> None:
    held = [tokens(*PIECES).held(name, event=2).where(contains=name) for name in ("one", "two", "three")]
    with opened(fake, *held) as space, Http2Wire(space.base_url) as wire:
        asked = {name: wire.ask("/generate_stream", {"inputs": name}) for name in ("one", "two", "three")}
        for stream_id in asked.values():
            wire.until(stream_id, b'"index":2')
        space.release("three")
        assert len(events(wire.until(asked["three"]).body)) == EVENTS
        assert not wire.streams[asked["one"]].ended
        space.release("one")
        wire.until(asked["one"])
        space.release("two")
        wire.until(asked["two"])
        assert all(len(events(each.body)) == EVENTS for each in wire.streams.values())


def test_large_answers_share_the_connection(fake: FakeServer) -> None:
    large = status(200, text="y" * 300_000).times(2)
    with opened(fake, large) as space, Http2Wire(space.base_url) as wire:
        first, second = wire.ask(), wire.ask()
        wire.until(first)
        wire.until(second)
        assert [len(wire.streams[each].body) for each in (first, second)] == [300_000, 300_000]
        switches = sum(a != b for a, b in zip(wire.order, wire.order[1:], strict=False))
        assert switches > 2


def test_a_stream_too_many_is_refused_and_the_others_live(fake: FakeServer) -> None:
    script = Script(server=Server(max_concurrent_requests=1000), replies=(always(answer("x").held("go")),))
    with fake.space(script) as space, Http2Wire(space.base_url) as wire:
        asked = [wire.ask() for _ in range(201)]
        assert wire.until(asked[-1]).reset == 7
        space.release("go")
        assert wire.until(asked[0]).status == 200
        assert wire.until(asked[199]).status == 200


# --- flow control -------------------------------------------------------------------------------------


def test_no_more_is_sent_than_the_window_allows(fake: FakeServer) -> None:
    with opened(fake, status(200, text="y" * 100_000)) as space:
        with Http2Wire(space.base_url, window=1000, grant=False) as wire:
            asked = wire.ask()
            wire.until(asked, b"y" * 1000)
            assert len(wire.streams[asked].body) == 1000
            assert space.journal().exchanges[0].ending == "open"
            wire.grant_all(asked, 500)
            wire.until(asked, b"y" * 1500)
            assert len(wire.streams[asked].body) == 1500
            wire.grant_all(asked, 200_000)
            assert len(wire.until(asked).body) == 100_000
        assert only(space).ending == "complete"


def test_a_stream_of_events_waits_for_the_window_and_loses_nothing(fake: FakeServer) -> None:
    with opened(fake, tokens(*PIECES * 20)) as space, Http2Wire(space.base_url, window=100) as wire:
        got = wire.answer("/generate_stream")
        assert len(events(got.body)) == len(PIECES) * 20 + 1


def test_a_large_request_is_taken_whole(fake: FakeServer) -> None:
    text = "z" * 1_900_000
    with opened(fake, always(answer("x"))) as space, Http2Wire(space.base_url) as wire:
        assert wire.answer(body={"inputs": text}).status == 200
        assert only(space).json() == {"inputs": text}


def test_a_body_over_the_payload_limit_gets_413_and_the_connection_lives(fake: FakeServer) -> None:
    script = Script(server=Server(payload_limit=1000))
    with fake.space(script) as space, Http2Wire(space.base_url) as wire:
        assert wire.answer(body={"inputs": "z" * 5000}).status == 413
        assert wire.answer().status == 200
        assert [each.status for each in space.journal()] == [413, 200]


def test_an_early_answer_waves_the_rest_of_the_body_off(fake: FakeServer) -> None:
    script = Script(server=Server(payload_limit=1000))
    with fake.space(script) as space, Http2Wire(space.base_url) as wire:
        asked = wire.ask(ends=False)
        wire.send(asked, b"z" * 5000, ends=False)
        got = wire.until(asked)
        while got.reset is None:
            wire.read()
        assert (got.status, got.reset) == (413, 0)
        exchange = only(space)
        assert (exchange.body_complete, exchange.status, exchange.ending) == (False, 413, "complete")


def test_a_body_over_what_is_read_at_all_gets_413() -> None:
    with (
        FakeServer.start(extra_args=("--max-body", "4000")) as server,
        server.space(Script()) as space,
        Http2Wire(space.base_url) as wire,
    ):
        asked = wire.ask("/generate", ends=False, headers=[("content-length", "5000")])
        assert wire.until(asked).status == 413
        asked = wire.ask("/generate", ends=False)
        wire.send(asked, b"z" * 5000, ends=False)
        assert wire.until(asked).status == 413


def test_a_client_that_reads_nothing_is_waited_for(fake: FakeServer) -> None:
    size = 6_000_000
    with (
        opened(fake, status(200, text="y" * size), always(answer("x"))) as space,
        Http2Wire(space.base_url, window=2**31 - 1) as wire,
    ):
        wire.h2.increment_flow_control_window(2**30)
        asked = wire.ask()
        space.wait(received(1), 5)
        assert ask(space.base_url).status == 200
        assert len(wire.until(asked).body) == size


# --- clients that leave -------------------------------------------------------------------------------


def test_a_stream_that_the_client_resets_is_booked_and_frees_its_permit(fake: FakeServer) -> None:
    script = Script(
        server=Server(max_concurrent_requests=1), replies=(tokens(*PIECES).held("never", event=1),)
    )
    with fake.space(script) as space, Http2Wire(space.base_url) as wire:
        asked = wire.ask("/generate_stream")
        wire.until(asked, b'"index":1')
        wire.give_up(asked)
        space.wait(gone(1), 5)
        exchange = only(space)
        assert (exchange.ending, exchange.gone_at is not None) == ("client", True)
        (connection,) = space.journal().connections
        assert connection.closed_at is None
        assert wire.answer().status == 200


@pytest.mark.parametrize(("how", "closed_by"), [("close", "client-fin"), ("reset", "client-rst")])
def test_a_connection_that_the_client_ends_takes_its_streams_with_it(
    fake: FakeServer, how: str, closed_by: str
) -> None:
    with opened(fake, always(tokens(*PIECES).held("never", event=1))) as space:
        wire = Http2Wire(space.base_url)
        asked = [wire.ask("/generate_stream") for _ in range(3)]
        for each in asked:
            wire.until(each, b'"index":1')
        wire.socket.close() if how == "close" else wire.reset()
        space.wait(gone(3), 5)
        journal = space.journal()
        assert {each.ending for each in journal} == {"client"}
        assert journal.connections[0].closed_by == closed_by


def test_a_request_that_was_never_whole_is_booked_as_such(fake: FakeServer) -> None:
    with opened(fake, always(answer("x"))) as space, Http2Wire(space.base_url) as wire:
        asked = wire.ask(ends=False)
        wire.send(asked, b'{"inp', ends=False)
        wire.give_up(asked)
        assert wire.answer().status == 200
        torn, whole = space.journal().exchanges
        assert (torn.ending, torn.body_complete, torn.body) == ("none", False, b'{"inp')
        assert whole.ending == "complete"


def test_a_client_that_says_goaway_still_gets_what_it_asked_for(fake: FakeServer) -> None:
    with opened(fake, answer("x").held("go")) as space, Http2Wire(space.base_url) as wire:
        asked = wire.ask()
        wire.say_goaway()
        space.wait(received(1), 5)
        space.release("go")
        assert wire.until(asked).status == 200


# --- what scripts do ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "seen"), [("fin", "fin"), ("rst", "rst"), ("half-close", "fin")])
@pytest.mark.parametrize("place", [{"event": 2}, {"at": "head"}, {"at": "request"}])
def test_faults_of_the_connection_end_the_connection(
    fake: FakeServer, ending: str, seen: str, place: dict[str, object]
) -> None:
    with opened(fake, tokens(*PIECES).cut(ending, **place), always(answer("x"))) as space:
        with Http2Wire(space.base_url) as wire:
            asked = wire.ask("/generate_stream")
            assert wire.until_over() == seen
            if ending != "rst":
                assert len(events(wire.streams[asked].body)) == (2 if "event" in place else 0)
            assert not wire.streams[asked].ended
            assert wire.streams[asked].reset is None
            assert wire.goaway is None
        assert only(space).ending == "fault"


def test_an_answer_without_its_end_is_a_stream_reset(fake: FakeServer) -> None:
    cut = tokens(*PIECES).cut("no-last-chunk", event=99)
    with opened(fake, cut, always(answer("x"))) as space, Http2Wire(space.base_url) as wire:
        got = wire.answer("/generate_stream")
        assert (len(events(got.body)), got.ended, got.reset) == (EVENTS, False, 2)
        assert wire.answer().status == 200
        assert [each.ending for each in space.journal()] == ["fault", "complete"]


def test_a_stall_leaves_the_other_streams_alone(fake: FakeServer) -> None:
    with (
        opened(fake, tokens(*PIECES).cut("stall", event=1), always(answer("x"))) as space,
        Http2Wire(space.base_url) as wire,
    ):
        asked = wire.ask("/generate_stream")
        wire.until(asked, b'"index":1')
        assert wire.answer().status == 200
        assert not wire.streams[asked].ended
        assert space.journal().exchanges[0].ending == "open"


def test_an_endless_stream_goes_on_until_the_client_resets_it(fake: FakeServer) -> None:
    endless = tokens(*PIECES).cut("endless", event=0)
    with opened(fake, endless, always(answer("x"))) as space, Http2Wire(space.base_url) as wire:
        asked = wire.ask("/generate_stream")
        while len(wire.streams[asked].data) < 50:
            wire.read()
        wire.give_up(asked)
        assert wire.answer().status == 200
        assert space.journal().exchanges[0].ending == "client"


def test_a_cut_at_a_byte_sends_so_much_payload(fake: FakeServer) -> None:
    with (
        opened(fake, status(200, text="0123456789").cut("no-last-chunk", byte=4)) as space,
        Http2Wire(space.base_url) as wire,
    ):
        got = wire.answer()
        assert (got.body, got.reset) == (b"0123", 2)
        assert got.header("content-length") == "10"


def test_a_cut_head_is_a_cut_frame(fake: FakeServer) -> None:
    with opened(fake, answer("x").cut("fin", head_byte=12)) as space, Wire(space.base_url) as wire:
        client = Http2Wire(space.base_url)
        client.ask()
        assert client.until_over() == "fin"
        client.socket.close()
        assert client.streams[1].headers == []
        wire.socket.close()
        assert only(space).ending == "fault"


def test_splits_pauses_and_gaps_are_kept(fake: FakeServer) -> None:
    split = stream(data(12345)).deliver(splits=(2, 7))
    paced = stream(data(1), data(2)).deliver(event_gap_ms=5.0)
    bytewise = stream(data(1)).deliver(splits="bytes")
    with opened(fake, split, paced, bytewise) as space, Http2Wire(space.base_url) as wire:
        assert wire.answer().data == [b"da", b"ta: 1", b"2345\n\n", b""]
        assert wire.answer().data == [b"data: 1\n\n", b"data: 2\n\n", b""]
        assert wire.answer().data == [*(bytes([each]) for each in b"data: 1\n\n"), b""]


def test_interim_answers_come_first(fake: FakeServer) -> None:
    hint = answer("x").deliver(interim=(Interim(status=103, headers=(("link", "</a>"),)),))
    with opened(fake, hint) as space, Http2Wire(space.base_url) as wire:
        got = wire.answer()
        assert got.interim == [[(":status", "103"), ("link", "</a>")]]
        assert got.status == 200


def test_a_hold_before_the_end_holds_the_end(fake: FakeServer) -> None:
    with opened(fake, answer(" Deep").held("go", before="end")) as space, Http2Wire(space.base_url) as wire:
        asked = wire.ask()
        assert wire.until(asked, b"}").ended is False
        space.release("go")
        assert wire.until(asked).data == [b'{"generated_text":" Deep"}', b""]


def test_each_exchange_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "seen.jsonl"
    held = answer(" Deep").held("go", before="end")
    with (
        FakeServer.start(extra_args=("--journal", str(file))) as server,
        opened(server, held, always(answer("x"))) as space,
        Http2Wire(space.base_url) as wire,
    ):
        asked = wire.ask()
        wire.until(asked, b"}")
        space.release("go")
        wire.until(asked)
        assert wire.answer().status == 200
    assert [json.loads(line)["exchange"]["id"] for line in file.read_text().splitlines()] == [0, 1]


def test_a_close_is_a_goaway_after_the_streams_that_run(fake: FakeServer) -> None:
    closing = answer("x").deliver(close="announced")
    with opened(fake, tokens(*PIECES).held("go", event=1), closing) as space:
        with Http2Wire(space.base_url) as wire:
            running = wire.ask("/generate_stream")
            wire.until(running, b'"index":1')
            assert wire.answer().status == 200
            while wire.goaway is None:
                wire.read()
            late = wire.ask()
            assert wire.until(late).reset == 7
            space.release("go")
            assert wire.until(running).ended
            assert wire.until_over() == "fin"
        assert wire.goaway == 0
        assert space.journal().connections[0].closed_by == "server"


def test_raw_bytes_stand_in_place_of_frames(fake: FakeServer) -> None:
    raw = Reply(raw=Raw(base64=b"HTTP/1.1 200 OK\r\n\r\n"))
    with opened(fake, raw) as space, Http2Wire(space.base_url) as wire:
        wire.ask()
        got = b""
        while piece := wire.socket.recv(65_536):
            got += piece
        assert got.endswith(b"HTTP/1.1 200 OK\r\n\r\n")


def test_headers_of_http_1_are_left_out_and_names_are_lower_case(fake: FakeServer) -> None:
    reply = Reply(
        stream=EventStream(
            events=(data(1),),
            headers=(("Connection", "keep-alive"), ("Transfer-Encoding", "chunked"), ("X-Case", "Kept")),
        )
    )
    with opened(fake, reply) as space, Http2Wire(space.base_url) as wire:
        got = wire.answer()
        assert got.names == ["content-type", "x-case", "date"]
        assert got.header("x-case") == "Kept"


def test_a_silence_is_broken_by_the_keep_alive(fake: FakeServer) -> None:
    script = Script(server=Server(keep_alive_ms=20.0), replies=(tokens(*PIECES).held("go", event=1),))
    with fake.space(script) as space, Http2Wire(space.base_url) as wire:
        asked = wire.ask("/generate_stream")
        wire.until(asked, b"\n\n:\n\n")
        space.release("go")
        assert len(events(wire.until(asked).body)) == EVENTS


def test_an_accept_fault_leaves_it_without_a_word(fake: FakeServer) -> None:
    mute = Reply(name="mute", delivery=Delivery(fault=Fault(ending="stall", at="accept")))
    script = Script(replies=(mute,))
    with fake.space(script) as space, Http2Wire(space.base_url) as wire:
        wire.ask()
        space.wait(received(1), 5)
        assert only(space).reply == "mute"
        wire.socket.settimeout(0.01)
        with pytest.raises(TimeoutError):
            wire.socket.recv(1)


@pytest.mark.parametrize("bytes_at_once", [1, 7, 100])
def test_a_slow_reader_misses_nothing(fake: FakeServer, bytes_at_once: int) -> None:
    script = Script(replies=(always(answer("x")),), reading=Reading(bytes=bytes_at_once))
    with fake.space(script) as space, Http2Wire(space.base_url) as wire:
        assert wire.answer(body={"inputs": "z" * 200}).status == 200


@pytest.mark.parametrize("stop_after", [10, 24, 30, 150])
def test_a_reader_that_stops_goes_on_at_its_gate(fake: FakeServer, stop_after: int) -> None:
    script = Script(replies=(always(answer("x")),), reading=Reading(stop_after=stop_after, gate="read"))
    with fake.space(script) as space, Http2Wire(space.base_url) as wire:
        asked = wire.ask(body={"inputs": "z" * 2000})
        assert space.journal().exchanges == ()
        space.release("read")
        assert wire.until(asked).status == 200


def test_a_closed_space_says_410(fake: FakeServer) -> None:
    space = opened(fake)
    with Http2Wire(space.base_url) as wire:
        assert wire.answer(method="GET", path="/health").status == 200
        space.close()
        assert wire.answer().status == 410


def test_tls_origins_speak_it_too(fake: FakeServer) -> None:
    with fake.space(Script(replies=(always(answer("x")),), tls=("a",))) as space:
        with Http2Wire(space.base_url, cadata=space.certificate) as wire:
            assert wire.answer().status == 200
        assert only(space).http_version == "2"


def test_the_end_of_the_server_is_a_goaway_and_the_answers_that_run() -> None:
    with FakeServer.start() as server:
        space = opened(server, tokens(*PIECES).held("go", event=1))
        wire = Http2Wire(space.base_url)
        asked = wire.ask("/generate_stream")
        wire.until(asked, b'"index":1')
        os.kill(pid_of(server), signal.SIGTERM)
        while wire.goaway is None:
            wire.read()
        space.release("go")
        assert wire.until(asked).ended
        assert wire.until_over() == "fin"
        wire.socket.close()


def test_the_library_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, tgi_conformance.fake_server.service.process; sys.exit('h2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
