"""Two versions of the fake server in pairs: CPU time a request, the old one and the new one in turn.

    python bench/versions.py old/bin/python new/bin/python --pairs 9

Each interpreter holds one version of the kit. What is told is the median over the pairs of the new one's CPU
time to the old one's, which a disturbance that lasts longer than a pair leaves alone.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

import ours
from load import ask, need_wrk, sample
from workload import Scenario, write_lua

#: What is compared: its name, the play of :mod:`ours`, what is asked.
COMPARED: Final = (
    ("plain, each body its own", "tgi-conformance, TGI's answer", Scenario("plain", varied=True)),
    ("plain, remembered", "tgi-conformance, TGI's answer", Scenario("plain")),
    ("streamed, each body its own", "tgi-conformance, a write an event", Scenario("stream", varied=True)),
    ("streamed, remembered", "tgi-conformance, a write an event", Scenario("stream")),
)


def pairs(name: str, scenario: Scenario, pythons: tuple[str, str], count: int, seconds: float) -> list[str]:
    """Measure one way of answering; returns the row of the table."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        script = write_lua(scenario, folder)
        servers = [
            ours.start(name, which, folder, "--journal-exchanges", "50000", python=python)
            for which, python in zip(("old", "new"), pythons, strict=True)
        ]
        try:
            for server in servers:
                ask(server, scenario)
            taken = [[sample(server, script, seconds).cpu_us for server in servers] for _ in range(count)]
        finally:
            for server in servers:
                server.process.end()
    old, new = (statistics.median(each) for each in zip(*taken, strict=True))
    ratio = statistics.median(later / earlier for earlier, later in taken)
    return [f"{old:.1f}", f"{new:.1f}", f"{ratio:.3f}"]


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Two versions of the fake server in pairs.")
    parser.add_argument("old", help="interpreter that holds the old version")
    parser.add_argument("new", help="interpreter that holds the new version")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    need_wrk()
    print(
        "| answers | CPU µs a request, old | new | new ÷ old (median of pairs) |\n| --- | --- | --- | --- |"
    )
    for title, name, scenario in COMPARED:
        row = pairs(name, scenario, (given.old, given.new), given.pairs, given.seconds)
        print(f"| {title} | {' | '.join(row)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
