"""What the page shows, as values: the run, its backends, their causes, keys, changes and cases. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tgi_conformance.contracts.catalogue.results_keys import NEW_KEYS, RESULTS_KEYS
from tgi_conformance.contracts.verdict import LISTED, RED, Ruling, Verdict
from tgi_conformance.reports.causes.cause import Causes
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.changes import Changes, changes
from tgi_conformance.reports.gate import Gate
from tgi_conformance.reports.html.cases import Anchors, AreaView, areas
from tgi_conformance.reports.network import network_of
from tgi_conformance.reports.repro import repro_command
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.ruling_marks import MARKS, Words, in_words
from tgi_conformance.reports.run import BackendInfo, Run

#: Button of the filter to the rulings that it shows. What was blocked or not run is red and shows nothing of
#: the backend: it stands apart.
GROUPS: Final[Mapping[str, frozenset[Ruling]]] = {
    "red": RED - {Ruling.BLOCKED, Ruling.NOT_RUN},
    "blocked": frozenset({Ruling.BLOCKED}),
    "not run": frozenset({Ruling.NOT_RUN}),
    "known": frozenset({Ruling.EXPECTED}),
    "advisory": frozenset({Ruling.ADVISORY}),
    "passed": frozenset({Ruling.PASSED}),
    "recorded": frozenset({Ruling.RECORDED}),
    "not judged": LISTED,
}


def group_of(ruling: Ruling) -> str:
    """The button that shows a ruling, as a class of CSS: ``not-run``."""
    return next(word for word, rulings in GROUPS.items() if ruling in rulings).replace(" ", "-")


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
    causes: Causes
    #: Cause to the command that shows its example again.
    commands: Mapping[str, str]
    #: Against the last run; None: there is none to compare with.
    changes: Changes | None
    #: Which fence stood, and what the backend tried beyond it.
    network: tuple[str, ...]
    keys: tuple[KeyView, ...]
    new_keys: tuple[KeyView, ...]
    counts: Mapping[Ruling, int]
    columns: tuple[Ruling, ...]
    areas: tuple[AreaView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole page."""

    run: Run
    gate: Gate
    backends: tuple[BackendView, ...]
    #: Number of cases of each button of the filter.
    groups: Mapping[str, int] = field(default_factory=dict)
    anchors: Anchors = field(default_factory=Anchors)


def page(run: Run, maps: Sequence[ResultsMap], gate: Gate, last: Sequence[Verdict] | None = None) -> Page:
    """Gather the page; ``last`` are the verdicts of the last run, None where it left none."""
    by_name = {results.backend: results for results in maps}
    anchors = Anchors(several=len(run.backends) > 1)
    backends = tuple(
        _backend(run, info, by_name.get(info.name, ResultsMap(backend=info.name)), last, anchors)
        for info in run.backends
    )
    counts = Counter(verdict.ruling for verdict in run.verdicts)
    return Page(
        run=run,
        gate=gate,
        backends=backends,
        groups={word: sum(counts[one] for one in rulings) for word, rulings in GROUPS.items()},
        anchors=anchors,
    )


def _backend(
    run: Run, info: BackendInfo, results: ResultsMap, last: Sequence[Verdict] | None, anchors: Anchors
) -> BackendView:
    verdicts = run.of(info.name)
    anchor = anchors.backend(info.name)
    counts = Counter(verdict.ruling for verdict in verdicts)
    causes = causes_of(run, info.name)
    return BackendView(
        info=info,
        anchor=anchor,
        words=in_words(verdicts, info.claims),
        causes=causes,
        commands={cause.id: repro_command(run.info, cause.example) for cause in causes},
        changes=_changes(info.name, verdicts, last),
        network=network_of(info, verdicts),
        keys=tuple(_key(key, results.values, results) for key in RESULTS_KEYS),
        new_keys=tuple(_key(key, results.more, results) for key in NEW_KEYS),
        counts=counts,
        columns=tuple(ruling for ruling in MARKS if counts[ruling]),
        areas=tuple(areas(run.info, verdicts, causes, anchors)),
    )


def _changes(name: str, verdicts: Sequence[Verdict], last: Sequence[Verdict] | None) -> Changes | None:
    before = [verdict for verdict in last or () if verdict.backend == name]
    return changes(before, verdicts) if before else None


def _key(key: str, values: Mapping[str, str], results: ResultsMap) -> KeyView:
    return KeyView(key=key, result=values.get(key, ""), reason=results.left_out.get(key, ""))
