"""Load by wrk, pinned to the other core: rates, CPU time per request, bytes and events per answer."""

import http.client
import re
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from peers import ASSETS, Running
from servers import LOAD_CORE, NotMeasured, Process, cpu_seconds, free_port, pinned
from workload import ROUTE, Scenario, body, write_lua

CONNECTIONS: Final = 16
_RATE: Final = re.compile(r"Requests/sec:\s+([0-9.]+)")
_COUNT: Final = re.compile(r"(\d+) requests in")
_TROUBLE: Final = re.compile(r"Non-2xx or 3xx responses: \d+|Socket errors: .*")


@dataclass(frozen=True, slots=True)
class Sample:
    """One round against one server: requests a second, CPU microseconds a request, what went wrong."""

    rate: float
    cpu_us: float
    trouble: str = ""


@dataclass(slots=True)
class Measured:
    """All rounds against one server."""

    name: str
    version: str
    events: int = 0
    samples: list[Sample] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Median requests a second."""
        return statistics.median(sample.rate for sample in self.samples)

    @property
    def cpu_us(self) -> float:
        """Median CPU microseconds a request."""
        return statistics.median(sample.cpu_us for sample in self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """Least and largest rate."""
        rates = [sample.rate for sample in self.samples]
        return min(rates), max(rates)

    @property
    def trouble(self) -> str:
        """The first thing that wrk complained of; empty without."""
        return next((sample.trouble for sample in self.samples if sample.trouble), "")

    def ratio_of(self, other: "Measured", *, per_event: bool = False) -> float:
        """The median over the rounds of other's rate to this one's in the same round."""
        share = other.events / self.events if per_event and self.events else 1.0
        pairs = zip(self.samples, other.samples, strict=True)
        return statistics.median(theirs.rate * share / mine.rate for mine, theirs in pairs)


def need_wrk() -> None:
    """Raise :class:`NotMeasured` with what to do where wrk or taskset is missing."""
    for program, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(program) is None:
            raise NotMeasured(f"{program} is not installed: install the Debian package {package}")


def ask(server: Running, scenario: Scenario) -> int:
    """Ask once; returns how many ``data:`` events came (0 for a plain answer).

    Raises :class:`NotMeasured` where the answer is not what the scenario is about.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(
        "POST",
        server.path,
        body(stream=scenario.stream),
        {"content-type": "application/json", **dict(server.headers)},
    )
    response = connection.getresponse()
    content = response.read()
    connection.close()
    if response.status != 200:
        raise NotMeasured(f"answered {response.status}: {content[:120]!r}")
    count = sum(line.startswith(b"data:") for line in content.splitlines())
    if scenario.stream and not count:
        raise NotMeasured("does not stream")
    if not scenario.stream and b'"choices"' not in content:
        raise NotMeasured(f"its answer is no chat completion: {content[:120]!r}")
    return count


def sample(server: Running, script: Path, seconds: float) -> Sample:
    """One run of wrk."""
    before = cpu_seconds(server.process.pid)
    text = _wrk(server.port, server.path, script, seconds, server.headers)
    used = cpu_seconds(server.process.pid) - before
    rate, count, trouble = _RATE.search(text), _COUNT.search(text), _TROUBLE.search(text)
    if rate is None or count is None or not int(count[1]):
        raise NotMeasured(f"wrk counted nothing: {' '.join(text.split())[:200]}")
    return Sample(float(rate[1]), used / int(count[1]) * 1e6, trouble[0] if trouble else "")


def _wrk(port: int, path: str, script: Path, seconds: float, headers: Sequence[tuple[str, str]] = ()) -> str:
    command = [
        *pinned(LOAD_CORE),
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{max(round(seconds), 1)}s",
    ]
    more = [part for name, value in headers for part in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        [*command, *more, "-s", str(script), f"http://127.0.0.1:{port}{path}"],
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=False,
    )
    return done.stdout + done.stderr


def rounds(
    servers: Sequence[Running], scenario: Scenario, folder: Path, count: int, seconds: float
) -> tuple[list[Measured], dict[str, str]]:
    """Paired rounds (A B C A B C ...); the servers that cannot take part are told with their reason."""
    script = write_lua(scenario, folder)
    measured: dict[str, Measured] = {}
    left_out: dict[str, str] = {}
    taking_part: list[Running] = []
    for server in servers:
        try:
            events = ask(server, scenario)
        except (NotMeasured, OSError, http.client.HTTPException) as error:
            left_out[server.name] = str(error) or type(error).__name__
            continue
        measured[server.name] = Measured(server.name, server.version, events)
        taking_part.append(server)
    for _ in range(count):
        for server in tuple(taking_part):
            try:
                measured[server.name].samples.append(sample(server, script, seconds))
            except (NotMeasured, subprocess.TimeoutExpired) as error:
                left_out[server.name] = str(error)
                taking_part.remove(server)
                del measured[server.name]
    return list(measured.values()), left_out


def answered(text: str) -> int:
    """How many requests a run of wrk counted as answered well; raises where some were not."""
    count, trouble = _COUNT.search(text), _TROUBLE.search(text)
    if count is None or trouble is not None:
        raise NotMeasured(f"wrk: {' '.join(text.split())[-200:]}")
    return int(count[1])


def ceiling(folder: Path, cache: Path, seconds: float) -> float:
    """What wrk itself reaches against a server that does the least, in requests a second."""
    if shutil.which("cc") is None:
        raise NotMeasured("no C compiler (cc) for the trivial server")
    program, port = cache / "trivial_server", free_port()
    subprocess.run(["cc", "-O2", "-o", str(program), str(ASSETS / "trivial_server.c")], check=True)
    process = Process([str(program), str(port)], folder / "trivial_server.log")
    try:
        process.wait_for(port)
        text = _wrk(port, ROUTE, write_lua(Scenario("plain"), folder), seconds)
    finally:
        process.end()
    found = _RATE.search(text)
    if found is None:
        raise NotMeasured("wrk counted nothing")
    return float(found[1])
