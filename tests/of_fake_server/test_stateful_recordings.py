"""Recordings made in a state of the server: a script brings it about, the recording is held against it."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from typing import Final

import pytest
from raw_http import Answered, Wire, ask, now, request
from recorded import Recording, load_recordings
from replaying import LIMITS, SETS, STATEFUL, agrees, events, replay, same

from tgi_conformance.contracts.script import Generation, Reply, Script, Server, always, failing, tokens
from tgi_conformance.contracts.tgi.metrics import METRICS
from tgi_conformance.fake_server.client import FakeServer, Space, gone, open_requests

ALL: Final = {recording.case: recording for recording in load_recordings()}
TOY: Final = Reply(tgi=Generation(toy=True))
NO_MEMORY: Final = "Server error: CUDA out of memory. Tried to allocate 2.00 GiB"
PIECES: Final = (" Deep", " learning", " is", " a", " subset", " of")


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def server_of(name: str = "default", **changes: object) -> Server:
    return Server(**{**LIMITS, **SETS.get(name, {}), **changes})  # type: ignore[arg-type]


def opened(fake: FakeServer, *replies: Reply, otherwise: Reply = TOY, **settings: object) -> Space:
    return fake.space(Script(server=server_of(**settings), replies=replies, otherwise=otherwise))  # type: ignore[arg-type]


def cases(*prefixes: str) -> list[Recording]:
    return [recording for case, recording in ALL.items() if case.startswith(prefixes)]


def named(*prefixes: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", cases(*prefixes), ids=lambda recording: recording.case)


# --- overload -----------------------------------------------------------------------------------------


@named("over-")
def test_what_the_router_says_while_its_permits_are_held(fake: FakeServer, recording: Recording) -> None:
    held = 1 if recording.case == "over-best-of-2-one-permit" else 2
    stream = tokens(*PIECES).held("go", event=1).times(held)
    with opened(fake, stream) as space:
        holders = [Wire(space.base_url) for _ in range(held)]
        for holder in holders:
            holder.send(request("/generate_stream"))
            holder.read_until(b'"index":1')
        agrees(recording, replay(recording, space))
        space.release("go")
        for holder in holders:
            holder.read_until(b"0\r\n\r\n")
            holder.socket.close()


@named("disconnect-")
def test_a_client_that_leaves_frees_its_permit(fake: FakeServer, recording: Recording) -> None:
    path = "/generate_stream" if "nonstream" not in recording.case else "/generate"
    place = {"event": 1} if path == "/generate_stream" else {"before": "head"}
    held = tokens(*PIECES).held("never", **place).times(2)
    probe = {"inputs": "x", "parameters": {"temperature": 0}}
    with opened(fake, held) as space:
        holders = [Wire(space.base_url) for _ in range(2)]
        for holder in holders:
            holder.send(request(path))
        space.wait(open_requests(2), 5)
        assert ask(space.base_url, "/generate", probe).status == recording.facts["probe_status_while_held"]
        for holder in holders:
            holder.socket.close()
        space.wait(gone(2), 5)
        assert ask(space.base_url, "/generate", probe).status == 422
        metrics = ask(space.base_url, "/metrics", method="GET").body.decode()
        told = {str(line).rpartition(" ")[0] for line in recording.facts["metrics"]}  # type: ignore[union-attr]
        assert told <= {line.rpartition(" ")[0] for line in metrics.splitlines()}
        assert 'tgi_request_failure{err="dropped"} 2' in metrics


# --- failures of the model ----------------------------------------------------------------------------

#: Part of a case's name -> message, error type.
FAILURES: Final = {
    "shard-dead": ("Server error: error trying to connect: Connection refused (os error 111)", "generation"),
    "shard-dies": ("Server error: transport error", "generation"),
    "error-multiline": (None, "generation"),
    "shard-error": (NO_MEMORY, "generation"),
    "incomplete": (None, "incomplete_generation"),
}


def failure_of(recording: Recording) -> Reply:
    part, (message, error_type) = next((k, v) for k, v in FAILURES.items() if k in recording.case)
    stream = bool(recording.response and recording.response.frames)
    if part == "incomplete":
        text = "Incomplete generation stream" if stream else "Incomplete generation"
        return failing(text, f"{error_type}{'_stream' if stream else ''}", *PIECES[: survived(recording)])
    if message is None:
        message = json.loads(recording.error_message() or "")["error"]
        return failing(message, error_type, *PIECES[: survived(recording)])
    message = f"Request failed during generation: {message}"
    return failing(message, error_type, *PIECES[: survived(recording)])


def survived(recording: Recording) -> int:
    """How many tokens of each prompt came before the failure."""
    told = recording.response.events() if recording.response else ()
    good = [event for event in told if event != "[DONE]" and '"error"' not in event[:9]]
    return -(-len(good) // (2 if "array" in recording.case else 1))


@named("fail-incomplete", "fail-shard-d", "fail-shard-e")
def test_a_failing_shard_shows_as_the_router_shows_it(fake: FakeServer, recording: Recording) -> None:
    if recording.request.method == "GET":
        down = failing("unhealthy", "healthcheck").where(path="/health", method="GET").times(0, 1)
        with opened(fake, down) as space:
            agrees(recording, replay(recording, space))
        return
    with opened(fake, failure_of(recording)) as space:
        got = replay(recording, space)
        if "array" not in recording.case:
            agrees(recording, got)
            return
        # The prompts of an array fail one by one, in an order that is the scheduler's.
        ours, theirs = events(got.body), list(recording.response.events())  # type: ignore[union-attr]
        assert sum("error" in event[:9] for event in ours) == sum("error" in event[:9] for event in theirs)
        assert ours[-2:] == theirs[-2:]


@named("fail-health-after-error", "health-", "shard-restart")
def test_health_is_the_shards_and_blocks_nothing(fake: FakeServer, recording: Recording) -> None:
    unhealthy = recording.response is not None and recording.response.status == 503
    down = failing("unhealthy", "healthcheck").where(path=("/health", "/"), method=recording.request.method)
    replies = (down.times(0, 1),) if unhealthy else ()
    with opened(fake, *replies) as space:
        agrees(recording, replay(recording, space))
        if unhealthy:
            assert ask(space.base_url, "/generate").status == 200
            assert ask(space.base_url, "/health", method="GET").status == 200


# --- time ---------------------------------------------------------------------------------------------


@named("gens-paced", "chat-stream-paced")
def test_the_head_goes_out_before_the_first_token(fake: FakeServer, recording: Recording) -> None:
    before, between = 0.04, 0.02
    paced = TOY.deliver(event_gap_ms=between * 1000).held("first", event=0)
    with opened(fake, paced) as space, Wire(space.base_url) as wire:
        wire.send(raw_request(recording))
        head = wire.read_until(b"\r\n\r\n")
        assert wire.is_silent(before)
        start = now()
        space.release("first")
        body = wire.read_until(b"0\r\n\r\n")
        assert now() - start >= between * (body.count(b"data: ") - 1)
        assert b"transfer-encoding: chunked" in head
        ours = re.findall(rb"data: (.*)\n\n", body)
        theirs = recording.response.events()  # type: ignore[union-attr]
        assert len(ours) == len(theirs)
        same(theirs[0], ours[0].decode())
        same(theirs[-1], ours[-1].decode())


def raw_request(recording: Recording) -> bytes:
    asked = recording.request
    lines = [f"{asked.method} {asked.path} {asked.version}", *(f"{k}: {v}" for k, v in asked.headers)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (asked.body or "").encode("latin-1")


@named("keepalive-comment")
def test_a_silent_stream_is_kept_alive_by_an_empty_comment(fake: FakeServer, recording: Recording) -> None:
    pieces = tokens(" Deep", " learning", finish_reason="length").held("go", event=1)
    with opened(fake, pieces, keep_alive_ms=30) as space, Wire(space.base_url) as wire:
        wire.send(raw_request(recording))
        wire.read_until(b"\r\n\r\n")
        first = wire.read_until(b"\n\n\r\n")
        assert b'"text":" Deep"' in first
        # Another comes as long as the silence lasts.
        assert wire.read_until(b"\n\n\r\n") == b"3\r\n:\n\n\r\n"
        assert wire.read_until(b"\n\n\r\n") == b"3\r\n:\n\n\r\n"
        space.release("go")
        rest = wire.read_until(b"0\r\n\r\n")
        assert b'"text":" learning"' in rest
        assert rest.count(b"[DONE]") == 1


def test_a_comment_also_comes_before_the_first_token(fake: FakeServer) -> None:
    with (
        opened(fake, tokens("a").held("go", event=0), keep_alive_ms=30) as space,
        Wire(space.base_url) as wire,
    ):
        wire.send(request("/generate_stream"))
        wire.read_until(b"\r\n\r\n")
        assert wire.read_until(b"\n\n\r\n") == b"3\r\n:\n\n\r\n"
        space.release("go")
        assert b"generated_text" in wire.read_until(b"0\r\n\r\n")


def test_an_answer_that_has_not_begun_is_not_kept_alive(fake: FakeServer) -> None:
    with opened(fake, tokens("a").held("go"), keep_alive_ms=10) as space, Wire(space.base_url) as wire:
        wire.send(request("/generate_stream"))
        assert wire.is_silent(0.05)
        space.release("go")
        assert b":\n\n\r\n" not in wire.read_until(b"0\r\n\r\n")


@named("http-idle-keepalive")
def test_an_idle_connection_stays(fake: FakeServer, recording: Recording) -> None:
    assert "still open" in str(recording.facts["result"])
    with opened(fake) as space, Wire(space.base_url) as wire:
        for _ in range(2):
            wire.send(request("/health", method="GET"))
            assert wire.response().status == 200
            assert wire.is_silent(0.1)


@named("gen-speculative", "gens-speculative")
def test_speculated_tokens_are_events_of_their_own(fake: FakeServer, recording: Recording) -> None:
    with opened(fake, TOY.deliver(splits="whole")) as space:
        got = replay(recording, space)
        if recording.response and recording.response.frames:
            assert len(events(got.body)) == len(recording.response.events())
        else:
            agrees(recording, got)


# --- length -------------------------------------------------------------------------------------------


@named("big-")
def test_a_long_generation_fills_its_last_slice(fake: FakeServer, recording: Recording) -> None:
    endless = always(Reply(tgi=Generation(tokens=(" is",) * 3000, obeys_limits=True)))
    limits = {"max_input_tokens": 2000, "max_total_tokens": 4000}
    with opened(fake, endless, **limits) as space:
        got = replay(recording, space)
        agrees(recording, got)
        assert got.body.decode() == recording.response.body  # type: ignore[union-attr]
        assert got.header("x-generated-tokens") == recording.response.header("x-generated-tokens")  # type: ignore[union-attr]


# --- the process --------------------------------------------------------------------------------------


@pytest.fixture
def process() -> Iterator[FakeServer]:
    server = FakeServer.start()
    yield server
    server.close()


def pid_of(server: FakeServer) -> int:
    running = server._process
    assert running is not None
    return running.pid


@named("router-sigkill")
def test_a_killed_server_leaves_no_last_chunk(process: FakeServer, recording: Recording) -> None:
    with Wire(opened(process, TOY.held("never", event=4)).base_url) as wire:
        wire.send(raw_request(recording))
        wire.read_until(b'"index":4')
        os.kill(pid_of(process), signal.SIGKILL)
        assert not wire.read_to_end()[0].endswith(b"0\r\n\r\n")
        assert recording.response is not None
        assert recording.response.body_end == "closed-without-last-chunk"


@named("router-sigterm")
def test_sigterm_lets_an_answer_end_and_says_that_it_closes(
    process: FakeServer, recording: Recording
) -> None:
    space = opened(process, TOY.held("go"))
    with Wire(space.base_url) as wire:
        wire.send(raw_request(recording))
        space.wait(open_requests(1), 5)
        os.kill(pid_of(process), signal.SIGTERM)
        refused_soon(space.base_url)
        space.release("go")
        agrees(recording, wire.response())
        assert wire.read_to_end() == (b"", "fin")


def test_sigterm_lets_a_stream_end(process: FakeServer) -> None:
    space = opened(process, TOY.held("go", event=2))
    with Wire(space.base_url) as wire:
        wire.send(request("/generate_stream"))
        wire.read_until(b'"index":2')
        os.kill(pid_of(process), signal.SIGTERM)
        refused_soon(space.base_url)
        space.release("go")
        assert wire.read_to_end()[0].endswith(b"0\r\n\r\n")


def refused_soon(url: str) -> None:
    """Wait until the server takes no new connections: it has heard the signal then."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            Wire(url).socket.close()
        except (ConnectionRefusedError, ConnectionResetError):
            return
    raise AssertionError("the server still listens")


