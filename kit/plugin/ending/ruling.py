"""What is ruled over all cases of a run, once they are over: run-wide, and by the requirement set. Pure."""

from collections.abc import Sequence

from tgi_conformance.contracts.requirements.sets import RequirementSet
from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.plugin.run_wide import merged, rule_run_wide
from tgi_conformance.reports.requirements import Own, by_set, is_outside


def ruled_over_all(
    verdicts: Sequence[Verdict],
    others: Sequence[Verdict] = (),
    *,
    requirements: RequirementSet | None,
    own: Own,
    enforced: bool,
    seed: int,
) -> list[Verdict]:
    """The verdicts of a run's cases with those that only the whole run can give.

    ``others`` had no turn. A run-wide ruling rests on the cases of the set alone: a case that is newer than
    the set must not turn an old clause red.
    """
    judged = [verdict for verdict in verdicts if not is_outside(verdict, requirements, own)]
    run_wide = rule_run_wide(judged, enforced=enforced, seed=seed)
    return by_set(merged([*verdicts, *others], run_wide), requirements, own)
