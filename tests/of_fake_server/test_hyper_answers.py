"""The fake server's heads are hyper's and axum's: held to what those answered to 290 raw requests."""

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from replaying import LIMITS, SETS

from tgi_conformance.contracts.script import Generation, Reply, Script, Server
from tgi_conformance.contracts.tgi.headers import CORS, PREFLIGHT
from tgi_conformance.fake_server.client import FakeServer, Space

ANSWERS: Final = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "crate_answers" / "heads.jsonl").read_text().splitlines()
]
#: Asked behind the first request, to see whether the connection is still there.
LAST: Final = b"GET /ping HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
GROUPS: Final = {"PREFLIGHT": PREFLIGHT, "CORS": CORS}


@pytest.fixture(scope="module")
def spaces() -> Iterator[Mapping[bool, Space]]:
    toy = Reply(tgi=Generation(toy=True))
    with FakeServer.start() as server:
        yield {
            keyed: server.space(
                Script(server=Server(**{**LIMITS, **SETS["auth" if keyed else "default"]}), otherwise=toy),  # type: ignore[arg-type]
                keys={"A": "Sk-Test-KEY"},
            )
            for keyed in (False, True)
        }


def exchanged(space: Space, request: bytes) -> bytes:
    """All that comes for a request and the one behind it, to the end of the connection."""
    host, port = space.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(request)
        received = wire.recv(65536)
        while b"\r\n\r\n" not in received and (more := wire.recv(65536)):
            received += more
        try:
            wire.sendall(LAST)
            while more := wire.recv(65536):
                received += more
        except ConnectionError:
            pass  # it was closed with the request behind unread
    return received


def shown(received: bytes) -> tuple[str, list[str]]:
    """The first status line and its headers as the answers have them, without those of a generation."""
    status, *lines = received.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return status, [masked(line) for line in lines if not line.startswith(("x-", "cache-control"))]


def masked(line: str) -> str:
    name, _, value = line.partition(": ")
    if name == "date":
        return "date: D"
    return f"{name}: N" if name == "content-length" and value != "0" else line


def told(headers: list[str]) -> list[str]:
    spelled = (
        [f"{name}: {value}" for name, value in GROUPS[line]] if line in GROUPS else [line] for line in headers
    )
    return [line for lines in spelled for line in lines]


@pytest.mark.parametrize("keyed", [False, True])
def test_heads_are_hypers(spaces: Mapping[bool, Space], *, keyed: bool) -> None:
    for answer in ANSWERS:
        if answer["keyed"] is keyed:
            received = exchanged(spaces[keyed], answer["request"].encode("latin-1"))
            assert (answer["case"], *shown(received)) == (
                answer["case"],
                answer["status"],
                told(answer["headers"]),
            )
            stayed = received.count(b"HTTP/1.1 200 OK") > (answer["status"] == "HTTP/1.1 200 OK")
            assert (answer["case"], stayed) == (answer["case"], answer["after"] == "open")


def test_the_answers_are_of_every_kind() -> None:
    starts = {answer["case"].split()[0] for answer in ANSWERS}
    assert starts >= {"target", "HTTP/1.0", "HTTP/1.1", "GET", "PUT", "HEAD", "OPTIONS", "auth", "ct", "raw"}
    assert {answer["status"].split()[1] for answer in ANSWERS} >= {"200", "400", "401", "404", "405", "415"}


@pytest.mark.parametrize(
    ("line", "key", "goes_on"),
    [
        ("POST /generate HTTP/1.1", "Sk-Test-KEY", True),
        ("POST /generate HTTP/1.0", "Sk-Test-KEY", False),
        ("POST /generate HTTP/1.1", "another", False),
        ("POST /nope HTTP/1.1", "Sk-Test-KEY", False),
        ("GET /health HTTP/1.1", "Sk-Test-KEY", False),
    ],
)
def test_who_asks_to_go_on_is_told_so_though_the_body_is_there(
    spaces: Mapping[bool, Space], line: str, key: str, *, goes_on: bool
) -> None:
    body = b'{"inputs":"x","parameters":{"max_new_tokens":2}}'
    head = f"{line}\r\nhost: h\r\nauthorization: Bearer {key}\r\nexpect: 100-continue\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    for _ in range(2):
        received = exchanged(spaces[True], head.encode() + body)
        assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200") is goes_on
        assert received.count(b"100 Continue") == goes_on
