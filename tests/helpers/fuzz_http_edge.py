"""Hostile bytes for the fake server's two listeners, and a run of them against a real process.

    python tests/fuzz_http_edge.py --inputs 20000 --seed 1
    python tests/fuzz_http_edge.py --http2 --inputs 20000 --seed 1

An input is a connection's worth of bytes. The server must answer or close within five seconds, never with
500, never with bytes that are no HTTP (of HTTP/2: no frames); it must stay alive, answer others, and say
nothing on standard error.
"""

import argparse
import contextlib
import random
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from http2_inputs import hostile_http2

from tgi_conformance.fake_server.client import ControlClient, FakeServer

PATIENCE = 5.0
#: A client that waits this long for an answer, then says that it has no more to send.
GLANCE = 0.002
CHECK_EVERY = 250

METHODS = (
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"OPTIONS",
    b"CONNECT",
    b"PRI",
    b"get",
    b"P\xc3\x96ST",
    b"",
    b"A" * 300,
)
TARGETS = (
    b"/",
    b"/generate",
    b"/generate_stream",
    b"/v1/chat/completions",
    b"/v1/completions",
    b"/info",
    b"/metrics",
    b"/tokenize",
    b"*",
    b"",
    b"//",
    b"/%00",
    b"/\xff\xfe",
    b"http://x/generate",
    b"/a?" + b"b" * 9000,
    b"/..",
    b"/spaces",
    b"/spaces/1/journal",
    b"/status",
    b"x:80",
    b"/generate#f",
    b"/ space",
    b"/\x1b[2J",
)
VERSIONS = (
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/1.1 x",
    b"http/1.1",
    b"",
    b"HTTP/11",
    b"\x00",
)
HEADERS = (
    b"host: x",
    b"content-type: application/json",
    b"content-type: text/\xff",
    b"content-length: 0",
    b"content-length: 13",
    b"content-length: -1",
    b"content-length: 99999999999999999999",
    b"content-length: 5, 5",
    b"content-length: 0x10",
    b"content-length:",
    b"transfer-encoding: chunked",
    b"transfer-encoding: gzip, chunked",
    b"transfer-encoding: chunked, chunked",
    b"transfer-encoding: identity",
    b"Transfer-Encoding : chunked",
    b"expect: 100-continue",
    b"expect: nonsense",
    b"connection: close",
    b"connection: keep-alive, upgrade",
    b"upgrade: websocket",
    b"upgrade: h2c",
    b"authorization: Bearer " + b"x" * 500,
    b"authorization: \xff\xfe",
    b"authorization:",
    b"cookie: " + b"a=b; " * 200,
    b"x: " + b"y" * 20_000,
    b"bad header",
    b": empty",
    b"x\x00y: z",
    b" folded: x",
    b"x: a\r\n b",
    b"x: \r",
    b"accept-encoding: gzip;q=nan",
    b"\xff: \xff",
    *(b"x-%d: y" % number for number in range(101)),
)
ENDS = (b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r")
BODIES = (
    b"",
    b'{"inputs":"x"}',
    b"{",
    b"[" * 3000,
    b'{"inputs":' * 400,
    b'{"inputs":"\xff\xfe"}',
    b'"\\ud800"',
    b"\x00" * 99,
    b'{"inputs":"x","parameters":{"seed":' + b"9" * 5000 + b"}}",
    b'{"inputs":NaN}',
    b"5\r\nhello\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFF\r\nx",
    b"-1\r\n\r\n",
    b"5;" + b"e" * 20_000 + b"\r\nhello\r\n0\r\n\r\n",
    b"zz\r\n",
    b"0\r\n" + b"trailer: x\r\n" * 2000 + b"\r\n",
    b"0\r\n" + b"t" * 40_000,
    b"5\nhello\n0\n\n",
    b"2\r\nhello\r\n0\r\n\r\n",
    b"x" * 100_000,
)
VALID = (
    b"POST /generate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b'content-length: 14\r\n\r\n{"inputs":"x"}'
)


def hostile_inputs(seed: int) -> Iterator[bytes]:
    """Inputs without end; the same ones for the same seed."""
    dice = random.Random(seed)  # noqa: S311
    kinds: tuple[Callable[[random.Random], bytes], ...] = (
        _noise,
        _mutant,
        _assembled,
        _assembled,
        _pipelined,
    )
    while True:
        yield dice.choice(kinds)(dice)


def _noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.choice((1, 2, 7, 40, 700, 9000)))


def _mutant(dice: random.Random) -> bytes:
    data = bytearray(VALID)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(data) + 1)
        until = min(at + dice.randint(0, 20), len(data))
        change = dice.randrange(4)
        if change == 0:
            del data[at:until]
        elif change == 1:
            data[at:at] = dice.randbytes(dice.randint(1, 8))
        elif change == 2:
            data[at:at] = data[at:until] * dice.randint(1, 50)
        else:
            data[at:until] = dice.choice((b"\r\n", b"\n", b"\x00", b"\xff", b" ", b":", b"\r\n\r\n"))
    return bytes(data)


def _assembled(dice: random.Random) -> bytes:
    end = dice.choice(ENDS)
    line = b" ".join((dice.choice(METHODS[:5] if dice.random() < 0.7 else METHODS), dice.choice(TARGETS)))
    version = b"HTTP/1.1" if dice.random() < 0.7 else dice.choice(VERSIONS)
    count = dice.choice((0, 1, 2, 3, 5, 8, 110))
    headers = [dice.choice(HEADERS) for _ in range(count)]
    body = dice.choice(BODIES)
    if dice.random() < 0.3:
        headers.append(b"content-length: %d" % len(body))
    return end.join((line + b" " + version, *headers)) + end + end + body


