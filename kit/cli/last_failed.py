"""The cases that were red when they were last run, for ``--last-failed``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.verdict import RUN_WIDE, Ruling, Verdict
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.verdict_lines import read_verdicts

#: Rulings of cases that had no turn in a run: what an earlier run said of them stands.
_NO_TURN: Final = frozenset({Ruling.NOT_RUN, Ruling.NOT_HERE})


def last_failed(folder: Path) -> tuple[str, ...]:
    """Return the ids of the cases that were red in their last run: whole, narrowed or in profile quick.

    For a red run-wide ruling, the cases that it was seen in. Raises ``OSError`` or ``VerdictLinesError`` for
    files that cannot be read; none at all: no case.
    """
    return tuple(dict.fromkeys(_red_cases(latest(folder).values())))


def cases_behind(folder: Path, name: str) -> tuple[str, ...]:
    """Return the ids of the cases that a red run-wide ruling was seen in; raises as :func:`last_failed`."""
    known = latest(folder).values()
    breaches = [breach for v in known if v.red and v.case.lower() == name.lower() for breach in v.breaches]
    return tuple(dict.fromkeys(breach.case for breach in breaches))


def latest(folder: Path) -> dict[tuple[str, str], Verdict]:
    """The last verdict on each case, by backend and case."""
    whole, quick, narrowed = (
        Layout(folder),
        Layout(folder, quick=True),
        Layout(folder, narrowed=True),
    )
    places = (whole.verdicts, whole.renewed, quick.verdicts, narrowed.verdicts)
    files = [path for path in places if path.is_file()]
    latest: dict[tuple[str, str], Verdict] = {}
    for path in sorted(files, key=lambda file: file.stat().st_mtime_ns):
        latest |= {
            (v.backend, v.case): v
            for v in read_verdicts(path).verdicts
            if v.ruling not in _NO_TURN or (v.backend, v.case) not in latest
        }
    return latest


def _red_cases(verdicts: Iterable[Verdict]) -> Iterable[str]:
    verdicts = tuple(verdicts)
    ruled_once = {finding.case for verdict in verdicts for finding in verdict.findings}
    red = {verdict.case for verdict in verdicts if verdict.red}
    for verdict in verdicts:
        if verdict.case in ruled_once or verdict.case.endswith(f"/{RUN_WIDE}"):
            continue
        shown = any(finding.breach and finding.case in red for finding in verdict.findings)
        if verdict.red or shown:
            yield verdict.case
