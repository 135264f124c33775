"""Bytes that mean harm: never a crash, never a hang, never a word of the server on standard error."""

import contextlib
import http.client
import json
import socket
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import fuzz_json
import pytest
from fuzz_http_edge import hostile_inputs, run
from hypothesis import given, settings
from hypothesis import strategies as st
from json_attacks import VALID, attacks
from raw_http import Wire, ask, request

from tgi_conformance.contracts.script import Script, Server, always, answer
from tgi_conformance.contracts.tgi.answers.generated import split_tokens
from tgi_conformance.fake_server.client import FakeServer, FakeServerError, Space, open_requests
from tgi_conformance.fake_server.http.parsing import MAX_HEAD, MAX_TRAILERS, ParseError, RequestReader


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


@pytest.fixture
def space(fake: FakeServer) -> Iterator[Space]:
    with fake.space(Script(replies=(always(answer("alive"), at_least=0),))) as opened:
        yield opened


def is_alive(space: Space) -> bool:
    return b"alive" in ask(space.base_url).body


# --- fuzzing ------------------------------------------------------------------------------------------


def test_hostile_inputs_bring_neither_crash_nor_hang_nor_500() -> None:
    found = run(800, seed=5, seconds=20)
    assert found.problems == []
    assert found.inputs > 50
    assert {"400", "401", "200"} <= set(found.statuses)


def test_a_run_of_the_fuzzer_can_be_repeated() -> None:
    first, again = hostile_inputs(9), hostile_inputs(9)
    assert [next(first) for _ in range(40)] == [next(again) for _ in range(40)]


def test_hostile_json_is_answered_as_tgi_answers() -> None:
    found = fuzz_json.run(900, seed=8, seconds=20, large_one_in=300)
    assert found.problems == []
    assert found.inputs > 100
    assert {200, 400, 415, 422} <= set(found.statuses)


def test_hostile_json_is_the_same_for_the_same_seed_and_of_every_kind_and_route() -> None:
    first, again = attacks(4, large_one_in=0), attacks(4, large_one_in=0)
    seen = [next(first) for _ in range(400)]
    assert seen == [next(again) for _ in range(400)]
    assert {attack.path for attack in seen} == set(VALID)
    assert len({attack.kind for attack in seen}) == 10


FRAGMENTS = (
    *(b"GET / HTTP/1.1", b"POST /generate HTTP/1.0", b"FROB x HTTP/1.1", b"\r\n", b"\n", b"\r", b" ", b":"),
    *(b"content-length: 3", b"transfer-encoding: chunked", b"expect: 100-continue", b"abc", b"3\r\nabc\r\n"),
    *(b"0", b"\x00"),
)
fragments = st.sampled_from(FRAGMENTS)
streams = st.lists(st.one_of(fragments, st.binary(max_size=6)), max_size=25).map(b"".join)


def outcome(pieces: list[bytes]) -> tuple[list[tuple[str, str, bytes]], int | None]:
    reader = RequestReader(max_body=1000)
    requests = []
    try:
        for piece in pieces:
            requests += [(r.method, r.target, r.body) for r in reader.feed(piece, 0.0)]
    except ParseError as error:
        return requests, error.status
    return requests, None


@settings(max_examples=300, deadline=None)
@given(streams, st.lists(st.integers(0, 200), max_size=6).map(sorted))
def test_any_bytes_in_any_pieces_are_requests_or_refused_alike(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    whole, status = outcome([stream])
    split, split_status = outcome(pieces)
    assert split_status == status
    # A refusal takes what came in the same piece with it.
    assert whole == split if status is None else whole == split[: len(whole)]


def test_a_method_that_no_parser_knows_ends_in_an_answer() -> None:
    head = b"get / HTTP/1.1\r\rGET / HTTP/1.1\r\n\r\n"
    with contextlib.suppress(ParseError):
        RequestReader(max_body=10).feed(head, 0.0)


# --- exhaustion ---------------------------------------------------------------------------------------


def test_slow_heads_on_many_connections_leave_others_served(space: Space) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(Wire(space.base_url)) for _ in range(300)]
        for byte in b"POST /generate HT":
            for wire in slow[:50]:
                wire.send(bytes([byte]))
        for wire in slow[50:]:
            wire.send(request(body={"inputs": "x"})[:-1])
        assert is_alive(space)
        slow[-1].send(b"}")
        assert slow[-1].response().status == 200


