"""The summary at the end of a run, for a terminal or for the plain log of a CI."""

import io
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.text import Text

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS
from tgi_conformance.contracts.fault import places_said
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.reports.blocked import blocked_in_words, blocking_clauses
from tgi_conformance.reports.gate import Gate
from tgi_conformance.reports.network import network_of
from tgi_conformance.reports.readable import visible
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.ruling_marks import MARKS, in_words
from tgi_conformance.reports.run import BackendInfo, Run, RunInfo
from tgi_conformance.reports.run_folder import Written

#: Rulings told clause by clause. What was blocked is told by its cause, what was not run by the gate.
_TOLD_BY_CLAUSE: Final = RED - {Ruling.BLOCKED, Ruling.NOT_RUN}
#: Lines of reasons, for one screen.
MOST_REASONS: Final = 40
_COLOURS: Final = {"good": "green", "bad": "red", "warn": "yellow", "info": "cyan", "mute": "bright_black"}


def summary(run: Run, gate: Gate, written: Written, *, width: int = 100) -> list[Text]:
    """The whole summary as styled lines, none longer than ``width`` characters."""
    maps = {results.backend: results for results in written.maps}
    lines: list[Text] = []
    for backend in run.backends:
        lines += _backend(run, backend, maps.get(backend.name, ResultsMap(backend=backend.name)), width)
    lines += [Text(), *_files(written, width), *_end(run, gate)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def to_strings(lines: Iterable[Text], *, colour: bool) -> list[str]:
    """The lines as text, with ANSI colours or without."""
    if not colour:
        return [line.plain for line in lines]
    return [_ansi(line) for line in lines]


def _ansi(line: Text) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", legacy_windows=False)
    with console.capture() as capture:
        console.print(line, end="", soft_wrap=True, highlight=False)
    return capture.get()


def _backend(run: Run, backend: BackendInfo, results: ResultsMap, width: int) -> Iterator[Text]:
    verdicts = run.of(backend.name)
    words = in_words(verdicts, backend.claims)
    yield Text()
    yield Text.assemble(
        (f"{backend.name} {backend.version}", "bold"), "  ", (words.title, f"bold {_COLOURS[words.tone]}")
    )
    yield Text(f"  {words.detail}")
    if backend.hidden:
        yield Text(f"  implemented but not claimed: {', '.join(backend.hidden)}", "yellow")
    yield from (Text(f"  {visible(line)}") for line in network_of(backend, verdicts))
    yield Text()
    yield from _areas(verdicts)
    yield from _blocked(verdicts, width)
    if any(verdict.ruling in _TOLD_BY_CLAUSE for verdict in verdicts):
        yield Text()
        yield from reasons(verdicts, width=width)
        yield from _in_adapter(verdicts)
    yield Text()
    yield from _keys(results, width)


def _in_adapter(verdicts: Sequence[Verdict]) -> Iterator[Text]:
    """In how many red cases an exception began in the adapter, and where most did."""
    red = [set(places_said(verdict.observed)) for verdict in verdicts if verdict.ruling in RED]
    places = Counter(place for said in red for place in said)
    if places:
        cases = f"{sum(map(bool, red))} {_plural(sum(map(bool, red)), 'case')}"
        (first, _), *rest = places.most_common()
        more = f" and {len(rest)} more {_plural(len(rest), 'place')}" if rest else ""
        yield Text(f"  in {cases} an exception began in the adapter itself: {first}{more}", "bold yellow")


def _areas(verdicts: Sequence[Verdict]) -> Iterator[Text]:
    """One row an area, one column a ruling that occurs."""
    columns = [ruling for ruling in MARKS if any(v.ruling is ruling for v in verdicts)]
    by_area: dict[str, Counter[Ruling]] = {area.name: Counter() for area in load_catalogue().areas}
    for verdict in verdicts:
        by_area.setdefault(_area(verdict), Counter())[verdict.ruling] += 1
    widths = {ruling: max(len(ruling), 6) for ruling in columns}
    yield Text.assemble(
        "  ", ("area    ", "bold"), *((f"  {ruling:>{widths[ruling]}}", "bold") for ruling in columns)
    )
    rows = [(area, counts) for area, counts in by_area.items() if counts]
    for area, counts in [*rows, ("all", Counter(v.ruling for v in verdicts))]:
        cells = [
            (
                f"  {counts[ruling] or '.':>{widths[ruling]}}",
                MARKS[ruling].colour if counts[ruling] else "dim",
            )
            for ruling in columns
        ]
        yield Text.assemble("  ", (f"{area:<8}", "bold" if area == "all" else ""), *cells)


def _blocked(verdicts: Sequence[Verdict], width: int) -> Iterator[Text]:
    """What was blocked, counted, and why, in full: it is the first thing to mend."""
    words = blocked_in_words(verdicts)
    if not words:
        return
    yield Text()
    yield from (Text(f"  {line}", "bold red") for line in words)
    causes = {v.blocked_by: v.reason for v in reversed(verdicts) if v.ruling is Ruling.BLOCKED}
    for cause, reason in sorted(causes.items()):
        text = " ".join(visible(f"{cause}: {reason}").split())
        yield from (Text(f"    {row}") for row in textwrap.wrap(text, width - 4, break_on_hyphens=False))


def reasons(verdicts: Sequence[Verdict], *, width: int = 100, most: int = MOST_REASONS) -> list[Text]:
    """Why the run is red, grouped by clause, in at most ``most`` lines.

    What blocks other cases comes first, then MUST before the rest.

    Cases of one clause that failed for the same reason share a line.
    """
    told = [v for v in verdicts if v.ruling in _TOLD_BY_CLAUSE]
    causes = blocking_clauses(verdicts)
    red = sorted(told, key=lambda v: (v.clause not in causes, v.level != "MUST", v.clause))
    groups = [list(group) for _, group in groupby(red, key=lambda v: v.clause)]
    lines: list[Text] = []
    for number, group in enumerate(groups):
        block = _clause_block(group, width)
        # The last line is kept for what does not fit.
        if len(lines) + len(block) > most - 1 and (
            len(lines) + len(block) > most or number + 1 < len(groups)
        ):
            left = groups[number:]
            cases = sum(map(len, left))
            more = f"  +{len(left)} more {_plural(len(left), 'clause')} with {cases} {_plural(cases, 'case')}"
            return [*lines, Text(f"{more}: see report.html", "bold")]
        lines += block
    return lines


def _clause_block(group: Sequence[Verdict], width: int) -> list[Text]:
    clause = group[0].clause
    catalogue = load_catalogue()
    statement = catalogue[clause].statement if clause in catalogue else ""
    lines = [Text.assemble("  ", (f"{clause} {group[0].level}", "bold"), "  ", (visible(statement), "dim"))]
    by_reason: dict[tuple[Ruling, str], list[Verdict]] = {}
    for verdict in group:
        by_reason.setdefault((verdict.ruling, verdict.reason), []).append(verdict)
    shown = list(by_reason.items())[:3]
    for (ruling, reason), cases in shown:
        mark = MARKS[ruling]
        names = cases[0].case.removeprefix(f"{clause}/")
        more = f" +{len(cases) - 1}" if len(cases) > 1 else ""
        unsteady = f" (unsteady {cases[0].unsteady})" if cases[0].unsteady else ""
        text = " ".join(visible(reason or str(ruling)).split())
        lines.append(
            Text.assemble("    ", (f"{mark.sign} {names}{more}{unsteady}", mark.colour), f"  {text}")
        )
    if rest := sum(len(cases) for cases in list(by_reason.values())[3:]):
        lines.append(Text(f"    +{rest} more {_plural(rest, 'case')} in report.html", "dim"))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _keys(results: ResultsMap, width: int) -> Iterator[Text]:
    """The 22 keys in columns."""
    longest = max(map(len, RESULTS_KEYS)) + 4
    columns = max(1, (width - 2) // longest)
    done = len(results.values)
    good = done - len(results.failed)
    left_out = len(RESULTS_KEYS) - done
    aside = f", {left_out} left out" if left_out else ""
    yield Text(f"  results map: {good} Success, {len(results.failed)} Failed{aside}", "bold")
    rows = -(-len(RESULTS_KEYS) // columns)
    for row in range(rows):
        cells = [_key(key, results) for key in RESULTS_KEYS[row::rows]]
        line = Text("  ")
        for cell in cells:
            cell.pad_right(max(0, longest - len(cell.plain)))
            line.append_text(cell)
        line.rstrip()
        yield line
    for key in results.unclear:
        yield Text(f"  {key} is left out: {' '.join(visible(results.left_out[key]).split())}", "yellow")


def _key(key: str, results: ResultsMap) -> Text:
    result = results.values.get(key)
    if result is None:
        return Text(f"- {key}", "bright_black")
    return Text(f"✓ {key}", "green") if result == "Success" else Text(f"✗ {key}", "bold red")


def _files(written: Written, width: int) -> Iterator[Text]:
    if written.paths:
        yield Text(f"  written to {written.paths[-1].parent}:", "bold")
        names = ", ".join(path.name for path in written.paths)
        yield from (Text(f"    {row}") for row in textwrap.wrap(names, width - 4, break_on_hyphens=False))
    for comparison in written.comparison:
        if comparison.problem:
            yield Text(f"  {comparison.problem}", "yellow")
        elif comparison.same:
            yield Text(f"  same as {comparison.file}", "green")
        else:
            yield Text(f"  differs from {comparison.file}:", "yellow")
            yield from (Text(f"    {difference}", "yellow") for difference in comparison.differences)


def _end(run: Run, gate: Gate) -> Iterator[Text]:
    if run.info.narrowed:
        yield Text(
            f"  narrowed run ({run.info.selection or 'a part of the cases'}): no results map", "yellow"
        )
    yield Text(f"  seed {run.info.seed}, {run.info.wall_seconds:.1f} s, {run.info.workers} workers", "dim")
    yield from _time(run.info)
    yield from _real(run)
    yield Text(f"  exit code {gate.code}: {gate.meaning}", "bold green" if gate.code == 0 else "bold red")
    yield from (Text(f"    {visible(reason)}") for reason in gate.reasons)


def _real(run: Run) -> Iterator[Text]:
    """What was asked of the real endpoint, and how many cases it decided."""
    yield from (Text(f"  {visible(line)}", "cyan") for line in run.real_lines)


def _time(info: RunInfo) -> Iterator[Text]:
    if not info.least_seconds:
        return
    waits = f"waits {info.longest_wait_seconds:.1f} s"
    work = f"CPU {info.cpu_seconds:.1f} s on {info.cores} {_plural(info.cores, 'core')}"
    times = info.wall_seconds / info.least_seconds
    yield Text(f"  {waits}, {work}; the run took {times:.2f} times the longer of these two", "dim")


def _area(verdict: Verdict) -> str:
    return verdict.area or verdict.clause.partition("-")[0]


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
