"""What is ruled over all cases of a run: run-wide findings, requirement set, profile tgi-guide. Pure."""

from collections.abc import Sequence

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.requirements.sets import RequirementSet, read_set
from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.plugin.guide_profile import rule_guide_profile
from tgi_conformance.plugin.run_wide import merged, rule_run_wide
from tgi_conformance.reports.requirements import by_set, is_outside
from tgi_conformance.reports.run import RunInfo


def ruled_over_all(
    info: RunInfo, verdicts: Sequence[Verdict], others: Sequence[Verdict] = (), *, enforced: bool
) -> list[Verdict]:
    """The verdicts of a run's cases with those that only the whole run can give, as they are to be reported.

    ``others`` had no turn. A run-wide ruling rests on the cases of the requirement set alone: a case that is
    newer than the set must not turn an old clause red.
    """
    requirements, own = requirements_of(info), info.is_own_test
    judged = [verdict for verdict in verdicts if not is_outside(verdict, requirements, own)]
    run_wide = rule_run_wide(judged, enforced=enforced, seed=info.seed)
    everything = by_set(merged([*verdicts, *others], run_wide), requirements, own)
    if info.profile == "tgi-guide" and not info.narrowed:
        everything += rule_guide_profile(everything, info.backends, seed=info.seed)
    order = {clause.id: number for number, clause in enumerate(load_catalogue())}
    return sorted(everything, key=lambda v: (v.backend, order.get(v.clause, len(order)), v.case))


def requirements_of(info: RunInfo) -> RequirementSet | None:
    """The set that a run is judged by; None: by all cases. Raises ``UnknownSetError``."""
    return read_set(info.requirements) if info.requirements else None
