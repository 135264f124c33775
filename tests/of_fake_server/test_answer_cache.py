"""Answers that stand: the way past the way must not show, neither on the wire nor in the books."""

import asyncio
import contextlib
import math
import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from raw_http import request

from tgi_conformance.contracts import script as scripts
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.script import (
    Body,
    Delivery,
    Limits,
    Reply,
    Response,
    Script,
    Server,
    TokenBucket,
    When,
)
from tgi_conformance.contracts.script.delivery import Hold
from tgi_conformance.contracts.tgi.metrics import Observed
from tgi_conformance.fake_server.control.api import wait_until
from tgi_conformance.fake_server.engine.answer_cache import LARGEST, MOST, AnswerCache, CachedAnswer
from tgi_conformance.fake_server.http1.connection import Connection
from tgi_conformance.fake_server.journal.builder import JournalBuilder
from tgi_conformance.fake_server.journal.conditions import Condition
from tgi_conformance.fake_server.service import connecting, serving
from tgi_conformance.fake_server.service.precise_timers import precise_event_loop
from tgi_conformance.fake_server.space.readiness import CAN_WATCH
from tgi_conformance.fake_server.space.space import Space
from tgi_conformance.fake_server.space.spaces import Spaces

pytestmark = pytest.mark.skipif(not CAN_WATCH, reason="transports read here, and nothing stands")

ASKED = request("/generate", {"inputs": "hello"})
STREAMED = request("/generate_stream", {"inputs": "hello"})
FIXED = Reply(response=Response(body=Body(json={"a": 1})), requests=(0, None))


class Clock:
    """A wall clock that stands still: no second ends within a test unless it says so."""

    def __init__(self) -> None:
        self.until = math.inf
        self.second = 1_700_000_000

    def read(self) -> tuple[int, str]:
        return self.second, f"second {self.second}"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(serving, "_CLOCK", clock)
    return clock


