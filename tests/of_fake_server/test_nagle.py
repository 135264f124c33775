"""Nagle's algorithm left on, as TGI leaves it: who waits for whom on a fresh and on a reused connection.

The recording counts what the client's reads gave. A busy machine joins reads, so here the client's kernel is
asked how many segments with data came, which no scheduling changes.
"""

import socket
import struct
import sys
from collections.abc import Iterator
from typing import Final

import pytest
from raw_http import Wire, request
from recorded import Recording, load_recordings

from tgi_conformance.contracts.script import Generation, Reply, Script
from tgi_conformance.fake_server.client import FakeServer, Space

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_QUICKACK and TCP_INFO are Linux's")

TOY: Final = Reply(tgi=Generation(toy=True))
ASKED: Final = request(
    "/generate_stream", {"inputs": "What is Deep Learning?", "parameters": {"max_new_tokens": 8}}
)
EVENTS: Final = 8
#: Where Linux's struct tcp_info has tcpi_data_segs_in, and its size up to there.
DATA_SEGS_IN: Final = struct.Struct("=152xI")
#: A reused connection is tried again where the server was kept from the processor for longer than the
#: client's kernel delays its ACK: the events then come in more segments than one.
TRIES: Final = 5


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


@pytest.fixture(scope="module")
def recording() -> Recording:
    return next(one for one in load_recordings() if one.case == "timing-nagle-reused-connection")


def segments(wire: Wire, *, quick: bool = False) -> int:
    """How many segments one streamed answer came in."""
    before = data_segments(wire)
    wire.send(ASKED)
    body = b""
    while not body.endswith(b"0\r\n\r\n"):
        if quick:
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        body += wire.socket.recv(65_536)
    assert body.count(b"data:") == EVENTS
    return data_segments(wire) - before


def data_segments(wire: Wire) -> int:
    known = wire.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)
    if len(known) < DATA_SEGS_IN.size:
        pytest.skip("this kernel does not count the segments of a connection")
    (count,) = DATA_SEGS_IN.unpack_from(known)
    return int(count)


def opened(fake: FakeServer, *, nagle: bool) -> Space:
    return fake.space(Script(nagle=nagle, otherwise=TOY))


def recorded_reads(recording: Recording, case: str) -> int:
    return int(recording.facts[case]["recv_calls"])  # type: ignore[index,call-overload,arg-type]


def test_on_a_fresh_connection_the_events_come_one_by_one(fake: FakeServer, recording: Recording) -> None:
    counted = []
    for _ in range(TRIES):  # on a busy machine an acknowledgement may be late once in a while
        with opened(fake, nagle=True) as space, Wire(space.base_url) as wire:
            counted.append(segments(wire))
    assert max(counted) >= recorded_reads(recording, "a_fresh") == EVENTS + 1


def test_on_a_reused_connection_they_wait_and_come_in_one_segment(
    fake: FakeServer, recording: Recording
) -> None:
    with opened(fake, nagle=True) as space, Wire(space.base_url) as wire:
        segments(wire)
        later = [segments(wire) for _ in range(TRIES)]
        assert min(later) == recorded_reads(recording, "b_reused") == 2


def test_a_client_that_acknowledges_at_once_gets_them_one_by_one(
    fake: FakeServer, recording: Recording
) -> None:
    counted = []
    for _ in range(TRIES):
        with opened(fake, nagle=True) as space, Wire(space.base_url) as wire:
            segments(wire)
            counted.append(segments(wire, quick=True))
    assert max(counted) >= recorded_reads(recording, "c_reused_quickack") == EVENTS + 1


def test_without_nagle_a_reused_connection_is_no_different(fake: FakeServer) -> None:
    with opened(fake, nagle=False) as space, Wire(space.base_url) as wire:
        segments(wire)
        assert min(segments(wire) for _ in range(TRIES)) >= EVENTS + 1
