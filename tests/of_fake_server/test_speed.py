"""What makes the fake server fast must not show: the same answers, the same books."""

import http.client
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from tgi_conformance.contracts.schema import registry as schema_registry
from tgi_conformance.contracts.script import (
    Body,
    Chaos,
    Delivery,
    Limits,
    Reply,
    Response,
    Script,
    TokenBucket,
)
from tgi_conformance.contracts.script.delivery import Hold, Pause
from tgi_conformance.fake_server.client import FakeServer, answered
from tgi_conformance.fake_server.engine.outcomes import Played
from tgi_conformance.fake_server.engine.plan_cache import MOST_PLANS, PlanCache
from tgi_conformance.fake_server.engine.plans import Plan
from tgi_conformance.fake_server.http.parsing import RequestReader
from tgi_conformance.fake_server.journal.builder import JournalBuilder
from tgi_conformance.fake_server.service.workers import why_not

HEAD = b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
REPLY = Reply(response=Response())


def played() -> Played:
    return Played(Plan(()))


def test_an_equal_question_in_the_same_second_is_decided_once() -> None:
    cache = PlanCache()
    first = cache.played(REPLY, ("q",), 1, played)
    assert cache.played(REPLY, ("q",), 1, played) is first
    assert cache.played(REPLY, ("other",), 1, played) is not first
    assert cache.played(Reply(response=Response()), ("q",), 1, played) is not first


def test_a_new_second_forgets_every_plan() -> None:
    cache = PlanCache()
    first = cache.played(REPLY, ("q",), 1, played)
    assert cache.played(REPLY, ("q",), 2, played) is not first


def test_a_second_keeps_a_bounded_number_of_plans() -> None:
    cache = PlanCache()
    for number in range(MOST_PLANS + 1):
        cache.played(REPLY, (number,), 1, played)
    first, late = cache.played(REPLY, (0,), 1, played), cache.played(REPLY, (MOST_PLANS,), 1, played)
    assert cache.played(REPLY, (0,), 1, played) is first
    assert cache.played(REPLY, (MOST_PLANS,), 1, played) is not late


@pytest.mark.parametrize("extra", [b"", b"expect: 100-continue\r\n", b"x: y\r\n"])
def test_a_repeated_head_is_read_like_the_first(extra: bytes) -> None:
    head = HEAD[:-2] + extra + b"\r\n"
    reader = RequestReader(max_body=100)
    (first,) = reader.feed(head + b"{}", 1.0)
    (second,) = reader.feed(head + b"[]", 2.0)
    fresh = RequestReader(max_body=100)
    assert fresh.feed(head + b"[]", 2.0) == [second]
    assert (first.body, second.body) == (b"{}", b"[]")


@pytest.mark.parametrize("size", range(1, len(HEAD) + 2))
def test_a_repeated_head_in_pieces_is_read_like_the_first(size: int) -> None:
    reader = RequestReader(max_body=100)
    reader.feed(HEAD + b"{}", 1.0)
    data = HEAD + b"[]"
    assert reader.feed(data[:size], 2.0) == []
    (second,) = reader.feed(data[size:], 3.0)
    assert (second.head, second.body, second.first_byte_at, second.received_at) == (HEAD, b"[]", 2.0, 3.0)


def test_pipelined_repeats_are_all_read() -> None:
    reader = RequestReader(max_body=100)
    reader.feed(HEAD + b"{}", 1.0)
    assert [each.body for each in reader.feed((HEAD + b"[]") * 3, 2.0)] == [b"[]"] * 3


def test_a_journal_keeps_what_it_was_told_to_and_says_so() -> None:
    journal = JournalBuilder(lambda: 0.0, max_exchanges=2)
    connection = journal.open_connection("a", 0.0)
    reader = RequestReader(max_body=100)
    booked = [
        journal.book(request, connection, key="none", late=False)
        for request in reader.feed((HEAD + b"{}") * 4, 0.0)
    ]
    frozen = journal.frozen(())
    assert [record.id for record in booked] == [0, 1, 2, 3]
    assert [exchange.id for exchange in frozen.exchanges] == [0, 1]
    assert len(frozen.notes) == 1
    assert "more than 2 exchanges" in frozen.notes[0]