class Rows:
    """How many exchanges were booked as rows: answered by an answer that stood."""

    def __init__(self) -> None:
        self.count = 0


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    found = Rows()
    book = JournalBuilder.book_answered

    def counted(self: JournalBuilder, *args: object) -> None:
        found.count += 1
        book(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(JournalBuilder, "book_answered", counted)
    return found


class Peer:
    """A client on the server's own loop: what it sends has arrived when the server next looks."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)  # noqa: FBT003
        self._loop = asyncio.get_running_loop()
        self._kept = bytearray()

    async def ask(self, data: bytes = ASKED, *, dated: int = 1_700_000_000) -> bytes:
        """Send a request and read its answer, which bears the date of that second."""
        await self._loop.sock_sendall(self.socket, data)
        answer = await self.answer()
        assert b"date: second %d\r\n" % dated in answer
        return answer

    async def answer(self) -> bytes:
        while (size := _whole(self._kept)) is None:
            piece = await self._loop.sock_recv(self.socket, 1 << 20)
            if not piece:
                raise AssertionError(f"ended within an answer: {self._kept[:200]!r}")
            self._kept += piece
        answer = bytes(self._kept[:size])
        del self._kept[:size]
        return answer

    async def rest(self) -> bytes:
        """What still comes until the server closes or resets."""
        with contextlib.suppress(ConnectionError):
            while piece := await self._loop.sock_recv(self.socket, 1 << 20):
                self._kept += piece
        return bytes(self._kept)

    def close(self) -> None:
        self.socket.close()


def _whole(data: bytearray) -> int | None:
    """The size of the first answer in the data, once it is whole."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    length = re.search(rb"content-length: (\d+)", data[:end])
    if length is not None:
        size = end + int(length[1])
        return size if len(data) >= size else None
    if b"chunked" not in data[:end]:
        return end
    last = data.find(b"\r\n0\r\n\r\n")
    return last + 7 if last >= 0 else None


@contextlib.asynccontextmanager
async def playing(
    *replies: Reply, **fields: object
) -> AsyncIterator[tuple[Spaces, Space, Callable[..., Peer]]]:
    limit = fields.pop("max_exchanges", 1000)
    peers: list[Peer] = []
    spaces = Spaces(connecting.connect, "127.0.0.1", max_body=1 << 20, max_exchanges=limit)  # type: ignore[arg-type]
    try:
        space = await spaces.open(Script(replies=replies, **fields), {"A": "hf_a"})  # type: ignore[arg-type]

        def dial(**settings: int) -> Peer:
            peers.append(Peer(space.ports["a"], **settings))
            return peers[-1]

        yield spaces, space, dial
    finally:
        for peer in peers:
            peer.close()
        spaces.retire_all()
        await asyncio.sleep(0)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    with asyncio.Runner(loop_factory=precise_event_loop) as runner:
        runner.run(bounded())


def journal_of(space: Space) -> Journal:
    return space.journal.frozen(space.replies.uses())


def timeless(exchange: Exchange) -> Exchange:
    """An exchange without what differs from one to the next."""
    assert exchange.reply_at is not None
    assert exchange.replied_at is not None
    assert exchange.first_byte_at <= exchange.received_at <= exchange.reply_at <= exchange.replied_at
    times = dict.fromkeys(("first_byte_at", "received_at", "reply_at", "replied_at"), 0.0)
    return replace(exchange, id=0, connection=0, **times)


KINDS = {
    "fixed JSON": (FIXED, ASKED),
    "nothing": (Reply(response=Response(status=204), requests=(0, None)), ASKED),
    "an error": (replace(scripts.overloaded(("retry-after", "1")), requests=(0, None)), ASKED),
    "TGI's answer": (replace(scripts.answer("some words"), requests=(0, None)), ASKED),
    "TGI's stream": (replace(scripts.answer("some words"), requests=(0, None)), STREAMED),
    "events": (replace(scripts.stream(scripts.data(1), scripts.done()), requests=(0, None)), ASKED),
    "many writes": (replace(FIXED, delivery=Delivery(splits=(1, 2, 3))), ASKED),
    "an error of TGI": (replace(scripts.failing("broken"), requests=(0, None)), ASKED),
}


@pytest.mark.parametrize("kind", KINDS)
def test_repeats_get_the_same_bytes_and_the_same_books(kind: str, rows: Rows) -> None:
    reply, asked = KINDS[kind]

    async def test() -> None:
        async with playing(reply) as (_, space, dial):
            ordinary = []
            for _ in range(2):
                fresh = dial()
                ordinary.append(await fresh.ask(asked))
                fresh.close()
            assert rows.count == 0
            peer = dial()
            repeated = [await peer.ask(asked) for _ in range(12)]
            peer.close()
            assert rows.count == 12
            assert {*ordinary, *repeated} == {ordinary[0]}
            journal = journal_of(space)
        assert [each.id for each in journal.exchanges] == list(range(14))
        assert len({timeless(each) for each in journal.exchanges}) == 1
        assert journal.replies[0].requests == 14
        assert [each.requests for each in journal.connections] == [1, 1, 12]

    run(test)


def test_where_transports_read_the_wire_and_the_books_are_the_same(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(answers: list[bytes], booked: list[Exchange]) -> None:
        async with playing(*(reply for reply, _ in KINDS.values())) as (_, space, dial):
            peer = dial()
            answers += [await peer.ask(asked) for asked in (ASKED, STREAMED) for _ in range(4)]
            booked += map(timeless, journal_of(space).exchanges)

    found: list[tuple[list[bytes], list[Exchange]]] = [([], []), ([], [])]
    run(lambda: test(*found[0]))
    assert rows.count
    monkeypatch.setattr("tgi_conformance.fake_server.space.spaces.readiness_here", lambda: None)
    before = rows.count
    run(lambda: test(*found[1]))
    assert rows.count == before
    assert found[0] == found[1]


@pytest.mark.parametrize("number", [MOST - 1, 3 * MOST])
def test_so_many_answers_stand_and_no_more(number: int) -> None:
    cache = AnswerCache()
    assert not cache.is_worth(b"x" * (LARGEST + 1))
    assert not cache.is_worth(b"x" * (LARGEST + 1))
    for each in range(number):
        assert not cache.is_worth(b"%d" % each)
        assert len(cache._asked) <= MOST + 1
    assert cache.is_worth(b"%d" % (number - 1))


def test_bodies_of_one_length_are_kept_each_and_echoed_each(rows: Rows) -> None:
    fixed = replace(FIXED, when=When(path="/"))

    async def test() -> None:
        async with playing(fixed) as (_, space, dial):
            peer = dial()
            for number in range(10, 20):
                assert b'"a":1' in await peer.ask(request("/", {"inputs": f"n{number}"}))
            assert rows.count == 8
            for number in range(10, 20):
                assert b"n%d" % number in await peer.ask(request("/generate", {"inputs": f"n{number}"}))
            bodies = [each.body for each in journal_of(space).exchanges]
        assert bodies == [b'{"inputs": "n%d"}' % number for number in [*range(10, 20)] * 2]

    run(test)


@pytest.mark.parametrize("cut", [1, 30, len(ASKED) - 18, len(ASKED) - 17, len(ASKED) - 1])
def test_a_repeat_in_two_reads_is_answered_once(cut: int) -> None:
    async def test() -> None:
        async with playing(FIXED) as (_, space, dial):
            peer = dial()
            first = await peer.ask()
            for _ in range(3):
                await peer.ask()
            peer.socket.send(ASKED[:cut])
            await asyncio.sleep(0.01)
            assert len(journal_of(space).exchanges) == 4
            assert await peer.ask(ASKED[cut:]) == first
            assert await peer.ask() == first
            assert [each.body for each in journal_of(space).exchanges] == [b'{"inputs": "hello"}'] * 6

    run(test)


def test_pipelined_repeats_are_answered_in_order() -> None:
    async def test() -> None:
        async with playing(replace(scripts.echo(), requests=(0, None))) as (_, space, dial):
            peer = dial()
            for _ in range(4):
                await peer.ask()
            several = [request("/generate", {"inputs": f"no {number}"}) for number in range(5)]
            peer.socket.send(ASKED + b"".join(several))
            assert b"hello" in await peer.answer()
            for number in range(5):
                assert b"no %d" % number in await peer.answer()
            assert len(journal_of(space).exchanges) == 10

    run(test)


def test_another_head_or_body_is_another_request() -> None:
    replies = (
        replace(FIXED, when=When(contains="special")),
        replace(FIXED, when=When(key="A"), response=Response(body=Body(text="for A"))),
        replace(FIXED, response=Response(body=Body(text="for all"))),
    )

    async def test() -> None:
        async with playing(*replies) as (_, _space, dial):
            peer = dial()
            for _ in range(4):
                assert (await peer.ask()).endswith(b"for all")
                assert b'{"a":1}' in await peer.ask(request("/generate", {"inputs": "special"}))
                keyed = request("/generate", headers={"authorization": "Bearer hf_a"})
                assert (await peer.ask(keyed)).endswith(b"for A")
            for word in ("ordinary", "ordinari", "specials", "ordinary"):
                ending = b'{"a":1}' if word == "specials" else b"for all"
                assert (await peer.ask(request("/generate", {"inputs": word}))).endswith(ending)

    run(test)


def test_a_reply_that_is_used_up_stands_no_more() -> None:
    async def test() -> None:
        async with playing(replace(FIXED, requests=(0, 5)), scripts.always(scripts.answer("then"))) as opened:
            _, space, dial = opened
            peer = dial()
            answers = [await peer.ask() for _ in range(9)]
            assert [b'"a":1' in each for each in answers] == [True] * 5 + [False] * 4
            assert [each.requests for each in journal_of(space).replies] == [5, 4]

    run(test)


def test_replies_that_are_added_serve_at_once(rows: Rows) -> None:
    async def test() -> None:
        async with playing(otherwise=FIXED) as (_, space, dial):
            peer = dial()
            for _ in range(6):
                assert b'"a":1' in await peer.ask()
            assert rows.count == 4
            space.play((scripts.status(503),))
            assert (await peer.ask()).startswith(b"HTTP/1.1 503")
            assert b'"a":1' in await peer.ask()
            replies = [each.reply for each in journal_of(space).exchanges]
        assert replies == [*[None] * 6, "0", None]

    run(test)


def test_after_the_end_of_the_space_repeats_are_late() -> None:
    async def test() -> None:
        async with playing(FIXED) as (spaces, space, dial):
            peer = dial()
            for _ in range(5):
                await peer.ask()
            spaces.close(space)
            for _ in range(3):
                assert (await peer.ask()).startswith(b"HTTP/1.1 410")
            exchanges = journal_of(space).exchanges
        assert [each.late for each in exchanges] == [False] * 5 + [True] * 3
        assert [each.reply for each in exchanges] == ["0"] * 5 + [None] * 3

    run(test)


def test_an_answer_stands_no_longer_than_its_second(rows: Rows, clock: Clock) -> None:
    async def test() -> None:
        async with playing(FIXED) as (_, _space, dial):
            peer = dial()
            clock.until = time.monotonic() + 0.05
            for _ in range(4):
                await peer.ask(dated=clock.second)
            assert rows.count <= 2
            await asyncio.sleep(max(clock.until - time.monotonic(), 0))
            clock.second, clock.until = clock.second + 1, math.inf
            for _ in range(4):
                await peer.ask(dated=clock.second)

    run(test)


def test_the_clock_knows_when_its_second_ends() -> None:
    clock = serving.WallClock()
    before = time.monotonic()
    clock.read()
    assert before < clock.until <= time.monotonic() + 1


def test_permits_that_others_hold_are_seen(rows: Rows) -> None:
    holding = Reply(
        tgi=scripts.Generation(text="held"),
        when=When(path="/generate_stream"),
        delivery=Delivery(holds=(Hold(gate="g", event=0),)),
    )
    script = {"server": Server(max_concurrent_requests=1), "otherwise": scripts.answer("free")}

    async def test() -> None:
        async with playing(holding, **script) as (_, space, dial):
            peer, other = dial(), dial()
            for _ in range(6):
                assert b"free" in await peer.ask()
            assert rows.count == 4
            other.socket.send(STREAMED)
            await wait_until(space, Condition(kind="open_requests", count=1), 5)
            for _ in range(4):
                assert (await peer.ask()).startswith(b"HTTP/1.1 429")
            space.gate("g").release(None)
            await other.answer()
            for _ in range(4):
                assert b"free" in await peer.ask()

    run(test)


def test_limits_are_asked_each_time(rows: Rows) -> None:
    limits = Limits(bucket=TokenBucket(capacity=4, per_second=0.001))

    async def test() -> None:
        async with playing(FIXED, limits=limits) as (_, _space, dial):
            peer = dial()
            answers = [await peer.ask() for _ in range(7)]
        assert [each[9:12] for each in answers] == [b"200"] * 4 + [b"429"] * 3
        assert rows.count == 0

    run(test)


def test_whoever_is_told_of_each_exchange_is_told_of_each(rows: Rows) -> None:
    async def test() -> None:
        async with playing(FIXED) as (_, space, dial):
            told: list[int] = []
            space.observe = lambda _, record: told.append(record.id)
            peer = dial()
            for _ in range(6):
                await peer.ask()
        assert told == list(range(6))
        assert rows.count == 0

    run(test)


def test_whoever_waits_is_woken_by_a_repeat(rows: Rows) -> None:
    async def test() -> None:
        async with playing(FIXED) as (_, space, dial):
            peer = dial()
            for _ in range(5):
                await peer.ask()
            before = rows.count
            waiting = asyncio.ensure_future(wait_until(space, Condition(kind="answered", count=6), 5))
            await asyncio.sleep(0)
            await peer.ask()
            assert await waiting
            assert rows.count == before

    run(test)


def test_metrics_count_repeats(rows: Rows) -> None:
    async def test() -> None:
        async with playing(otherwise=scripts.answer("some words")) as (_, space, dial):
            peer = dial()
            for _ in range(10):
                await peer.ask()
            text = space.metrics.text()
        assert rows.count == 8
        assert re.search(r"^tgi_request_count\S* 10$", text, re.MULTILINE)
        assert re.search(r"^tgi_request_success\S* 10$", text, re.MULTILINE)

    run(test)


def test_a_request_id_is_new_each_time() -> None:
    async def test() -> None:
        async with playing(persona="hosted-router", otherwise=FIXED) as (_, _space, dial):
            peer = dial()
            answers = [await peer.ask() for _ in range(6)]
        assert len(set(answers)) == 6

    run(test)


def test_a_close_before_a_repeat_is_booked_before_it() -> None:
    async def test() -> None:
        async with playing(FIXED) as (_, space, dial):
            peer = dial()
            for _ in range(4):
                await peer.ask()
            for _ in range(5):
                other = dial()
                await other.ask()
                other.close()
                await peer.ask()
            journal = journal_of(space)
        closed = [each.closed_at for each in journal.connections[1:]]
        repeats = [each.received_at for each in journal.exchanges if each.connection == 0][4:]
        assert all(at is not None and at <= later for at, later in zip(closed, repeats, strict=True))
        assert {each.closed_by for each in journal.connections[1:]} == {"client-fin"}

    run(test)


def test_who_shuts_the_write_side_behind_a_repeat_gets_no_answer() -> None:
    async def test() -> None:
        async with playing(FIXED) as (_, space, dial):
            peer = dial()
            for _ in range(4):
                await peer.ask()
            peer.socket.send(ASKED)
            peer.socket.shutdown(socket.SHUT_WR)
            assert await peer.rest() == b""
            *_, last = journal_of(space).exchanges
        assert (last.ending, last.sent_bytes, last.reply_at) == ("client", 0, None)
        assert last.gone_at is not None

    run(test)


def test_who_resets_behind_a_repeat_is_booked_so() -> None:
    async def test() -> None:
        async with playing(FIXED) as (_, space, dial):
            peer = dial()
            for _ in range(4):
                await peer.ask()
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.socket.send(ASKED)
            peer.close()
            await wait_until(space, Condition(kind="connections_closed"), 5)
            journal = journal_of(space)
        assert journal.connections[0].closed_by == "client-rst"
        assert {each.ending for each in journal.exchanges[:4]} == {"complete"}
        assert {each.ending for each in journal.exchanges[4:]} <= {"client"}

    run(test)


def test_draining_closes_an_idle_connection_whose_answer_stands() -> None:
    async def test() -> None:
        async with playing(FIXED) as (spaces, space, dial):
            peer = dial()
            for _ in range(5):
                await peer.ask()
            spaces.drain()
            peer.socket.send(ASKED)
            assert await peer.rest() == b""
            journal = journal_of(space)
        assert len(journal.exchanges) == 5
        assert journal.connections[0].closed_by == "server"

    run(test)


@pytest.mark.parametrize("writes", [1, 40])
def test_a_repeat_that_the_kernel_takes_in_parts_goes_on_the_ordinary_way(
    writes: int, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried: list[int] = []
    carry_on = Connection._carry_on

    def noted(
        self: Connection, cached: CachedAnswer, data: bytes, times: object, done: int, taken: int
    ) -> None:
        carried.append(done)
        carry_on(self, cached, data, times, done, taken)  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "_carry_on", noted)
    size = 6_000_000
    text = "".join(chr(97 + number % 26) for number in range(size))
    cuts = tuple(range(size // writes, size, size // writes))
    reply = Reply(
        response=Response(body=Body(text=text)), requests=(0, None), delivery=Delivery(splits=cuts or "whole")
    )

    async def test() -> None:
        async with playing(reply) as (_, space, dial):
            peer = dial(receive_buffer=65536)
            for number in range(4):
                peer.socket.send(ASKED)
                while len(space.journal.exchanges) <= number:  # whoever waits makes it go the ordinary way
                    await asyncio.sleep(0)
                # Whatever the kernel has taken: it is not all, and the books say how much.
                running = journal_of(space).exchanges[number]
                assert (running.ending, 0 < running.sent_bytes < size) == ("open", True)
                assert running.reply == "0"
                answer = await peer.answer()
                assert answer.endswith(text.encode())
            await wait_until(space, Condition(kind="answered", count=4), 5)
            journal = journal_of(space)
        assert rows.count == 0
        assert len({timeless(each) for each in journal.exchanges}) == 1
        assert journal.exchanges[3].sent_bytes > size
        assert len(carried) == 2
        assert all(0 <= done < writes for done in carried)
        assert journal.replies[0].requests == 4

    run(test)


def test_notes_beyond_the_journals_bound_are_the_ordinary_ones(rows: Rows) -> None:
    async def test() -> None:
        async with playing(FIXED, max_exchanges=6) as (_, space, dial):
            peer = dial()
            for _ in range(12):
                await peer.ask()
            journal = journal_of(space)
        assert rows.count == 10
        assert [each.id for each in journal.exchanges] == list(range(6))
        assert [note for note in journal.notes if "more than 6 exchanges" in note] == list(journal.notes)
        assert len(journal.notes) == 1
        assert journal.connections[0].requests == 12
        assert journal.replies[0].requests == 12

    run(test)


def test_a_journal_that_is_full_of_bytes_keeps_no_more_bodies_of_repeats() -> None:
    async def test() -> None:
        async with playing(FIXED) as (_, space, dial):
            size = len(b'{"inputs": "hello"}')
            space.journal._bytes_left = 7 * size
            peer = dial()
            for _ in range(9):
                await peer.ask()
            journal = journal_of(space)
        assert [len(each.body) for each in journal.exchanges] == [size] * 7 + [0] * 2
        assert len(journal.notes) == 2

    run(test)


@pytest.mark.parametrize("times", [1, 3])
def test_observations_taken_together_fall_where_each_alone_would(times: int) -> None:
    values = [0.0, 0.0001, 0.00015, 0.5, 0.00015, 1e9, 0.2]
    together, alone = (Observed((0.0001, 0.00015, 0.5), [0] * 4) for _ in range(2))
    together.add_all(values, times)
    for value in values:
        alone.add(value, times)
    assert (together.counts, together.count) == (alone.counts, alone.count)
    assert together.total == pytest.approx(alone.total)
