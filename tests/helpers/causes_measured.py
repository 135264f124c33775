"""Measures how well causes fit defects: on red cases of published clients, split by hand, and on mutants.

``python tests/helpers/causes_measured.py`` prints the figures of the recorded sets (tests/of_reports/field).
``--record RESULTS --as hub`` makes a recorded set of a run's folder, ``--record-mutants RUNS`` one of the
kill matrix's runs, of which every sixth is taken (``--every``). Signs are worked out anew from the evidence,
so that a change of the rules needs no new run.
"""

import argparse
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path
from typing import Any

from tgi_conformance.contracts.codec import DecodeError, from_json, to_json
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Script
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.plugin.ids import find_clause
from tgi_conformance.plugin.judging import Ruled
from tgi_conformance.plugin.signs.filling import sign_of, sign_of_finding
from tgi_conformance.reports.causes.cause import Cause
from tgi_conformance.reports.causes.grouping import advice_of, causes_of
from tgi_conformance.reports.run import Run, RunInfo
from tgi_conformance.reports.verdict_lines import read_verdicts
from tgi_conformance.suites.harness.session import CallSeen, SpaceSeen

FIELD = Path(__file__).parents[1] / "of_reports" / "field"
#: Recorded set -> table of defects.toml.
FACES = {
    "hub": "huggingface_hub",
    "hub-async": "huggingface_hub",
    "text-generation": "text_generation",
    "text-generation-async": "text_generation",
}
_KEPT = (RED | {Ruling.ADVISORY}) - {Ruling.NOT_RUN, Ruling.KIT_FAULT}
#: Characters of a reason that are kept: enough to see what a case is about.
_REASON = 80


@dataclass(frozen=True)
class Measured:
    """How causes fit the defects of one client's face."""

    #: Defect -> ids of the causes that its cases are under.
    defects: Mapping[str, frozenset[str]]
    #: Cause -> defects of its cases.
    causes: Mapping[str, frozenset[str]]

    @property
    def split(self) -> dict[str, frozenset[str]]:
        """Defects that are more than one cause."""
        return {defect: found for defect, found in self.defects.items() if len(found) > 1}

    @property
    def mixed(self) -> dict[str, frozenset[str]]:
        """Causes that mix defects."""
        return {cause: found for cause, found in self.causes.items() if len(found) > 1}