@pytest.mark.parametrize("name", schema_registry.names())
def test_every_shipped_schema_is_a_schema(name: str) -> None:
    schema_registry.build_validator(schema_registry.schema(name))


@pytest.mark.parametrize(
    ("script", "pointer"),
    [
        (Script(replies=(Reply(response=Response()),)), "/replies/0/requests"),
        (
            Script(
                replies=(
                    Reply(
                        response=Response(),
                        requests=(0, None),
                        delivery=Delivery(holds=(Hold(gate="g", before="head"),)),
                    ),
                )
            ),
            "/replies/0/delivery/holds",
        ),
        (Script(limits=Limits(bucket=TokenBucket(capacity=1, per_second=1.0))), "/limits"),
        (Script(chaos=Chaos(fates=())), "/chaos"),
        (Script(origins=("a", "b")), "/origins"),
        (Script(tls=("a",)), "/tls"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_workers_refuse_a_script_that_needs_one_memory(script: Script, pointer: str) -> None:
    assert [reason.partition(":")[0] for reason in why_not(script)] == [pointer]


def test_a_stateless_script_may_load_in_workers() -> None:
    assert not list(why_not(Script(replies=(Reply(response=Response(), requests=(0, None)),))))


def started(tmp_path: Path, reply: dict[str, object], *options: str) -> "subprocess.Popen[bytes]":
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"replies": [reply]}), encoding="utf-8")
    command = [sys.executable, "-m", "tgi_conformance.fake_server", "--script", str(script), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux deals connections out to workers")
def test_workers_share_one_port_and_end_together(tmp_path: Path) -> None:
    process = started(
        tmp_path, {"response": {"body": {"text": "hello"}}, "requests": [0, None]}, "--workers", "2"
    )
    with process:
        assert process.stdout is not None
        ready = cast("dict[str, object]", json.loads(process.stdout.readline()))
        assert ready["workers"] == 2
        assert "control" not in ready
        port = int(str(ready["base_url"]).rpartition(":")[2])
        for _ in range(8):
            with socket.create_connection(("127.0.0.1", port), 5) as client:
                client.sendall(HEAD + b"{}")
                assert client.recv(65536).endswith(b"hello")
        process.terminate()
        assert process.wait(timeout=10) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux deals connections out to workers")
def test_workers_say_what_they_cannot_serve(tmp_path: Path) -> None:
    with started(tmp_path, {"response": {}}, "--workers", "2") as process:
        _, error = process.communicate(timeout=20)
        assert process.returncode == 2
        assert b"/replies/0/requests" in error


def test_a_delay_is_not_shortened_by_the_answer_before() -> None:
    delivery = Delivery(delay_ms=60)
    reply = Reply(response=Response(body=Body(text="hello")), requests=(0, None), delivery=delivery)
    with FakeServer.start() as fake, fake.space(Script(replies=(reply,))) as space:
        connection = http.client.HTTPConnection("127.0.0.1", space.port())
        for _ in range(3):
            connection.request("POST", "/generate", b"{}")
            connection.getresponse().read()
        connection.close()
        waits = [(each.reply_at or 0.0) - each.received_at for each in space.journal()]
    assert len(waits) == 3
    assert min(waits) >= 0.06


def test_a_pause_after_a_hold_begins_when_the_hold_ends() -> None:
    delivery = Delivery(holds=(Hold(gate="g", byte=1),), pauses=(Pause(before=3, ms=60),))
    reply = Reply(response=Response(body=Body(text="hello")), requests=(0, None), delivery=delivery)
    with FakeServer.start() as fake, fake.space(Script(replies=(reply,))) as space:
        connection = http.client.HTTPConnection("127.0.0.1", space.port())
        connection.request("POST", "/generate", b"{}")
        response = connection.getresponse()
        assert response.read(1) == b"h"
        space.release("g")
        released = space.journal().now
        response.read()
        connection.close()
        (exchange,) = space.wait(answered(1), 5)
    assert (exchange.replied_at or 0.0) - released >= 0.05
