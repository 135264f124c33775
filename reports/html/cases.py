"""The cases of one backend as the page shows them: areas, clauses, cases. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import Catalogue, Clause, Level, load_catalogue
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.reports.causes.cause import Causes
from tgi_conformance.reports.layout import file_name
from tgi_conformance.reports.repro import repro_command
from tgi_conformance.reports.ruling_marks import MARKS, heaviest
from tgi_conformance.reports.run import RunInfo

#: Rulings whose cases are shown with their evidence.
EXPLAINED: Final = (RED | {Ruling.ADVISORY, Ruling.EXPECTED}) - {Ruling.BLOCKED, Ruling.NOT_RUN}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One case."""

    verdict: Verdict
    name: str
    anchor: str
    #: Id of the cause behind it; empty: none is known.
    cause: str = ""
    repro: str = ""

    @property
    def told(self) -> bool:
        """Whether there is more to say of it than its line."""
        v = self.verdict
        return bool(
            v.ruling in EXPLAINED
            or v.expected
            or v.observed
            or v.record is not None
            or any(finding.breach for finding in v.findings)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseView:
    """One clause and its cases on one backend."""

    clause: Clause
    anchor: str
    ruling: Ruling
    counts: Mapping[Ruling, int]
    cases: tuple[CaseView, ...]

    @property
    def red(self) -> bool:
        """Whether one of its cases went red by what it showed."""
        return any(case.verdict.red and case.verdict.ruling in EXPLAINED for case in self.cases)


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


@dataclass(frozen=True, slots=True)
class Anchors:
    """Ids of the page's parts. Those of cases are permalinks: the same in every run, and short.

    ``several``: with more than one backend, each id says whose part it is.
    """

    several: bool = False

    def backend(self, name: str) -> str:
        """The part of a backend."""
        return f"b-{file_name(name)}"

    def cause(self, backend: str, cause: str) -> str:
        """A cause of a backend."""
        return f"{self.backend(backend)}-cause-{cause}"

    def case(self, verdict: Verdict) -> str:
        """A case, as ``STREAM-12__fin``."""
        return self.of(verdict.backend, verdict.case)

    def of(self, backend: str, name: str) -> str:
        """A clause, an area or a case of a backend."""
        return f"{file_name(backend)}:{file_name(name)}" if self.several else file_name(name)


def areas(info: RunInfo, verdicts: Sequence[Verdict], causes: Causes, anchors: Anchors) -> Iterator[AreaView]:
    """The areas that hold a case, in the order of the catalogue, then the tester's own clauses."""
    catalogue = load_catalogue()
    by_clause: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_clause.setdefault(verdict.clause, []).append(verdict)
    maker = _Maker(
        info, {v.case: cause.id for cause in causes for v in cause.verdicts}, anchors, causes.backend
    )
    for area in catalogue.areas:
        seen = [clause for clause in area.clauses if clause.id in by_clause]
        unseen = tuple(clause.id for clause in area.clauses if clause.id not in by_clause)
        yield maker.area(area.name, area.title, [(clause, by_clause[clause.id]) for clause in seen], unseen)
    if own := _own_clauses(catalogue, by_clause):
        yield maker.area("OWN", "clauses of the tester's own", [(c, by_clause[c.id]) for c in own], ())


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


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes views of one backend; ``causes``: case to the id of its cause."""

    info: RunInfo
    causes: Mapping[str, str]
    anchors: Anchors
    backend: str

    def area(
        self, name: str, title: str, seen: Sequence[tuple[Clause, Sequence[Verdict]]], unseen: tuple[str, ...]
    ) -> AreaView:
        return AreaView(
            name=name,
            title=title,
            anchor=self.anchors.of(self.backend, name),
            counts=Counter(verdict.ruling for _, verdicts in seen for verdict in verdicts),
            clauses=tuple(self._clause(clause, verdicts) for clause, verdicts in seen),
            unseen=unseen,
        )

    def _clause(self, clause: Clause, verdicts: Sequence[Verdict]) -> ClauseView:
        order = {ruling: number for number, ruling in enumerate(MARKS)}
        # What went wrong stands first; the order of the cases is kept within.
        ordered = sorted(verdicts, key=lambda v: (v.ruling not in EXPLAINED, order[v.ruling]))
        return ClauseView(
            clause=clause,
            anchor=self.anchors.of(self.backend, clause.id),
            ruling=heaviest(verdicts),
            counts=Counter(v.ruling for v in ordered),
            cases=tuple(self._case(verdict) for verdict in ordered),
        )

    def _case(self, verdict: Verdict) -> CaseView:
        return CaseView(
            verdict=verdict,
            name=verdict.case.removeprefix(f"{verdict.clause}/"),
            anchor=self.anchors.case(verdict),
            cause=self.causes.get(verdict.case, ""),
            repro=repro_command(self.info, verdict) if verdict.ruling in EXPLAINED else "",
        )
