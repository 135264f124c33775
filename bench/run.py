"""The bench: ``python bench/run.py`` prints a Markdown table of the fake server beside its peers.

Linux with two cores: servers run on the first, the load on the second. Traffic goes to loopback only.
"""

import argparse
import contextlib
import importlib.metadata
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import exactness
import load
import ours
import table
from peers import PEERS, Running
from servers import NotMeasured
from workload import Scenario

SCENARIOS: Final = (
    (Scenario("plain"), "Plain JSON answers to `POST /v1/chat/completions`"),
    (Scenario("plain", varied=True), "The same, each request with a body of its own"),
    (Scenario("stream"), "Streams of 64 tokens, as fast as the server can"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; exit status 2 where the bench itself cannot run here."""
    given = _parser().parse_args(arguments)
    try:
        load.need_wrk()
    except NotMeasured as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    given.cache.mkdir(parents=True, exist_ok=True)
    lines = [table.machine(), ""]
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        if "load" in given.parts:
            lines += _load(given, folder, stack)
        stack.close()
        if "exactness" in given.parts:
            lines += ["### Exactness and start", "", *table.figures_table(exactness.measure(folder)), ""]
    text = "\n".join(lines)
    print(text)
    if given.output is not None:
        given.output.write_text(text + "\n", encoding="utf-8")
    return 0


def _load(given: argparse.Namespace, folder: Path, stack: contextlib.ExitStack) -> list[str]:
    lines = [
        f"wrk's own ceiling on this machine, against a server that does nothing: {_ceiling(given, folder)}.",
        "",
    ]
    peers, absent = _peers(given, stack)
    for scenario, title in SCENARIOS:
        started = [
            _ours(name, folder, stack) for name, play in ours.PLAYS.items() if play[0] == scenario.kind
        ]
        measured, left_out = load.rounds([*started, *peers], scenario, folder, given.rounds, given.seconds)
        for running in started:
            running.process.end()
        lines += [f"### {title}", ""]
        lines += [*table.load_table(scenario, measured, {**left_out, **absent}, started[0].name), ""]
        _say(f"{title}: done")
    return lines


def _ceiling(given: argparse.Namespace, folder: Path) -> str:
    try:
        return f"{load.ceiling(folder, given.cache, given.seconds):,.0f} requests/s"
    except NotMeasured as problem:
        return f"not measured: {problem}"


def _ours(name: str, folder: Path, stack: contextlib.ExitStack) -> Running:
    version = importlib.metadata.version("tgi-conformance")
    running = ours.start(name, version, folder, "--journal-exchanges", "50000")
    stack.callback(running.process.end)
    return running


def _peers(given: argparse.Namespace, stack: contextlib.ExitStack) -> tuple[list[Running], dict[str, str]]:
    """Start the peers that were asked for; the others, and those that cannot be had, with the reason."""
    started: list[Running] = []
    absent: dict[str, str] = {}
    for peer in PEERS:
        if peer.name not in given.peers:
            absent[peer.name] = "left out by --peers"
            continue
        _say(f"{peer.name}: from {peer.source}")
        try:
            running = peer.start(given.cache)
        except NotMeasured as problem:
            absent[peer.name] = str(problem)
            _say(f"{peer.name}: not measured: {problem}")
            continue
        stack.callback(running.process.end)
        started.append(running)
    return started, absent


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    names = tuple(peer.name for peer in PEERS)
    parser.add_argument(
        "--peers", nargs="*", choices=names, default=names, help="peers to measure (default: all)"
    )
    parser.add_argument("--parts", nargs="+", choices=("load", "exactness"), default=("load", "exactness"))
    parser.add_argument("--rounds", type=int, default=5, help="paired rounds (default: 5)")
    parser.add_argument("--seconds", type=float, default=3, help="seconds of load a round (default: 3)")
    cache = Path.home() / ".cache" / "tgi-conformance-bench"
    parser.add_argument(
        "--cache", type=Path, default=cache, help="where peers are installed (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, help="also write the table to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
