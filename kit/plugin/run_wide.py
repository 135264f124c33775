"""Run-wide findings: seen in every case, ruled once a run under their own clause. Pure.

Most are ruled as ``<clause>/run-wide``. The healthy calls that cases are built on have a case each, as
``DECL-01/healthy-chat-stream``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import Level, load_catalogue
from tgi_conformance.contracts.verdict import LISTED, Breach, Finding, Ruling, Sign, Verdict
from tgi_conformance.plugin.ids import find_clause
from tgi_conformance.plugin.judging import Ruled, at_level
from tgi_conformance.plugin.signs.filling import sign_of_finding

#: So many are quoted in the text; the verdict's ``breaches`` has all.
_EXAMPLES: Final = 10
#: Rulings of cases that were not looked at.
_UNSEEN: Final = LISTED | {Ruling.NOT_RUN}


@dataclass(slots=True)
class _Seen:
    looked: int = 0
    breaches: list[tuple[Verdict, Finding]] = field(default_factory=list)
    #: Why nothing was looked at.
    unseen: str = ""


def rule_run_wide(verdicts: Iterable[Verdict], *, enforced: bool, seed: int) -> tuple[Verdict, ...]:
    """Return one verdict for each backend and case that an oracle looked at, in catalogue order."""
    seen: dict[tuple[str, str, str], _Seen] = {}
    for verdict in verdicts:
        for finding in verdict.findings:
            entry = seen.setdefault((verdict.backend, finding.clause, finding.slug), _Seen())
            entry.looked += finding.looked
            entry.unseen = entry.unseen or ("" if finding.looked else finding.message)
            if finding.breach:
                entry.breaches.append((verdict, finding))
    order = {clause.id: number for number, clause in enumerate(load_catalogue())}
    return tuple(
        _verdict(backend, clause, slug, entry, enforced=enforced, seed=seed)
        for (backend, clause, slug), entry in sorted(
            seen.items(), key=lambda pair: (pair[0][0], order.get(pair[0][1], len(order)), pair[0][2])
        )
    )


def merged(verdicts: Sequence[Verdict], run_wide: Sequence[Verdict]) -> list[Verdict]:
    """Put run-wide rulings to the verdicts of cases; where one case has both, one stays: the one that is red.

    A healthy call has a case of its own, and every worker makes it: what another worker saw must not be lost,
    nor what was seen where the case itself was left out.
    """
    ruled = {(verdict.backend, verdict.case): verdict for verdict in run_wide}
    kept = []
    for verdict in verdicts:
        other = ruled.get((verdict.backend, verdict.case))
        if other is not None and (verdict.ruling in _UNSEEN or (other.red and not verdict.red)):
            ruled[verdict.backend, verdict.case] = replace(other, nodeid=verdict.nodeid)
            continue
        ruled.pop((verdict.backend, verdict.case), None)
        kept.append(verdict)
    return [*kept, *ruled.values()]


def _verdict(backend: str, clause_id: str, slug: str, seen: _Seen, *, enforced: bool, seed: int) -> Verdict:
    clause = find_clause(clause_id)
    level = clause.level if clause else Level.MUST
    ruled = at_level(_ruled(seen), level, enforced=enforced)
    return Verdict(
        case=f"{clause_id}/{slug}",
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
        sign=sign_of_finding(clause, ruled.reason) if seen.breaches else Sign(),
        breaches=tuple(
            Breach(case=place.case, message=finding.message, evidence=place.evidence)
            for place, finding in _largest(seen)
        ),
    )


def _ruled(seen: _Seen) -> Ruled:
    if not seen.breaches:
        # Not looked at is not "nothing seen".
        ruling = Ruling.PASSED if seen.looked else Ruling.NOT_APPLICABLE
        return Ruled(ruling=ruling, reason="" if seen.looked else seen.unseen)
    cases = {place.case for place, _ in seen.breaches}
    ruling = Ruling.ADVISORY if all(finding.advisory for _, finding in seen.breaches) else Ruling.FAILED
    largest = _largest(seen)
    case, quoted = next(
        (place.case, finding)
        for place, finding in largest
        if not finding.advisory or ruling is Ruling.ADVISORY
    )
    where = "first" if largest == seen.breaches else "worst"
    shown = [f"{place.case}: {finding.message}" for place, finding in largest[:_EXAMPLES]]
    if len(seen.breaches) > _EXAMPLES:
        shown.append(f"… and {len(seen.breaches) - _EXAMPLES} more")
    counted = f"{len(cases)} case{'' if len(cases) == 1 else 's'}"
    return Ruled(
        ruling=ruling,
        reason=f"{quoted.message} ({counted}, {where} in {case})",
        expected="no breach in any case of the run",
        observed="\n".join((f"{len(seen.breaches)} in {counted}:", *shown)),
    )


def _largest(seen: _Seen) -> list[tuple[Verdict, Finding]]:
    """The largest first, which is what is quoted: a slip of one must not stand for thousands."""
    return sorted(seen.breaches, key=lambda pair: -pair[1].size)
