"""The fake server against a genuine router: each recorded exchange again, errors to the byte."""

import json
import re
from collections.abc import Iterator
from typing import Final

import pytest
from raw_http import Answered, Wire
from recorded import Recording, load_recordings

from tgi_conformance.contracts.script import Script, ScriptedToolCall, Server, always, answer
from tgi_conformance.contracts.sse import SSEDecoder
from tgi_conformance.contracts.tgi_info import ROUTES
from tgi_conformance.fake_server.client import FakeServer, Space

#: Recorded in a state that a request alone cannot bring about, or not replayable from the file.
STATEFUL: Final = (
    "over-", "fail-", "shard-", "router-", "health-unhealthy", "health-recovered", "keepalive-", "disconnect",
    "big-", "http2-", "http-idle-", "gens-paced", "chat-stream-paced", "gen-speculative", "gens-speculative",
    "http-invalid-utf8", "http-oversized", "auth-oversized", "http-raw-header-too-large",
)  # fmt: skip

#: What the fake does not do as the router does, each with its reason.
NOT_YET: Final = {
    "val-inputs-too-long": "its words are counted, not the recorded router's toy tokens",
    "val-grammar-not-schema": "grammars are not compiled",
    "val-grammar-uncompilable": "grammars are not compiled",
    "chat-tools-auto-no-tool": "the hidden second generation is not imitated",
    "chat-tools-empty-list": "a text is not parsed as a tool call",
    "chat-tools-truncated": "a text is not parsed as a tool call",
    "chat-stream-tools-not-json": "a text is not parsed as a tool call",
}

#: Header values that are measured, or that follow from what the model said.
MEASURED: Final = frozenset(
    {
        "date", "content-length", "x-compute-time", "x-compute-characters", "x-total-time", "x-queue-time",
        "x-validation-time", "x-time-per-token", "x-inference-time", "x-prompt-tokens", "x-generated-tokens",
    }
)  # fmt: skip

LIMITS: Final = {
    "max_input_tokens": 64,
    "max_total_tokens": 96,
    "max_concurrent_requests": 2,
    "max_best_of": 2,
    "max_stop_sequences": 4,
    "max_top_n_tokens": 5,
    "max_client_batch_size": 4,
    "payload_limit": 200_000,
    "model_id": "lab/tiny-model",
}
SETS: Final = {
    "default": {},
    "auth": {"check_key": True},
    "limits": {"max_best_of": 1, "max_stop_sequences": 0, "max_top_n_tokens": 0},
    "long": {"max_input_tokens": 1000, "max_total_tokens": 1400},
    "tools": {"max_input_tokens": 1000, "max_total_tokens": 1400},
}

#: What the recorded model made of a request with tools.
CALL: Final = ScriptedToolCall(name="get_weather", arguments={"location": "Paris", "format": "celsius"})


def replayable(recording: Recording) -> bool:
    path = recording.request.path.partition("?")[0]
    unknown = recording.response is not None and recording.response.status == 404
    options = recording.request.method == "OPTIONS"
    return (
        recording.set in SETS
        and recording.response is not None
        and recording.request.raw is None
        and not recording.case.startswith(STATEFUL)
        and recording.case not in NOT_YET
        and (path in ROUTES or unknown or options)
    )


RECORDINGS: Final = [recording for recording in load_recordings() if replayable(recording)]


def test_most_recordings_are_replayed() -> None:
    assert len(RECORDINGS) > 220


@pytest.fixture(scope="module")
def spaces() -> Iterator[dict[str, Space]]:
    with FakeServer.start() as server:
        opened = {}
        for name, flags in SETS.items():
            settings = Server(**{**LIMITS, **flags})  # type: ignore[arg-type]
            replies = (always(answer(tool_calls=(CALL,))),) if name == "tools" else ()
            opened[name] = server.space(Script(server=settings, replies=replies), keys={"A": "Sk-Test-KEY"})
        yield opened


def replay(recording: Recording, space: Space) -> Answered:
    asked = recording.request
    lines = [f"{asked.method} {asked.path} {asked.version}", *(f"{k}: {v}" for k, v in asked.headers)]
    body = (asked.body or "").encode()
    with Wire(space.base_url) as wire:
        wire.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        if asked.method == "HEAD":
            head = wire.read_until(b"\r\n\r\n").decode().split("\r\n")
            pairs = tuple(line.partition(": ")[::2] for line in head[1:-2])
            return Answered(int(head[0].split()[1]), pairs, b"", (), head[0])
        return wire.response()


def space_of(recording: Recording) -> str:
    tools = "-tools-" in recording.case and "-none" not in recording.case
    return "tools" if recording.set == "long" and tools else recording.set


def masked(text: str) -> str:
    return re.sub(r"Given: \d+ `inputs` tokens", "Given: N `inputs` tokens", text)


def shape(value: object) -> object:
    """A JSON value with its leaves replaced by their kinds; of a list the first item."""
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def events(body: bytes) -> list[str]:
    return [event.data for event in SSEDecoder().feed(body)]


def same(expected: str, got: str) -> None:
    if (
        expected == "[DONE]"
        or expected.startswith(('{"error"', "Failed to", "Expected request"))
        or not expected
    ):
        assert masked(got) == masked(expected)
    else:
        assert shape(json.loads(got)) == shape(json.loads(expected))


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.case)
def test_the_fake_answers_as_the_router_did(recording: Recording, spaces: dict[str, Space]) -> None:
    got = replay(recording, spaces[space_of(recording)])
    expected = recording.response
    assert expected is not None
    assert got.status_line == f"HTTP/1.1 {expected.status} {expected.reason}"
    assert [name.lower() for name in got.names] == [name.lower() for name, _ in expected.headers]
    for name, value in expected.headers:
        if name.lower() not in MEASURED:
            assert got.header(name) == value
    if expected.frames is not None:
        ours, theirs = events(got.body), expected.events()
        assert len(got.chunks) == len(ours)
        for place in (0, -1, -2 if min(len(ours), len(theirs)) > 1 else 0):
            same(theirs[place], ours[place])
    elif recording.request.method != "HEAD":
        same(expected.body or "", got.body.decode())
