"""Peers that break HTTP/2, flood it, or do not quite begin it; the server ends them and serves on."""

from collections.abc import Iterator

import pytest
from fuzz_http_edge import run
from http2_inputs import frame
from http2_wire import PREFACE, Http2Wire, Stream
from raw_http import Wire, ask

from tgi_conformance.contracts.script import Reply, Script, always, answer, silence
from tgi_conformance.fake_server.client import FakeServer, Space, answered, connections_closed
from tgi_conformance.fake_server.http2.frames import MAX_IDLE_FRAMES, MAX_RESETS


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def opened(fake: FakeServer, *replies: Reply) -> Space:
    return fake.space(Script(replies=replies))


SETTINGS = frame(4, 0, 0)


def goaway_of(got: bytes) -> int | None:
    """The error code of the GOAWAY that the bytes hold."""
    while len(got) >= 9:
        size = int.from_bytes(got[:3], "big")
        if got[3] == 7:
            return int.from_bytes(got[13:17], "big")
        got = got[9 + size :]
    return None


def told(space: Space, sent: bytes) -> tuple[int | None, str]:
    """What a connection gets that sends just these bytes: error code of the GOAWAY, and how it ends."""
    with Wire(space.base_url) as wire:
        try:
            wire.send(sent)
        except (BrokenPipeError, ConnectionResetError):
            return None, "rst"
        got, ending = wire.read_to_end()
        return goaway_of(got), ending


