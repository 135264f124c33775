"""Endurance of the fake server: many connections, many paced streams, a million requests, flat memory.

``python bench/endurance.py`` takes a few minutes at most, and stops by itself. Loopback only.
"""

import argparse
import asyncio
import contextlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import load
import table
from exactness import Fake, Figure, request_bytes
from servers import LOAD_CORE, NotMeasured, descriptors, pinned, resident_bytes
from workload import COMPLETION, ROUTE, TEXT, Scenario, write_lua

CONNECTIONS: Final = 5_000
STREAMS: Final = 1_000
REQUESTS: Final = 1_000_000
KEPT: Final = 10_000
"""Exchanges that the journal keeps; it is full after the warm-up."""
GAP_MS: Final = 100
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is tried, and the seconds after which each part gives up."""

    connections: int
    streams: int
    requests: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts one after another; exit status 1 where a bound is broken."""
    given = _parser().parse_args(arguments)
    try:
        load.need_wrk()
    except NotMeasured as problem:
        print(f"endurance: {problem}", file=sys.stderr)
        return 2
    limits = Limits(given.connections, given.streams, given.requests, given.seconds)
    _allow_descriptors(max(limits.connections, limits.streams) + 200)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        figures = [
            *asyncio.run(open_connections(folder, limits)),
            *asyncio.run(paced_streams(folder, limits)),
            *many_requests(folder, limits),
        ]
    lines = [table.machine(), "", *table.figures_table(figures)]
    print("\n".join(lines))
    return 0 if all(figure.reached for figure in figures) else 1


def _allow_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"endurance: {wanted} descriptors are needed, at most {hard} are allowed here")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def open_connections(folder: Path, limits: Limits) -> list[Figure]:
    """Open connections that stay; each is asked once, then all close: what is left of them."""
    reply: dict[str, object] = {"response": {"body": {"json": COMPLETION}}}
    with Fake(reply, folder, "--journal-exchanges", str(KEPT)) as fake:
        await _one_connection(fake.port)
        before = descriptors(fake.process.pid)
        async with asyncio.timeout(limits.seconds):
            pairs = [await asyncio.open_connection("127.0.0.1", fake.port) for _ in range(limits.connections)]
            answered = await asyncio.gather(*(_ask_once(*pair) for pair in pairs))
        held = descriptors(fake.process.pid) - before
        for _, writer in pairs:
            writer.close()
        left = await _settled(fake, before)
    count = limits.connections
    return [
        Figure(f"of {count:,} open connections, not held", count - held, 0, "connections"),
        Figure(f"of {count:,} open connections, not answered", count - sum(answered), 0, "connections"),
        Figure("descriptors left after they closed", left, 0, "descriptors"),
    ]


async def _one_connection(port: int) -> None:
    """Ask once on a connection of its own: with the first one a space gets its list of hang-ups."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await _ask_once(reader, writer)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.1)


async def _ask_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(request_bytes(stream=False))
    head = await reader.readuntil(b"\r\n\r\n")
    return head.startswith(b"HTTP/1.1 200")


async def _settled(fake: Fake, before: int) -> int:
    """Descriptors above ``before`` once they have stopped going down, at most 5 s later."""
    deadline = time.monotonic() + 5
    while (left := descriptors(fake.process.pid) - before) > 0 and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return left


async def paced_streams(folder: Path, limits: Limits) -> list[Figure]:
    """Streams at the same time, an event every 100 ms: all whole, and how late the last ones end."""
    reply: dict[str, object] = {"tgi": {"text": TEXT}, "delivery": {"event_gap_ms": GAP_MS}}
    settings = ("--journal-exchanges", str(KEPT), "--max-concurrent-requests", str(limits.streams))
    with Fake(reply, folder, *settings) as fake:
        async with asyncio.timeout(limits.seconds):
            taken = await asyncio.gather(*(_stream(fake.port) for _ in range(limits.streams)))
    whole = [seconds for seconds in taken if seconds is not None]
    least = GAP_MS / 1000 * 64
    slowest = max(whole, default=0.0)
    return [
        Figure(f"of {limits.streams:,} paced streams at once, broken", len(taken) - len(whole), 0, "streams"),
        Figure("the slowest of them, beyond its own pauses", (slowest / least - 1) * 100, 25, "%"),
    ]


async def _stream(port: int) -> float | None:
    """Seconds that one stream took; None where it was not whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun = time.monotonic()
    writer.write(request_bytes(stream=True))
    content = b""
    with contextlib.suppress(asyncio.IncompleteReadError):
        content = await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    return time.monotonic() - begun if content.count(b"\ndata:") >= 64 else None


def many_requests(folder: Path, limits: Limits) -> list[Figure]:
    """Requests until there were enough: memory after a warm-up against memory at the end."""
    reply: dict[str, object] = {"tgi": {"text": TEXT}}
    script = write_lua(Scenario("plain", varied=False), folder)
    with Fake(reply, folder, "--journal-exchanges", str(KEPT)) as fake:
        asyncio.run(_one_connection(fake.port))
        before = descriptors(fake.process.pid)
        warm = _load(fake.port, script, 2 * KEPT, 30)
        memory = resident_bytes(fake.process.pid)
        done = warm + _load(fake.port, script, limits.requests - warm, limits.seconds)
        grown = (resident_bytes(fake.process.pid) - memory) / MIB
        left = asyncio.run(_settled(fake, before))
    return [
        Figure(
            f"of {limits.requests:,} requests, not made in time",
            max(limits.requests - done, 0),
            0,
            "requests",
        ),
        Figure("memory that they added after the warm-up", grown, 8, "MiB"),
        Figure("descriptors left after them", left, 0, "descriptors"),
    ]


def _load(port: int, script: Path, wanted: int, seconds: float) -> int:
    """Load in runs of two seconds until so many requests were answered, or the time is over."""
    deadline = time.monotonic() + seconds
    done = 0
    while done < wanted and time.monotonic() < deadline:
        command = [*pinned(LOAD_CORE), "wrk", "-t1", f"-c{load.CONNECTIONS}", "-d2s"]
        text = subprocess.run(
            [*command, "-s", str(script), f"http://127.0.0.1:{port}{ROUTE}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
        done += load.answered(text)
    return done


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/endurance.py", description=__doc__)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seconds", type=float, default=300, help="at most, for each part (default: 300)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
