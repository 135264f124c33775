"""Run-wide findings: seen in every case, ruled once a run under their own clause. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import Level, load_catalogue
from tgi_conformance.contracts.verdict import Finding, Ruling, Verdict
from tgi_conformance.plugin.ids import RUN_WIDE, find_clause
from tgi_conformance.plugin.judging import Ruled, at_level

_EXAMPLES: Final = 10


@dataclass(slots=True)
class _Seen:
    looked: int = 0
    breaches: list[tuple[str, Finding]] = field(default_factory=list)


def rule_run_wide(verdicts: Iterable[Verdict], *, enforced: bool, seed: int) -> tuple[Verdict, ...]:
    """Return one verdict for each backend and clause that an oracle looked at, in catalogue order."""
    seen: dict[tuple[str, str], _Seen] = {}
    for verdict in verdicts:
        for finding in verdict.findings:
            entry = seen.setdefault((verdict.backend, finding.clause), _Seen())
            entry.looked += 1
            if finding.breach:
                entry.breaches.append((verdict.case, finding))
    order = {clause.id: number for number, clause in enumerate(load_catalogue())}
    return tuple(
        _verdict(backend, clause, entry, enforced=enforced, seed=seed)
        for (backend, clause), entry in sorted(
            seen.items(), key=lambda pair: (pair[0][0], order.get(pair[0][1], len(order)))
        )
    )


def _verdict(backend: str, clause_id: str, seen: _Seen, *, enforced: bool, seed: int) -> Verdict:
    clause = find_clause(clause_id)
    level = clause.level if clause else Level.MUST
    ruled = at_level(_ruled(seen), level, enforced=enforced)
    return Verdict(
        case=f"{clause_id}/{RUN_WIDE}",
        clause=clause_id,
        ruling=ruled.ruling,
        backend=backend,
        level=str(level),
        results_key=clause.results_key if clause else "",
        area=clause.area if clause else clause_id.partition("-")[0],
        reason=ruled.reason,
        expected=ruled.expected,
        observed=ruled.observed,
        seed=seed,
    )


def _ruled(seen: _Seen) -> Ruled:
    if not seen.breaches:
        return Ruled(ruling=Ruling.PASSED)
    cases = dict.fromkeys(case for case, _ in seen.breaches)
    ruling = Ruling.ADVISORY if all(finding.advisory for _, finding in seen.breaches) else Ruling.FAILED
    first_case, first = next(
        pair for pair in seen.breaches if not pair[1].advisory or ruling is Ruling.ADVISORY
    )
    shown = [f"{case}: {finding.message}" for case, finding in seen.breaches[:_EXAMPLES]]
    if len(seen.breaches) > _EXAMPLES:
        shown.append(f"… and {len(seen.breaches) - _EXAMPLES} more")
    counted = f"{len(cases)} case{'' if len(cases) == 1 else 's'}"
    return Ruled(
        ruling=ruling,
        reason=f"{first.message} ({counted}, first in {first_case})",
        expected="no breach in any case of the run",
        observed="\n".join((f"{len(seen.breaches)} in {counted}:", *shown)),
    )