# --- not replayable from the file ---------------------------------------------------------------------


@named("http-oversized", "auth-oversized")
def test_a_body_over_the_limit_is_refused_before_it_is_whole(fake: FakeServer, recording: Recording) -> None:
    chunked = "chunked" in recording.case
    start = b'{"inputs": "' + b"a" * 250_000
    name = recording.set
    with opened(fake, name=name) as space, Wire(space.base_url) as wire:
        head = raw_request(recording).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        wire.send(head + (b"%X\r\n%b\r\n" % (len(start), start) if chunked else start))
        agrees(recording, wire.response())
        # What still comes of the body is read, so that the answer is not lost to a reset.
        wire.send(b"a" * 1000)
        assert wire.read_to_end()[0] == b""


@named("http-invalid-utf8")
def test_a_body_that_is_no_utf8_is_refused(fake: FakeServer, recording: Recording) -> None:
    with opened(fake) as space, Wire(space.base_url) as wire:
        wire.send(raw_request(recording))
        agrees(recording, wire.response())


@named("http-raw-header-too-large")
def test_a_head_over_the_limit_is_refused(fake: FakeServer, recording: Recording) -> None:
    with opened(fake) as space, Wire(space.base_url) as wire:
        wire.send(b"GET /health HTTP/1.1\r\nhost: x\r\nx-a: " + b"a" * 500_000)
        got = wire.response()
        first = str(recording.facts["raw"]).split("\r\n")
        assert got.status_line == first[0]
        assert got.names == [line.partition(":")[0] for line in first[1:] if line]


