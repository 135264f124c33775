"""The summary at the end of a run: the causes, what stands behind them, the files, and at last the answer."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.text import Text

from tgi_conformance.contracts.fault import places_said
from tgi_conformance.contracts.script.whole import NATIVE_PERSONA
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.reports.blocked import blocked_in_words
from tgi_conformance.reports.comparison import Comparison
from tgi_conformance.reports.gate import Gate
from tgi_conformance.reports.network import network_of
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.ruling_marks import in_words
from tgi_conformance.reports.run import BackendInfo, Run, RunInfo
from tgi_conformance.reports.run_folder import Written
from tgi_conformance.reports.terminal.answer import answer
from tgi_conformance.reports.terminal.causes import cause_lines
from tgi_conformance.reports.terminal.clauses import MOST_REASONS, TOLD, reasons
from tgi_conformance.reports.terminal.lines import hanging, paragraph, plural
from tgi_conformance.reports.terminal.tables import areas, keys

_COLOURS: Final = {"good": "green", "bad": "red", "warn": "yellow", "info": "cyan", "mute": "bright_black"}


def summary(
    run: Run, gate: Gate, written: Written, *, width: int | None, remarks: Sequence[str] = ()
) -> list[Text]:
    """The whole summary as styled lines, wrapped to a terminal's ``width``; None: nothing wrapped or cut."""
    maps = {results.backend: results for results in written.maps}
    lines: list[Text] = []
    for backend in run.backends:
        lines += _backend(run, backend, maps.get(backend.name, ResultsMap(backend=backend.name)), width)
    lines += [Text(), *_files(written, width), *_end(run, gate, width)]
    for remark in remarks:
        lines += paragraph(f"remark: {remark}", width=width, indent=2, style="yellow")
    return [*lines, Text(), *answer(run, gate, written, width=width)]


def _backend(run: Run, backend: BackendInfo, results: ResultsMap, width: int | None) -> Iterator[Text]:
    verdicts = run.of(backend.name)
    words = in_words(verdicts, backend.claims)
    yield Text()
    yield Text.assemble(
        (f"{backend.name} {backend.version}", "bold"), "  ", (words.title, f"bold {_COLOURS[words.tone]}")
    )
    yield from paragraph(words.detail, width=width, indent=2)
    if backend.hidden:
        text = f"implemented but not claimed: {', '.join(backend.hidden)}"
        yield from paragraph(text, width=width, indent=2, style="yellow")
    for line in network_of(backend, verdicts):
        yield from paragraph(line, width=width, indent=2)
    yield from cause_lines(run, backend.name, width=width)
    yield from _blocked(verdicts, width)
    if any(verdict.ruling in TOLD for verdict in verdicts):
        yield Text()
        yield Text("  by clause:", "bold")
        yield from reasons(verdicts, width=width, most=None if width is None else MOST_REASONS)
        yield from _in_adapter(verdicts, width)
    yield Text()
    yield from areas(verdicts, width=width)
    yield Text()
    yield from keys(results, width=width)


def _in_adapter(verdicts: Sequence[Verdict], width: int | None) -> Iterator[Text]:
    """In how many red cases an exception began in the adapter, and where most did."""
    red = [set(places_said(verdict.observed)) for verdict in verdicts if verdict.ruling in RED]
    places = Counter(place for said in red for place in said)
    if places:
        cases = f"{sum(map(bool, red))} {plural(sum(map(bool, red)), 'case')}"
        (first, _), *rest = places.most_common()
        more = f" and {len(rest)} more {plural(len(rest), 'place')}" if rest else ""
        text = f"in {cases} an exception began in the adapter itself: {first}{more}"
        yield from paragraph(text, width=width, indent=2, style="bold yellow")


def _blocked(verdicts: Sequence[Verdict], width: int | None) -> Iterator[Text]:
    """What was blocked, counted, and why, in full: it is the first thing to mend."""
    words = blocked_in_words(verdicts)
    if not words:
        return
    yield Text()
    for line in words:
        yield from paragraph(line, width=width, indent=2, style="bold red")
    causes = {v.blocked_by: v.reason for v in reversed(verdicts) if v.ruling is Ruling.BLOCKED}
    for cause, reason in sorted(causes.items()):
        yield from hanging(Text("    "), f"{cause}: {reason}", width=width, indent=4)


def _files(written: Written, width: int | None) -> Iterator[Text]:
    for folder, names in _by_folder(written.paths):
        head, text = (
            ("written: ", str(folder / names[0])) if len(names) == 1 else (f"written to {folder}: ", "")
        )
        yield from hanging(Text(f"  {head}"), text or ", ".join(names), width=width, indent=4)
    for comparison in written.comparison:
        yield from _compared(comparison, width)


def _by_folder(paths: Iterable[Path]) -> Iterable[tuple[Path, list[str]]]:
    found: dict[Path, list[str]] = {}
    for path in paths:
        found.setdefault(path.parent, []).append(path.name)
    return found.items()


def _compared(comparison: Comparison, width: int | None) -> Iterator[Text]:
    if comparison.problem:
        yield from paragraph(comparison.problem, width=width, indent=2, style="yellow")
    elif comparison.same:
        yield Text(f"  same as {comparison.file}", "green")
    else:
        yield Text(f"  differs from {comparison.file}:", "yellow")
        yield from (Text(f"    {difference}", "yellow") for difference in comparison.differences)


def _end(run: Run, gate: Gate, width: int | None) -> Iterator[Text]:
    if run.info.narrowed:
        text = f"narrowed run ({run.info.selection or 'a part of the cases'}): no results map"
        yield from paragraph(text, width=width, indent=2, style="yellow")
    if run.info.server != NATIVE_PERSONA:
        text = f"played as server: {run.info.server}"
        yield from paragraph(text, width=width, indent=2, style="cyan")
    text = f"seed {run.info.seed}, {run.info.wall_seconds:.1f} s, {run.info.workers} workers"
    yield from paragraph(text, width=width, indent=2, style="dim")
    yield from _time(run.info, width)
    for line in run.real_lines:
        yield from paragraph(line, width=width, indent=2, style="cyan")
    if run.info.debt is not None:
        yield from paragraph(run.info.debt.in_words, width=width, indent=2, style="yellow")
    style = "bold green" if gate.code == 0 else "bold red"
    yield from paragraph(f"exit code {gate.code}: {gate.meaning}", width=width, indent=2, style=style)
    for reason in (*gate.reasons, *gate.aside):
        yield from paragraph(reason, width=width, indent=4)


def _time(info: RunInfo, width: int | None) -> Iterator[Text]:
    if not info.least_seconds:
        return
    waits = f"waits {info.longest_wait_seconds:.1f} s"
    work = f"CPU {info.cpu_seconds:.1f} s on {info.cores} {plural(info.cores, 'core')}"
    times = info.wall_seconds / info.least_seconds
    text = f"{waits}, {work}; the run took {times:.2f} times the longer of these two"
    yield from paragraph(text, width=width, indent=2, style="dim")