def test_a_head_that_comes_byte_by_byte_is_searched_once() -> None:
    reader = RequestReader(max_body=10)
    reader.feed(b"GET / HTTP/1.1\r\nx: ", 0.0)
    for _ in range(20_000):
        reader.feed(b"y", 0.0)
        assert reader._searched == len(reader.raw)
    (got,) = reader.feed(b"\r\n\r\nGET /", 0.0)
    assert len(got.headers[0][1]) == 20_000
    (following,) = reader.feed(b"info HTTP/1.1\r\n\r\n", 0.0)
    assert following.target == "/info"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % number for number in range(200)) + b"\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * MAX_HEAD + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * (MAX_HEAD // 6),
    ],
    ids=["many", "long", "endless"],
)
def test_header_bombs_are_431(space: Space, head: bytes) -> None:
    with Wire(space.base_url) as wire:
        with contextlib.suppress(ConnectionError):
            wire.send(head)
        assert wire.read_to_end()[0][:13] in {b"HTTP/1.1 431 ", b""}
    assert "header" in "".join(space.journal().notes) or "head of more" in "".join(space.journal().notes)
    assert is_alive(space)


def test_endless_trailers_are_refused() -> None:
    reader = RequestReader(max_body=10)
    reader.feed(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", 0.0)
    with pytest.raises(ParseError, match="trailers"):
        reader.feed(b"t: x\r\n" * MAX_TRAILERS, 0.0)
    reader = RequestReader(max_body=10)
    reader.feed(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", 0.0)
    with pytest.raises(ParseError, match="trailers"):
        reader.feed(b"t" * (MAX_TRAILERS + 1), 0.0)


def test_bodies_behind_a_running_answer_are_not_read_without_bound(fake: FakeServer) -> None:
    space = fake.space(
        Script(
            replies=(answer("first").held("g"), always(answer("later"))),
            server=Server(
                payload_limit=50_000_000, max_input_tokens=100_000_000, max_total_tokens=200_000_000
            ),
        )
    )
    body = json.dumps({"inputs": "x" * 12_000_000}).encode()
    sent = threading.Event()
    with Wire(space.base_url) as wire:
        wire.socket.settimeout(20)
        wire.send(request())
        space.wait(open_requests(1), 5)
        everything = b"".join(request(body=body) for _ in range(4))
        thread = threading.Thread(target=lambda: (wire.send(everything), sent.set()))
        thread.start()
        assert not sent.wait(0.3)
        space.release("g")
        assert [b"later" in wire.response().body for _ in range(5)] == [False, True, True, True, True]
        thread.join()


def test_an_echo_of_megabytes_is_the_whole_prompt_in_a_bounded_number_of_tokens() -> None:
    text = "x " * 900_000
    pieces = split_tokens(text)
    assert "".join(pieces) == text
    assert len(pieces) < 20_000


BROKEN_TEXTS = (b'{"inputs":"\xff\xfe"}', b"\xff" * 500, b"\xed\xa0\x80", b'{"inputs":"\\ud800"}', b"0\xbe")


@pytest.mark.parametrize("body", BROKEN_TEXTS)
def test_invalid_utf_8_is_answered(space: Space, body: bytes) -> None:
    headers = {"authorization": "Bearer \xfc\xff", "x": "\xff"}
    lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers.items())
    head = b"POST /generate?\xff HTTP/1.1\r\ncontent-type: application/json\r\n"
    with Wire(space.base_url) as wire:
        wire.send(head + lines + b"content-length: %d\r\n\r\n" % len(body) + body)
        got = wire.read_until(b"\r\n")
    assert got.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4"))
    assert is_alive(space)


def test_hundreds_of_pipelined_requests_are_all_answered(space: Space) -> None:
    with Wire(space.base_url) as wire:
        wire.send(request() * 900)
        assert all(b"alive" in wire.response().body for _ in range(900))


def test_more_pipelined_requests_than_anyone_needs_end_the_connection(space: Space) -> None:
    with Wire(space.base_url) as wire:
        with contextlib.suppress(ConnectionError):
            wire.send(request("/health", method="GET") * 20_000)
        with contextlib.suppress(ConnectionError):
            wire.read_to_end()
    assert is_alive(space)


def test_a_body_without_end_is_refused_by_its_length(space: Space) -> None:
    with Wire(space.base_url) as wire:
        head = b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        wire.send(head + b"content-length: 1000000000000\r\n\r\n" + b"x" * 1000)
        assert wire.read_until(b"\r\n").startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 200 "))
    assert is_alive(space)


# --- the control API ----------------------------------------------------------------------------------


def control(fake: FakeServer) -> Wire:
    return Wire(fake.control_url)


@pytest.mark.parametrize("token", [None, "wrong", "\xff", ""])
def test_without_the_token_no_body_is_waited_for(fake: FakeServer, token: str | None) -> None:
    line = b"" if token is None else f"authorization: Bearer {token}\r\n".encode("latin-1")
    with control(fake) as wire:
        wire.send(b"POST /spaces HTTP/1.1\r\n" + line + b"content-length: 100000000\r\n\r\n")
        data, how = wire.read_to_end()
    assert (data[:13], how) == (b"HTTP/1.1 401 ", "fin")
    assert fake.token.encode() not in data


def test_a_call_behind_one_without_the_token_is_not_done(fake: FakeServer) -> None:
    before = fake.status()["spaces"]
    good = f"POST /spaces HTTP/1.1\r\nauthorization: Bearer {fake.token}\r\ncontent-length: 2\r\n\r\n{{}}"
    with control(fake) as wire:
        wire.send(b"GET /status HTTP/1.1\r\n\r\n" + good.encode())
        assert wire.read_to_end()[0].count(b"HTTP/1.1") == 1
    assert fake.status()["spaces"] == before


BAD_BODIES = ("[" * 5000, '{"a":' * 3000, "9" * 6000, '{"script":NaN,"until":NaN,"timeout":NaN}', "\x00")


@pytest.mark.parametrize("path", ["/spaces", "/spaces/1/wait", "/spaces/1/release", "/spaces/1/replies"])
@pytest.mark.parametrize("body", BAD_BODIES)
def test_bad_bodies_are_refused_by_every_call(fake: FakeServer, path: str, body: str) -> None:
    parts = urlsplit(fake.control_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", path, body, {"authorization": f"Bearer {fake.token}"})
        response = connection.getresponse()
        assert 400 <= response.status < 500
        assert json.loads(response.read())["error"]


def test_deeply_nested_json_in_a_script_is_answered(fake: FakeServer) -> None:
    deep = "[" * 900 + "]" * 900
    script = f'{{"script":{{"replies":[{{"response":{{"body":{{"json":{deep}}}}}}}]}}}}'
    parts = urlsplit(fake.control_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", "/spaces", script, {"authorization": f"Bearer {fake.token}"})
        response = connection.getresponse()
        opened = json.loads(response.read())
    assert response.status in {201, 400}
    if response.status == 201:
        with Wire(opened["urls"]["a"]) as wire:
            wire.send(request())
            wire.socket.shutdown(socket.SHUT_WR)
            wire.read_to_end()
    assert fake.status()["version"]


def test_a_script_of_more_than_the_control_api_takes_is_413(fake: FakeServer) -> None:
    head = f"POST /spaces HTTP/1.1\r\nauthorization: Bearer {fake.token}\r\ncontent-length: 300000000\r\n\r\n"
    with control(fake) as wire:
        wire.send(head.encode() + b'{"script":')
        assert wire.read_until(b"\r\n").startswith(b"HTTP/1.1 413 ")
    assert fake.status()["version"]


def test_thousands_of_pipelined_calls_are_answered(fake: FakeServer) -> None:
    call = f"GET /status HTTP/1.1\r\nauthorization: Bearer {fake.token}\r\n\r\n".encode()
    with control(fake) as wire:
        thread = threading.Thread(target=lambda: wire.send(call * 10_000))
        thread.start()
        assert {wire.response().status for _ in range(10_000)} == {200}
        thread.join()


def test_more_spaces_than_there_are_descriptors_are_refused_and_closed_ones_make_room(tmp_path: Path) -> None:
    poor = tmp_path / "python"
    poor.write_text(f'#!/bin/sh\nulimit -n 200\nexec {sys.executable} "$@"\n')
    poor.chmod(0o755)
    with FakeServer.start(python=str(poor)) as server:
        opened: list[Space] = []
        with pytest.raises(FakeServerError, match="409: no listener could be opened"):
            opened.extend(server.space(Script()) for _ in range(300))
        assert len(opened) > 100
        for space in opened[:20]:
            space.close()
        again = server.space(Script(replies=(always(answer("alive")),)))
        assert is_alive(again)


def test_thousands_of_spaces_one_after_another_leave_the_server_as_it_was(fake: FakeServer) -> None:
    before = fake.status()["spaces"]
    for _ in range(2000):
        fake.space(Script()).close()
    assert fake.status()["spaces"] == before
