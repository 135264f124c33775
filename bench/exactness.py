"""How exact the fake server is: gaps of paced streams, first bytes, its start, the fixture's import.

The client that looks is a plain blocking socket on the load's core; times are the monotonic clock's.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from servers import LOAD_CORE, SERVER_CORE, pinned
from workload import ROUTE, TEXT, body

GAP_MS: Final = 10
STARTS: Final = 9


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure against its bound, both in the same unit."""

    what: str
    value: float
    bound: float
    unit: str = "ms"

    @property
    def reached(self) -> bool:
        """Whether the bound is kept."""
        return self.value <= self.bound


class Fake:
    """A fake server process of its own that plays one reply; ended on leaving."""

    def __init__(self, reply: dict[str, object], folder: Path, *options: str) -> None:
        script = folder / "script.json"
        script.write_text(json.dumps({"replies": [{**reply, "requests": [0, None]}]}), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "tgi_conformance.fake_server",
            "--owner-pipe",
            "--script",
            str(script),
        ]
        self.process = subprocess.Popen(
            [*pinned(SERVER_CORE), *command, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        if self.process.stdout is None:
            raise RuntimeError("the fake server has no standard output")
        self.ready = json.loads(self.process.stdout.readline())
        self.port = int(self.ready["base_url"].rpartition(":")[2])

    def __enter__(self) -> "Fake":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(timeout=10)
        if self.process.stdout is not None:
            self.process.stdout.close()


def request_bytes(*, stream: bool) -> bytes:
    """The workload's request, as one write."""
    content = body(stream=stream)
    lines = (f"POST {ROUTE} HTTP/1.1", "host: bench", "content-type: application/json")
    return ("\r\n".join((*lines, f"content-length: {len(content)}")) + "\r\n\r\n" + content).encode()


def measure(folder: Path, python: str = sys.executable) -> list[Figure]:
    """All figures; takes about half a minute."""
    os.sched_setaffinity(0, {LOAD_CORE})
    gaps = gap_errors(folder)
    return [
        Figure("error of a 10 ms gap, median", statistics.median(gaps), 0.1),
        Figure("error of a 10 ms gap, 99th percentile", _percentile(gaps, 99), 1.0),
        Figure("first byte of a stream, median", first_bytes(folder, stream=True), 1.0),
        Figure("first byte of a plain answer, median", first_bytes(folder, stream=False), 1.0),
        Figure("start to ready line, median", start_ms(python), 250.0),
        Figure(
            "what the plugin with its fixtures adds to pytest, unused, median",
            fixture_ms(folder, python),
            150.0,
        ),
    ]


def gap_errors(folder: Path, streams: int = 10) -> list[float]:
    """Absolute errors (ms) of the gaps between the events of paced streams, as a client sees them."""
    errors: list[float] = []
    reply: dict[str, object] = {"tgi": {"text": TEXT}, "delivery": {"event_gap_ms": GAP_MS}}
    with Fake(reply, folder) as fake, _connected(fake.port) as client:
        for _ in range(streams):
            client.sendall(request_bytes(stream=True))
            arrivals = _arrivals(client)
            gaps = [(later - earlier) * 1000 for earlier, later in pairwise(arrivals)]
            errors += [abs(gap - GAP_MS) for gap in gaps]
    return errors


def _arrivals(client: socket.socket) -> list[float]:
    """When each event of one chunked answer came; the head comes with or before the first."""
    arrivals: list[float] = []
    seen = 0
    content = b""
    while not content.endswith(b"0\r\n\r\n"):
        content += client.recv(65536)
        now = time.monotonic()
        count = content.count(b"\ndata:")
        if count > seen:
            arrivals.append(now)
            seen = count
    return arrivals


def first_bytes(folder: Path, *, stream: bool, times: int = 300) -> float:
    """Median milliseconds from the request's write to the first byte of its answer."""
    taken: list[float] = []
    with Fake({"tgi": {"text": TEXT}}, folder) as fake, _connected(fake.port) as client:
        asked = request_bytes(stream=stream)
        ending = b"0\r\n\r\n" if stream else b"}}"
        for _ in range(times):
            begun = time.monotonic()
            client.sendall(asked)
            content = client.recv(65536)
            taken.append((time.monotonic() - begun) * 1000)
            while not content.endswith(ending):
                content += client.recv(65536)
    return statistics.median(taken)


def start_ms(python: str) -> float:
    """Median milliseconds from the start of the process to its ready line."""

    def once() -> None:
        command = [python, "-m", "tgi_conformance.fake_server", "--owner-pipe"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if process.stdout is not None:
            process.stdout.readline()
        marks.append(time.monotonic())
        if process.stdin is not None:
            process.stdin.close()
        process.wait(timeout=10)

    taken = []
    for _ in range(STARTS):
        marks: list[float] = []
        begun = time.monotonic()
        once()
        taken.append((marks[0] - begun) * 1000)
    return statistics.median(taken)


def fixture_ms(folder: Path, python: str) -> float:
    """Median milliseconds that the plugin with its fixtures adds to a pytest run of one empty test."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        (Path(place) / "test_empty.py").write_text("def test_empty(): pass\n", encoding="ascii")
        bare = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", place]
        with_plugin = [*bare[:3], "-p", "tgi_conformance.plugin", *bare[3:]]
        env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        differences = []
        for _ in range(STARTS):
            without = _timed(lambda: _quiet(bare, env, place))
            differences.append(_timed(lambda: _quiet(with_plugin, env, place)) - without)
    return statistics.median(differences)


def _quiet(command: Sequence[str], env: dict[str, str], cwd: str) -> None:
    subprocess.run(command, env=env, cwd=cwd, capture_output=True, check=True, timeout=60)


def _timed(action: Callable[[], None]) -> float:
    begun = time.monotonic()
    action()
    return (time.monotonic() - begun) * 1000


def _connected(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), 10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
