"""What the board shows, as values: its rows, and the page of each. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tgi_conformance.contracts.catalogue.levels import ConformanceLevel
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.reports.board.cells import Cell, cell_of
from tgi_conformance.reports.board.entry import USUAL_SERVER, BoardInput, Entry, entries_of
from tgi_conformance.reports.board.names import page_names
from tgi_conformance.reports.board.suite import AreaSuite, Suite
from tgi_conformance.reports.board.trend import Trend, earlier_of, trend_of
from tgi_conformance.reports.causes.cause import Cause, Causes
from tgi_conformance.reports.causes.grouping import advice_of, causes_of
from tgi_conformance.reports.formats.badge import Badge, badge_of
from tgi_conformance.reports.gating.reached import level_reached
from tgi_conformance.reports.layout import file_name
from tgi_conformance.reports.repro import repro_command
from tgi_conformance.reports.results_map import ResultsMap, roll_up
from tgi_conformance.reports.ruling_marks import Words, in_words

#: The column of what is of no area of the catalogue: tests of a user's own.
OTHER: Final = AreaSuite(name="OTHER", title="Cases of no area of the suite")
#: What could not be decided, red though nothing failed.
_OPEN: Final = RED - {Ruling.FAILED, Ruling.BLOCKED}


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseView:
    """A cause, and how it is seen again."""

    cause: Cause
    anchor: str
    #: Runs its example.
    command: str
    #: Makes the example a script of its own, once it was run.
    script: str
    #: The file of the example's evidence in the site; empty: the input had none.
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaView:
    """One area of one client: its cell, and what lies behind it."""

    area: AreaSuite
    cell: Cell
    anchor: str
    #: Its red cases, and its advisory ones.
    causes: tuple[CauseView, ...]
    advice: tuple[CauseView, ...]
    undecided: tuple[Verdict, ...]
    #: Why cases were not judged, and how many.
    reasons: Mapping[str, int]
    broken: int = 0
    fixed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One client of one run."""

    entry: Entry
    #: Of its files, without folder and ending.
    page: str
    words: Words
    #: None: the first is not reached, or the run tried a part of the cases only.
    level: ConformanceLevel | None
    #: None: the run tried a part of the cases only.
    badge: Badge | None
    map: ResultsMap
    areas: tuple[AreaView, ...]
    causes: Causes
    advice: Causes
    shown: tuple[CauseView, ...]
    shown_advice: tuple[CauseView, ...]
    trend: Trend | None = None
    #: The page of the run that it is held against.
    trend_page: str = ""

    @property
    def tried_cases(self) -> int:
        """How many cases of the suite were decided."""
        return sum(view.cell.tried_cases for view in self.areas)

    @property
    def tried_clauses(self) -> int:
        """How many clauses of the suite were decided."""
        return sum(view.cell.tried_clauses for view in self.areas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The whole board. ``rows`` are the newest, ``earlier`` those that one of them is held against."""

    suite: Suite
    #: The version of the kit that makes it.
    kit: str
    columns: tuple[AreaSuite, ...]
    rows: tuple[Row, ...]
    earlier: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        """Every row."""
        return iter((*self.rows, *self.earlier))


def board_of(inputs: Sequence[BoardInput], suite: Suite, kit: str) -> Board:
    """Gather the board."""
    entries = entries_of(inputs)
    before = {entry.digest: earlier_of(entry, entries) for entry in entries}
    old = {other.digest for other in before.values() if other is not None}
    current = [entry for entry in entries if entry.digest not in old]
    earlier = [entry for entry in entries if entry.digest in old]
    names = page_names(current, earlier)
    columns = _columns(suite, entries)
    made = {entry.digest: _row(entry, before[entry.digest], columns, names) for entry in entries}
    return Board(
        suite=suite,
        kit=kit,
        columns=columns,
        rows=tuple(made[entry.digest] for entry in current),
        earlier=tuple(made[entry.digest] for entry in earlier),
    )


def _columns(suite: Suite, entries: Sequence[Entry]) -> tuple[AreaSuite, ...]:
    known = {area.name for area in suite.areas}
    other = any(verdict.area not in known for entry in entries for verdict in entry.verdicts)
    return (*suite.areas, OTHER) if other else suite.areas


def _row(entry: Entry, before: Entry | None, columns: Sequence[AreaSuite], names: Mapping[str, str]) -> Row:
    run, name = entry.run, entry.name
    causes, advice, results = causes_of(run, name), advice_of(run, name), roll_up(entry.verdicts, name)
    trend = None if before is None else trend_of(before, entry)
    page = names[entry.digest]
    shown = tuple(_cause(entry, cause, "cause", page) for cause in causes)
    shown_advice = tuple(_cause(entry, cause, "advice", page) for cause in advice)
    return Row(
        entry=entry,
        page=page,
        words=in_words(entry.verdicts, entry.backend.claims),
        level=None if entry.partly else level_reached(entry.verdicts),
        badge=None if entry.partly else _badge(entry, results),
        map=results,
        areas=tuple(_areas(entry, columns, shown, shown_advice, trend)),
        causes=causes,
        advice=advice,
        shown=shown,
        shown_advice=shown_advice,
        trend=trend,
        trend_page="" if before is None else names[before.digest],
    )


def _badge(entry: Entry, results: ResultsMap) -> Badge:
    """The badge of a run, which says the server if it is not the usual one."""
    badge = badge_of(entry.run, entry.backend, results)
    if entry.server == USUAL_SERVER or entry.server in badge.message:
        return badge
    return replace(badge, message=f"{badge.message} on {entry.server}")


def _cause(entry: Entry, cause: Cause, kind: str, page: str) -> CauseView:
    example = cause.example
    kept = bool(example.evidence) and example.evidence in entry.evidence
    return CauseView(
        cause=cause,
        anchor=f"{kind}-{cause.id}",
        command=repro_command(entry.info, example),
        script=f"tgi-conformance reproduce {example.case}",
        evidence=f"evidence/{page}/{file_name(example.case)}.json" if kept else "",
    )


def _areas(
    entry: Entry,
    columns: Sequence[AreaSuite],
    causes: Sequence[CauseView],
    advice: Sequence[CauseView],
    trend: Trend | None,
) -> Iterator[AreaView]:
    by_area: dict[str, list[Verdict]] = {area.name: [] for area in columns}
    for verdict in entry.verdicts:
        by_area[verdict.area if verdict.area in by_area else OTHER.name].append(verdict)
    changed = {} if trend is None else trend.by_area
    for area in columns:
        verdicts = by_area[area.name]
        if area is OTHER and not verdicts:
            continue  # what there is nothing of is not untested
        cases = {verdict.case for verdict in verdicts}
        broken, fixed = changed.get(area.name, (0, 0))
        yield AreaView(
            area=area,
            cell=cell_of(area, verdicts, partly=entry.partly),
            anchor=f"area-{area.name}",
            causes=tuple(_of(causes, cases)),
            advice=tuple(_of(advice, cases)),
            undecided=tuple(verdict for verdict in verdicts if verdict.ruling in _OPEN),
            reasons=_reasons(verdicts),
            broken=broken,
            fixed=fixed,
        )


def _of(views: Sequence[CauseView], cases: set[str]) -> Iterator[CauseView]:
    for view in views:
        if any(verdict.case in cases for verdict in (*view.cause.verdicts, *view.cause.blocked)):
            yield view


def _reasons(verdicts: Sequence[Verdict]) -> Mapping[str, int]:
    """Why cases were not judged, the most frequent first."""
    found: dict[str, int] = {}
    for verdict in verdicts:
        if verdict.ruling in (Ruling.NOT_APPLICABLE, Ruling.NOT_HERE):
            reason = verdict.reason or str(verdict.ruling)
            found[reason] = found.get(reason, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
