"""Results as Markdown."""

import datetime
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from exactness import Figure
from load import Measured
from servers import NICENESS
from workload import Scenario


def machine() -> str:
    """Say in words where and when this was measured."""
    cores = len(os.sched_getaffinity(0))
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    load = os.getloadavg()
    niceness = os.environ.get(NICENESS)
    priority = f"; servers and load at niceness {niceness}" if niceness else ""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return (
        f"{today}; {model}, {cores} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; load average before: {load[0]:.1f} {load[1]:.1f}{priority}"
    )


def load_table(
    scenario: Scenario, measured: Sequence[Measured], left_out: Mapping[str, str], ours: str
) -> list[str]:
    """One scenario: a row for each server, the ratio of our rate to its own in the same rounds."""
    stream = scenario.stream
    mine = next((each for each in measured if each.name == ours), None)
    head = ["server", "version", "requests/s (median, least to most)"]
    head += ["events an answer", "events/s"] if stream else []
    head += ["CPU µs a request", "first row's rate ÷ its rate"]
    rows = [head]
    for each in sorted(measured, key=lambda each: each.name != ours):
        least, most = each.spread
        row = [each.name, each.version, f"{each.rate:,.0f} ({least:,.0f} to {most:,.0f})"]
        row += [str(each.events), f"{each.rate * each.events:,.0f}"] if stream else []
        ratio = "" if mine is None else f"{each.ratio_of(mine, per_event=stream):.2f}"
        row += [f"{each.cpu_us:.0f}", ratio]
        rows.append([*row[:-1], f"{row[-1]} ({each.trouble})" if each.trouble else row[-1]])
    lines = _markdown(rows)
    for name, reason in left_out.items():
        lines.append(f"| {name} | | not measured: {reason.replace('|', '/')} |" + " |" * (len(head) - 3))
    return lines


def figures_table(figures: Iterable[Figure]) -> list[str]:
    """Figures against their bounds."""
    rows = [["what", "measured", "bound", "reached"]]
    rows += [
        [
            each.what,
            f"{each.value:,.3g} {each.unit}",
            f"≤ {each.bound:,g} {each.unit}",
            "yes" if each.reached else "no",
        ]
        for each in figures
    ]
    return _markdown(rows)


def _markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return lines