def recorded(name: str) -> tuple[Verdict, ...]:
    """The red and advisory verdicts of a recorded set."""
    lines = (FIELD / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(from_json(Verdict, {"backend": name, **json.loads(line)}) for line in lines)


def recorded_mutants() -> dict[str, tuple[Verdict, ...]]:
    """The red verdicts of each mutant of the recorded sample."""
    found: dict[str, list[Verdict]] = {}
    for verdict in recorded("mutants"):
        found.setdefault(verdict.backend, []).append(verdict)
    return {name: tuple(verdicts) for name, verdicts in found.items()}


def defects_of(face: str) -> Mapping[str, Sequence[str]]:
    """Defect -> patterns of the cases that show it."""
    tables: dict[str, dict[str, list[str]]] = tomllib.loads((FIELD / "defects.toml").read_text("utf-8"))
    return tables[FACES[face]]


def measured(face: str) -> Measured:
    """How the causes of a face fit its defects."""
    verdicts, table = recorded(face), defects_of(face)
    run = _run(verdicts)
    defects: dict[str, set[str]] = {}
    causes: dict[str, set[str]] = {}
    for what, found in (("", causes_of(run, face)), ("advice ", advice_of(run, face))):
        for cause in found:
            for verdict in cause.verdicts:
                defect = what + defect_of(verdict.case, table)
                defects.setdefault(defect, set()).add(what + cause.id)
                causes.setdefault(what + cause.id, set()).add(defect)
    return Measured(_frozen(defects), _frozen(causes))


def defect_of(case: str, table: Mapping[str, Sequence[str]]) -> str:
    """The defect that a case shows; raises ``LookupError`` where nobody has looked at it."""
    for defect, patterns in table.items():
        if any(fnmatchcase(case, pattern) for pattern in patterns):
            return defect
    raise LookupError(f"{case}: in no defect of defects.toml")


def causes_of_mutant(verdicts: Sequence[Verdict]) -> list[Cause]:
    """The causes that one mutant's red cases are under."""
    return list(causes_of(_run(verdicts), verdicts[0].backend))


def share_in_largest(causes: Sequence[Cause]) -> float:
    """The share of the failures that the largest of the causes explains."""
    return max(len(cause.verdicts) for cause in causes) / sum(len(cause.verdicts) for cause in causes)


def mixed_in_pairs() -> tuple[int, int]:
    """How many causes mix two mutants, of how many, where one client had the mistakes of both.

    Pairs are of one area, in which mistakes are alike. A case that both fail is left out.
    """
    mutants = recorded_mutants()
    areas = {name: _area(verdicts) for name, verdicts in mutants.items()}
    causes = mixed = 0
    for one, other in combinations(sorted(mutants), 2):
        if areas[one] != areas[other]:
            continue
        both = {v.case for v in mutants[one]} & {v.case for v in mutants[other]}
        verdicts = [v for name in (one, other) for v in mutants[name] if v.case not in both]
        whose = {v.case: v.backend for v in verdicts}
        for cause in causes_of(_run([replace(v, backend="both") for v in verdicts]), "both"):
            causes += 1
            mixed += len({whose[v.case] for v in cause.verdicts}) > 1
    return mixed, causes


def _area(verdicts: Sequence[Verdict]) -> str:
    return Counter(verdict.clause.partition("-")[0] for verdict in verdicts).most_common(1)[0][0]


def _run(verdicts: Sequence[Verdict]) -> Run:
    return Run(RunInfo(started="", ended="", seed=0), tuple(verdicts))


def _frozen(found: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(items) for name, items in found.items()}


# --- recording -------------------------------------------------------------------------------------------


def signed(folder: Path) -> Iterator[Verdict]:
    """The red and advisory verdicts of a run's folder, their signs worked out anew from the evidence."""
    for verdict in read_verdicts(folder / "verdicts.jsonl").verdicts:
        if verdict.ruling is Ruling.BLOCKED:
            yield verdict
        elif verdict.ruling in _KEPT:
            file = folder / verdict.evidence
            if verdict.evidence and file.is_file():
                yield replace(verdict, sign=_sign(verdict, json.loads(file.read_text("utf-8"))))
            else:
                yield replace(verdict, sign=sign_of_finding(find_clause(verdict.clause), verdict.reason))


def _sign(verdict: Verdict, evidence: Mapping[str, Any]) -> Any:
    spaces = [
        SpaceSeen(from_json(Script, seen["script"]), from_json(Journal, seen["journal"]))
        for seen in evidence.get("spaces", ())
    ]
    calls = [
        CallSeen(seen["call"], from_json(Outcome, seen["outcome"])) for seen in evidence.get("calls", ())
    ]
    ruled = Ruled(
        ruling=verdict.ruling,
        reason=verdict.reason,
        expected=verdict.expected,
        observed=verdict.observed,
    )
    return sign_of(ruled, find_clause(verdict.clause), spaces, calls)


def _line(verdict: Verdict, backend: str = "") -> str:
    blocked = verdict.ruling is Ruling.BLOCKED
    short = Verdict(
        case=verdict.case,
        clause=verdict.clause,
        ruling=verdict.ruling,
        backend=backend,
        level=verdict.level,
        reason="" if blocked else verdict.reason[:_REASON],
        blocked_by=verdict.blocked_by,
        sign=verdict.sign,
    )
    value = to_json(short)
    assert isinstance(value, dict)
    return json.dumps(value if backend else {k: v for k, v in value.items() if k != "backend"})


def record(folder: Path, name: str) -> Path:
    """Make a recorded set of a run's folder."""
    return _written(name, (_line(verdict) for verdict in signed(folder)))


def record_mutants(runs: Path, every: int) -> Path:
    """Make the recorded sample of the kill matrix's runs: each so-many-th mutant in the order of names."""
    chosen = [run for run in sorted(runs.iterdir()) if run.is_dir()][::every]
    lines = []
    for run in chosen:
        folder = run / "narrowed" if (run / "narrowed").is_dir() else run
        try:
            lines += [_line(v, run.name) for v in signed(folder) if v.ruling is not Ruling.ADVISORY]
        except DecodeError as error:
            print(f"{run.name} is left out: its evidence does not fit the schema any more ({error})")
    return _written("mutants", lines)


def _written(name: str, lines: Iterable[str]) -> Path:
    path = FIELD / f"{name}.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


# --- telling ---------------------------------------------------------------------------------------------


def _told() -> Iterator[str]:
    defects = split = causes = mixed = 0
    for face in FACES:
        found = measured(face)
        defects, split = defects + len(found.defects), split + len(found.split)
        causes, mixed = causes + len(found.causes), mixed + len(found.mixed)
        yield f"{face}: {len(found.defects)} defects, {len(found.causes)} causes"
        yield from (f"  {defect} is several: {', '.join(sorted(ids))}" for defect, ids in found.split.items())
        yield from (f"  {cause} mixes {', '.join(sorted(ids))}" for cause, ids in found.mixed.items())
    yield f"{1 - split / defects:.1%} of {defects} defects are one cause"
    yield f"{mixed / causes:.1%} of {causes} causes mix two"
    each = [causes_of_mutant(verdicts) for verdicts in recorded_mutants().values()]
    one, shares = sum(len(found) == 1 for found in each), [share_in_largest(found) for found in each]
    yield f"{len(each)} mutants: {one / len(each):.0%} are one cause; on average the largest cause explains"
    yield f"{sum(shares) / len(shares):.0%} of a mutant's failures"
    mixed, causes = mixed_in_pairs()
    yield f"two of them in one client: {mixed / causes:.1%} of {causes} causes mix the two"


def main(words: Sequence[str] | None = None) -> int:
    """Print the figures, or record a set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--record", type=Path, metavar="RESULTS")
    parser.add_argument("--as", dest="name", choices=tuple(FACES))
    parser.add_argument("--record-mutants", type=Path, metavar="RUNS")
    parser.add_argument("--every", type=int, default=6)
    given = parser.parse_args(words)
    if given.record:
        print(record(given.record, given.name))
    elif given.record_mutants:
        print(record_mutants(given.record_mutants, given.every))
    else:
        print("\n".join(_told()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