def _pipelined(dice: random.Random) -> bytes:
    parts = (VALID, VALID, _mutant(dice), _assembled(dice))
    return b"".join(dice.choice(parts) for _ in range(dice.choice((2, 5, 40, 1200))))


@dataclass(slots=True)
class Findings:
    """What a run showed; ``problems`` has to be empty."""

    inputs: int = 0
    sent: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


_ANSWER = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


def throw(address: tuple[str, int], data: bytes, cuts: list[int]) -> bytes:
    """Send one input in pieces; returns all that came back. Raises TimeoutError where nothing ends it."""
    with socket.create_connection(address, PATIENCE) as wire:
        got = b""
        try:
            for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
                wire.sendall(data[start:end])
            wire.settimeout(GLANCE)
            with contextlib.suppress(TimeoutError):
                got += wire.recv(65_536)
            wire.settimeout(PATIENCE)
            wire.shutdown(socket.SHUT_WR)
            while piece := wire.recv(65_536):
                got += piece
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
        return got


def run(count: int, seed: int, *, seconds: float | None = None, http2: bool = False) -> Findings:
    """Throw so many inputs at a server of its own, a third of them (of HTTP/2: none) at the control API."""
    found = Findings()
    with tempfile.TemporaryFile() as errors:
        with FakeServer.start(stderr=errors) as server:
            _attack(server, count, seed, seconds, found, http2=http2)
        errors.seek(0)
        if said := errors.read().decode("utf-8", "replace"):
            found.problems.append(f"standard error: {said[-3000:]}")
    return found


def _attack(
    server: FakeServer, count: int, seed: int, seconds: float | None, found: Findings, *, http2: bool
) -> None:
    until = None if seconds is None else time.monotonic() + seconds
    dice = random.Random(seed + 1)  # noqa: S311
    addresses = [_address(server.base_url)]
    if not http2:
        addresses += [_address(server.base_url), _address(server.control_url)]
    judge = _judge_frames if http2 else _judge
    for number, data in enumerate(hostile_http2(seed) if http2 else hostile_inputs(seed)):
        if number == count or (until is not None and time.monotonic() > until):
            break
        cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.choice((0, 0, 1, 3))))
        which = number % len(addresses)
        try:
            got = throw(addresses[which], data, cuts)
        except TimeoutError:
            found.problems.append(
                f"input {number} of seed {seed}: no end within {PATIENCE} s: {data[:200]!r}"
            )
            continue
        found.inputs, found.sent = number + 1, found.sent + len(data)
        judge(found, number, seed, data, got)
        if number % CHECK_EVERY == 0:
            _check_life(server, found, number)
    _check_life(server, found, found.inputs)
    with contextlib.closing(ControlClient(server.control_url, server.token)) as control:
        journal = cast("dict[str, list[str]]", control.call("GET", "/spaces/1/journal"))
    found.problems += [f"fault of the server: {fault}" for fault in journal.get("faults", [])]


def _judge(found: Findings, number: int, seed: int, data: bytes, got: bytes) -> None:
    first = _ANSWER.match(got)
    if got and first is None:
        found.problems.append(f"input {number} of seed {seed}: no HTTP: {got[:80]!r} for {data[:200]!r}")
    statuses = [match[1].decode() for match in _ANSWER.finditer(got)]
    found.statuses.update(statuses or ["closed without a word"])
    if "500" in statuses:
        found.problems.append(f"input {number} of seed {seed}: 500 for {data[:200]!r}")


_FRAMES = dict(enumerate(("data", "headers", "", "rst", "settings", "", "ping", "goaway", "window", "more")))


def _judge_frames(found: Findings, number: int, seed: int, data: bytes, got: bytes) -> None:
    """Frames, SETTINGS first, and the last of them perhaps torn by the client's own end; or a refusal."""
    if _ANSWER.match(got):
        _judge(found, number, seed, data, got)
        return
    place, kinds = 0, list[str]()
    while len(got) - place >= 9:
        size, kind = int.from_bytes(got[place : place + 3], "big"), _FRAMES.get(got[place + 3], "")
        if size > 16_384 or not kind or (not kinds and kind != "settings"):
            found.problems.append(f"input {number} of seed {seed}: no frame at {place}: {got[:200]!r}")
            return
        kinds.append(kind)
        place += 9 + size
    found.statuses.update(kinds or ["closed without a word"])


def _check_life(server: FakeServer, found: Findings, number: int) -> None:
    health = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    try:
        with socket.create_connection(_address(server.base_url), PATIENCE) as wire:
            wire.sendall(health)
            alive = wire.recv(65_536).startswith(b"HTTP/1.1 200 ")
    except OSError as error:
        found.problems.append(f"after input {number}: no health: {error!r}")
        return
    if not alive:
        found.problems.append(f"after input {number}: /health is not 200")
    server.status()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Hostile bytes against the fake server.")
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--http2", action="store_true", help="frames of HTTP/2 in place of requests of HTTP/1"
    )
    given = parser.parse_args()
    begun = time.monotonic()
    found = run(given.inputs, given.seed, http2=given.http2)
    took = time.monotonic() - begun
    print(f"{found.inputs} inputs, {found.sent / 1e6:.1f} MB, {took:.0f} s, seed {given.seed}")
    print(", ".join(f"{name}: {count}" for name, count in found.statuses.most_common()))
    for problem in found.problems:
        print(f"PROBLEM {problem}")
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
