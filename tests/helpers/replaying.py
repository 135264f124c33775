"""Replaying recordings, and holding an answer against a recorded one."""

import json
import re
import socket
from typing import Final

from raw_http import Answered, Wire
from recorded import Recording

from tgi_conformance.contracts.sse import SSEDecoder
from tgi_conformance.fake_server.client import Space

#: Recorded in a state that a request alone cannot bring about, or not replayable from the file; those that
#: tell of the server, not of the recorder, are reproduced in test_fake_server_stateful.py, _http2 and _nagle.
STATEFUL: Final = (
    "over-", "fail-", "shard-", "router-", "health-unhealthy", "health-recovered", "keepalive-", "disconnect",
    "big-", "http2-", "http-idle-", "gens-paced", "chat-stream-paced", "gen-speculative", "gens-speculative",
    "http-invalid-utf8", "http-oversized", "http-raw-header-too-large", "get-metrics", "get-docs-slash",
    "timing-",
)  # fmt: skip

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
LONG: Final = {"max_input_tokens": 1000, "max_total_tokens": 1400}
SETS: Final = {
    "default": {},
    "auth": {"check_key": True},
    "cors": {"cors_allow_origin": ("http://a.example",)},
    "limits": {"max_best_of": 1, "max_stop_sequences": 0, "max_top_n_tokens": 0},
    "long": LONG,
    "nogrammar": {"disable_grammar_support": True},
    "nogrammar-long": {"disable_grammar_support": True, **LONG},
    "notemplate": {"chat_template": False},
    "permits-128": {"max_concurrent_requests": 128},
    "vision": {"vision": True},
}


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


def replay_raw(recording: Recording, space: Space) -> str:
    with Wire(space.base_url) as wire:
        wire.send((recording.request.raw or "").encode("latin-1"))
        if recording.request.half_close:
            wire.socket.shutdown(socket.SHUT_WR)
        return wire.read_to_end()[0].decode("latin-1")


def undated(text: str) -> str:
    return re.sub(r"date: [^\r]*", "date: -", text)


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


def agrees(recording: Recording, got: Answered) -> None:
    """Assert that an answer is the recorded one: all but what is measured or what the model said."""
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
