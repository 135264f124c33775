"""What the page shows, as values: backends, areas, clauses, cases. Pure but for reading evidence files."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import Catalogue, Clause, Level, load_catalogue
from tgi_conformance.contracts.catalogue.results_keys import NEW_KEYS, RESULTS_KEYS
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.reports.blocked import blocking_clauses
from tgi_conformance.reports.evidence_files import EvidenceError, read_evidence
from tgi_conformance.reports.gate import Gate
from tgi_conformance.reports.html.evidence import EvidenceView, evidence_view
from tgi_conformance.reports.layout import Layout, file_name
from tgi_conformance.reports.network import network_of
from tgi_conformance.reports.repro import repro_command
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.ruling_marks import MARKS, Words, heaviest, in_words
from tgi_conformance.reports.run import BackendInfo, Run

#: Rulings whose cases are shown with their evidence.
EXPLAINED: Final = (RED | {Ruling.ADVISORY, Ruling.EXPECTED}) - {Ruling.BLOCKED, Ruling.NOT_RUN}
#: Rulings that make a clause a problem to read about; of what was blocked only the cause is one, and what was
#: not run the gate tells in a line.
PROBLEMS: Final = RED - {Ruling.BLOCKED, Ruling.NOT_RUN}
#: Characters of inline evidence in one page; beyond it the page names the file. Browsers stay quick to here.
_BUDGET: Final = 12_000_000
#: Failing cases of one clause that stand open.
_OPEN: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One case; ``evidence`` is None where there is none, or no room, and ``note`` then says so."""

    verdict: Verdict
    name: str
    anchor: str
    repro: str = ""
    opened: bool = False
    evidence: EvidenceView | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseView:
    """One clause and its cases on one backend."""

    clause: Clause
    anchor: str
    ruling: Ruling
    counts: Mapping[Ruling, int]
    cases: tuple[CaseView, ...]

    @property
    def explained(self) -> tuple[CaseView, ...]:
        """The cases that did not go as they should."""
        return tuple(case for case in self.cases if case.verdict.ruling in EXPLAINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaView:
    """One area of the catalogue on one backend."""

    name: str
    title: str
    anchor: str
    counts: Mapping[Ruling, int]
    clauses: tuple[ClauseView, ...]
    #: Ids of the area's clauses that no case of this run looked at.
    unseen: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """One key of the results map; no result: left out, for the reason."""

    key: str
    result: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendView:
    """Everything on one backend."""

    info: BackendInfo
    anchor: str
    words: Words
    #: Which fence stood, and what the backend tried beyond it.
    network: tuple[str, ...]
    keys: tuple[KeyView, ...]
    new_keys: tuple[KeyView, ...]
    counts: Mapping[Ruling, int]
    columns: tuple[Ruling, ...]
    areas: tuple[AreaView, ...]

    @property
    def problems(self) -> tuple[ClauseView, ...]:
        """The clauses with a red case: what blocks others first, then MUST before the rest."""
        seen = [clause for area in self.areas for clause in area.clauses]
        causes = blocking_clauses(case.verdict for clause in seen for case in clause.cases)

        def order(view: ClauseView) -> tuple[bool, bool]:
            return view.clause.id not in causes, view.clause.level is not Level.MUST

        return tuple(sorted((view for view in seen if view.ruling in PROBLEMS), key=order))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page."""

    run: Run
    gate: Gate
    backends: tuple[BackendView, ...]
    rulings: tuple[Ruling, ...] = field(default=tuple(MARKS))


def page(run: Run, maps: Sequence[ResultsMap], gate: Gate, layout: Layout) -> Page:
    """Gather the page; evidence is read from the run's folder."""
    by_name = {results.backend: results for results in maps}
    evidence = _PageBudget(layout, run.verdicts)
    backends = tuple(
        _backend(run, info, by_name.get(info.name, ResultsMap(backend=info.name)), evidence)
        for info in run.backends
    )
    return Page(run=run, gate=gate, backends=backends)


class _PageBudget:
    """Reads evidence, the first case of every clause before the second of any, until the page is full."""

    def __init__(self, layout: Layout, verdicts: Sequence[Verdict]) -> None:
        self._views: dict[tuple[str, str], EvidenceView | str] = {}
        room = _BUDGET
        for verdict in _in_turn(verdicts):
            shown = self._read(layout.base, verdict.evidence) if room > 0 else _NO_ROOM
            if isinstance(shown, EvidenceView):
                room -= shown.size
            self._views[verdict.backend, verdict.case] = shown

    def of(self, verdict: Verdict) -> EvidenceView | str:
        """The evidence, or why there is none."""
        return self._views.get((verdict.backend, verdict.case), "")

    @staticmethod
    def _read(base: Path, name: str) -> EvidenceView | str:
        try:
            return evidence_view(read_evidence(base / name))
        except (OSError, EvidenceError) as error:
            return f"The evidence could not be read: {error}"


_NO_ROOM: Final = "This page holds no more evidence; it stands in the file."


def _in_turn(verdicts: Sequence[Verdict]) -> list[Verdict]:
    seen: Counter[tuple[str, str]] = Counter()
    ranked: list[tuple[int, Verdict]] = []
    for verdict in verdicts:
        if verdict.evidence and verdict.ruling in EXPLAINED:
            seen[verdict.backend, verdict.clause] += 1
            ranked.append((seen[verdict.backend, verdict.clause], verdict))
    return [verdict for _, verdict in sorted(ranked, key=lambda pair: pair[0])]


def _backend(run: Run, info: BackendInfo, results: ResultsMap, evidence: _PageBudget) -> BackendView:
    verdicts = run.of(info.name)
    anchor = f"b-{file_name(info.name)}"
    counts = Counter(verdict.ruling for verdict in verdicts)
    return BackendView(
        info=info,
        anchor=anchor,
        words=in_words(verdicts, info.claims),
        network=network_of(info, verdicts),
        keys=tuple(_key(key, results.values, results) for key in RESULTS_KEYS),
        new_keys=tuple(_key(key, results.more, results) for key in NEW_KEYS),
        counts=counts,
        columns=tuple(ruling for ruling in MARKS if counts[ruling]),
        areas=tuple(_areas(run, verdicts, anchor, evidence)),
    )


def _key(key: str, values: Mapping[str, str], results: ResultsMap) -> KeyView:
    return KeyView(key=key, result=values.get(key, ""), reason=results.left_out.get(key, ""))


def _areas(run: Run, verdicts: Sequence[Verdict], anchor: str, evidence: _PageBudget) -> Iterator[AreaView]:
    catalogue = load_catalogue()
    by_clause: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_clause.setdefault(verdict.clause, []).append(verdict)
    for area in catalogue.areas:
        seen = [c for c in area.clauses if c.id in by_clause]
        counts = Counter(v.ruling for c in seen for v in by_clause[c.id])
        yield AreaView(
            name=area.name,
            title=area.title,
            anchor=f"{anchor}-{area.name}",
            counts=counts,
            clauses=tuple(_clause(run, c, by_clause[c.id], anchor, evidence) for c in seen),
            unseen=tuple(c.id for c in area.clauses if c.id not in by_clause),
        )
    if own := _own_clauses(catalogue, by_clause):
        counts = Counter(v.ruling for c in own for v in by_clause[c.id])
        clauses = tuple(_clause(run, c, by_clause[c.id], anchor, evidence) for c in own)
        yield AreaView(
            name="OWN",
            title="clauses of the tester's own",
            anchor=f"{anchor}-OWN",
            counts=counts,
            clauses=clauses,
            unseen=(),
        )


def _own_clauses(catalogue: Catalogue, by_clause: Mapping[str, Sequence[Verdict]]) -> list[Clause]:
    """Stand-ins for clauses that are not in the catalogue: a tester's own tests may name such."""
    return [
        Clause(
            id=name,
            area=verdicts[0].area,
            level=Level(verdicts[0].level),
            capabilities=(),
            statement="",
            stimulus="",
            observable="",
            sources=(),
            grounds=(),
            results_key=verdicts[0].results_key,
        )
        for name, verdicts in by_clause.items()
        if name not in catalogue
    ]


def _clause(
    run: Run, clause: Clause, verdicts: Sequence[Verdict], anchor: str, evidence: _PageBudget
) -> ClauseView:
    order = {ruling: number for number, ruling in enumerate(MARKS)}
    # What went wrong stands first; the order of the cases is kept within.
    ordered = sorted(verdicts, key=lambda v: (v.ruling not in EXPLAINED, order[v.ruling]))
    cases = tuple(_case(run, v, anchor, evidence, number < _OPEN) for number, v in enumerate(ordered))
    return ClauseView(
        clause=clause,
        anchor=f"{anchor}-{file_name(clause.id)}",
        ruling=heaviest(verdicts),
        counts=Counter(v.ruling for v in ordered),
        cases=cases,
    )


def _case(run: Run, verdict: Verdict, anchor: str, evidence: _PageBudget, first: bool) -> CaseView:  # noqa: FBT001
    explained = verdict.ruling in EXPLAINED
    shown = evidence.of(verdict)
    return CaseView(
        verdict=verdict,
        name=verdict.case.removeprefix(f"{verdict.clause}/"),
        anchor=f"{anchor}-{file_name(verdict.case)}",
        repro=repro_command(run.info, verdict) if explained else "",
        opened=first and explained,
        evidence=shown if isinstance(shown, EvidenceView) else None,
        note=shown if isinstance(shown, str) else "",
    )