BROKEN = {
    "a frame too long": (SETTINGS + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", 6),
    "data on no stream": (SETTINGS + frame(0, 0, 1, b"x"), 1),
    "headers on stream 0": (SETTINGS + frame(1, 5, 0, b"\x82"), 1),
    "headers on an even stream": (SETTINGS + frame(1, 5, 2, b"\x82\x84\x86"), 1),
    "a broken field block": (SETTINGS + frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff"), 1),
    "a window that grows by nothing": (SETTINGS + frame(8, 0, 0, b"\0\0\0\0"), 1),
    "settings of five bytes": (frame(4, 0, 0, b"\0\0\0\0\0"), 6),
    "a ping of seven bytes": (SETTINGS + frame(6, 0, 0, b"1234567"), 6),
    "a continuation of nothing": (SETTINGS + frame(9, 4, 1, b""), 1),
    "a field block without end": (
        SETTINGS + frame(1, 0, 1, b"\x82") + frame(9, 0, 1, b"\x82") * 100,
        1,
    ),
    "a promise": (SETTINGS + frame(5, 4, 1, b"\0\0\0\2\x82"), 1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_frame_ends_the_connection_with_a_goaway_and_a_note(fake: FakeServer, name: str) -> None:
    sent, _ = BROKEN[name]
    with opened(fake) as space:
        code, ending = told(space, PREFACE + sent)
        assert code is not None
        assert code in {1, 3, 6, 9}
        assert ending == "fin"
        (note,) = space.journal().notes
        assert note.startswith("connection 0: HTTP/2: ")
        assert ask(space.base_url).status == 200


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_frame_where_nothing_is_answered_is_no_fault_of_the_server(
    fake: FakeServer, name: str
) -> None:
    """Neither what comes behind it, nor the end of the space, is a move that the connection does not know."""
    sent, _ = BROKEN[name]
    with fake.space(Script(replies=(silence("stall", "accept"),))) as space, Wire(space.base_url) as wire:
        wire.send(PREFACE + sent)
        space.wait(connections_closed(), 5)
        wire.send(sent)
        assert space.close().faults == ()
        assert space.journal().faults == ()


FLOODS = {
    "settings": SETTINGS * (MAX_IDLE_FRAMES + 2),
    "pings": SETTINGS + frame(6, 0, 0, b"12345678") * (MAX_IDLE_FRAMES + 2),
    "unknown frames": SETTINGS + frame(99, 0, 0) * (MAX_IDLE_FRAMES + 2),
    "resets": SETTINGS
    + b"".join(
        frame(1, 5, number, b"\x83\x84\x86") + frame(3, 0, number, b"\0\0\0\x08")
        for number in range(1, 2 * MAX_RESETS + 5, 2)
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_with_a_request_for_calm(fake: FakeServer, name: str) -> None:
    with opened(fake, always(answer("x").held("never"))) as space:
        code, ending = told(space, PREFACE + FLOODS[name])
        assert (code, ending) in {(11, "fin"), (None, "rst")}
        assert "HTTP/2: over 1" in "".join(space.journal().notes)
        assert ask(space.base_url, "/health", method="GET").status == 200


@pytest.mark.parametrize(
    "fields",
    [
        [(":method", "POST"), (":path", "/"), (":scheme", "http"), ("connection", "close")],
        [(":method", "POST"), (":path", "/"), (":scheme", "http"), ("X-Upper", "1")],
        [(":method", "POST"), (":scheme", "http")],
        [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":status", "200")],
        [(":method", "POST"), (":path", "/"), ("a", "b"), (":scheme", "http")],
        [(":method", "POST"), (":method", "GET"), (":path", "/"), (":scheme", "http")],
        [(":method", "POST"), (":path", "/"), (":scheme", "http"), ("te", "gzip")],
        [(":method", "POST"), (":path", "/"), (":scheme", "http"), ("a", "b\r\nc: d")],
        [(":method", "A B"), (":path", "/"), (":scheme", "http")],
    ],
)
def test_a_malformed_request_ends_its_stream_alone(fake: FakeServer, fields: list[tuple[str, str]]) -> None:
    with opened(fake) as space, Http2Wire(space.base_url) as wire:
        wire.h2.config.normalize_outbound_headers = False
        asked = wire.h2.get_next_available_stream_id()
        wire.streams[asked] = Stream()
        wire.h2.send_headers(asked, fields, end_stream=True)
        wire.flush()
        assert wire.until(asked).reset == 1
        wire.h2.config.normalize_outbound_headers = True
        assert wire.answer().status == 200
        assert len(space.journal().exchanges) == 1


def test_a_field_list_over_the_limit_gets_431(fake: FakeServer) -> None:
    with opened(fake) as space, Http2Wire(space.base_url) as wire:
        got = wire.answer(headers=[("x-long", "y" * 20_000)])
        assert got.status == 431
        assert wire.answer().status == 200


def test_a_field_list_far_over_the_limit_ends_the_connection(fake: FakeServer) -> None:
    with opened(fake) as space, Http2Wire(space.base_url) as wire:
        wire.ask(headers=[(f"x-{number}", "y" * 8000) for number in range(12)])
        assert wire.until_over() == "fin"
        assert wire.goaway == 11
        assert ask(space.base_url).status == 200


@pytest.mark.parametrize("cut", range(1, len(PREFACE) + 3))
def test_a_preface_may_come_in_pieces(fake: FakeServer, cut: int) -> None:
    with opened(fake) as space, Wire(space.base_url) as wire:
        whole = PREFACE + SETTINGS + frame(1, 5, 1, b"\x82\x84\x86")
        wire.send(whole[:cut])
        assert wire.is_silent(0.002) or cut >= len(PREFACE)
        wire.send(whole[cut:])
        got = wire.read(9)
        assert got[3] == 4
        space.wait(answered(0), 5)


@pytest.mark.parametrize(
    "sent",
    [b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"PRI * HTTP/2.0\r\nhost: x\r\n\r\n", b"PRI / HTTP/2.0\r\n\r\n"],
)
def test_what_only_looks_like_a_preface_gets_400(fake: FakeServer, sent: bytes) -> None:
    with opened(fake) as space, Wire(space.base_url) as wire:
        wire.send(sent)
        got, ending = wire.read_to_end()
        assert got.startswith(b"HTTP/1.1 400 ")
        assert ending == "fin"


def test_a_preface_after_a_request_of_http_1_gets_400(fake: FakeServer) -> None:
    with opened(fake) as space, Wire(space.base_url) as wire:
        wire.send(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert wire.response().status == 200
        wire.send(PREFACE)
        assert wire.read_to_end()[0].startswith(b"HTTP/1.1 400 ")


def test_mutated_sessions_leave_the_server_alive() -> None:
    found = run(2000, 7, seconds=8.0, http2=True)
    assert found.problems == []
    assert found.inputs > 100
    assert {"goaway", "rst", "headers", "400"} <= set(found.statuses)