@named("get-metrics")
def test_metrics_have_the_routers_names_and_move(fake: FakeServer, recording: Recording) -> None:
    recorded = recording.response.body or ""  # type: ignore[union-attr]
    with opened(fake, max_concurrent_requests=8) as space:
        for _ in range(2):
            assert (
                ask(
                    space.base_url, "/generate", {"inputs": "hello", "parameters": {"max_new_tokens": 4}}
                ).status
                == 200
            )
        got = ask(space.base_url, "/metrics", method="GET")
        text = got.body.decode()
        assert got.names == [name for name, _ in recording.response.headers]  # type: ignore[union-attr]
        assert headings(text) == headings(recorded)
        assert series(text) == series(recorded)
        assert "tgi_request_count 2" in text
        assert 'tgi_batch_inference_count{method="decode"} 6' in text


def headings(text: str) -> set[str]:
    return {line for line in text.splitlines() if line.startswith("#")}


def series(text: str) -> set[str]:
    """Names with labels, without values."""
    return {line.rpartition(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}


def test_a_refused_request_counts_as_a_failure(fake: FakeServer) -> None:
    with opened(fake) as space:
        assert ask(space.base_url, "/generate", {"inputs": ""}).status == 422
        text = ask(space.base_url, "/metrics", method="GET").body.decode()
        assert 'tgi_request_failure{err="validation"} 1' in text
        assert "tgi_request_success" not in text


def test_every_metric_has_a_name_of_its_own() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@named("get-docs-slash")
def test_the_docs_are_a_page_that_leads_to_the_openapi_document(
    fake: FakeServer, recording: Recording
) -> None:
    with opened(fake) as space:
        got: Answered = ask(space.base_url, "/docs/", method="GET")
        assert got.names == [name for name, _ in recording.response.headers]  # type: ignore[union-attr]
        assert b"../api-doc/openapi.json" in got.body
        document = json.loads(ask(space.base_url, "/api-doc/openapi.json", method="GET").body)
        assert {"/generate", "/v1/chat/completions", "/vertex"} <= set(document["paths"])


#: Here, and in test_fake_server_http2.py and test_fake_server_nagle.py.
REPRODUCED: Final = (
    "http2-", "timing-",
    "over-", "disconnect-", "fail-", "health-", "shard-restart", "gens-paced", "chat-stream-paced",
    "keepalive-", "http-idle-", "gen-speculative", "gens-speculative", "big-", "router-", "http-oversized",
    "auth-oversized", "http-invalid-utf8", "http-raw-header-too-large", "get-metrics", "get-docs-slash",
)  # fmt: skip


def test_every_stateful_recording_is_reproduced() -> None:
    assert [case for case in ALL if case.startswith(STATEFUL) and not case.startswith(REPRODUCED)] == []
