"""Which level of conformance a backend has reached. Pure."""

from collections.abc import Sequence
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import Level
from tgi_conformance.contracts.catalogue.levels import ConformanceLevel, load_levels
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict

#: A failure that is expected is a failure: a baseline lifts no level.
_BREAKS: Final = RED | {Ruling.EXPECTED}


def level_reached(verdicts: Sequence[Verdict]) -> ConformanceLevel | None:
    """The highest level that these verdicts on one backend keep; None: not the first, or nothing passed."""
    if not any(verdict.ruling is Ruling.PASSED for verdict in verdicts):
        return None
    highest_first = reversed(tuple(load_levels().values()))
    return next((each for each in highest_first if not any(_breaks(each, v) for v in verdicts)), None)


def _breaks(level: ConformanceLevel, verdict: Verdict) -> bool:
    if verdict.ruling is Ruling.ADVISORY:
        return Level.SHOULD in level.strengths
    if verdict.ruling not in _BREAKS:
        return False
    return level.holds(verdict.clause, verdict.level, verdict.sign.outcome)
