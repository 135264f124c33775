"""A run judged by a requirement set: what is outside it is told apart, neither red nor green. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.requirements.sets import RequirementSet
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict

#: How the reason of such a case begins; the name of the set follows, then what the case showed.
OUTSIDE: Final = "outside requirement set"
#: How what such a case showed begins, where it would be red.
_RED: Final = tuple(sorted(RED))
#: So many red cases outside the set are named; ``verdicts.jsonl`` has all.
_NAMED: Final = 3

#: Whether a case is a test of the user's own: no set knows it, and it is judged all the same.
Own = Callable[[Verdict], bool]


def is_outside(verdict: Verdict, requirements: RequirementSet | None, own: Own) -> bool:
    """Whether a case of the suites is none of the set's; without a set, none is."""
    return requirements is not None and not requirements.holds(verdict.case) and not own(verdict)


def by_set(verdicts: Sequence[Verdict], requirements: RequirementSet | None, own: Own) -> list[Verdict]:
    """Rule "not here" on what is outside the set; the reason says what it showed, and its evidence stays.

    A case that blocks cases of the set says what is wrong with them, and is judged with them.
    """
    if requirements is None:
        return list(verdicts)
    blocking = {
        (verdict.backend, verdict.blocked_by)
        for verdict in verdicts
        if verdict.ruling is Ruling.BLOCKED and not is_outside(verdict, requirements, own)
    }
    return [
        _apart(verdict, requirements)
        if is_outside(verdict, requirements, own) and (verdict.backend, verdict.case) not in blocking
        else verdict
        for verdict in verdicts
    ]


def outside_in_words(verdicts: Iterable[Verdict], requirements: RequirementSet | None) -> tuple[str, ...]:
    """A sentence on the cases outside the set, which were told apart before; none: there is no set."""
    if requirements is None:
        return ()
    begin = f"{OUTSIDE} {requirements.name}: "
    apart = [verdict for verdict in verdicts if verdict.reason.startswith(begin)]
    red = [v.case for v in apart if v.reason.removeprefix(begin).startswith(_RED)]
    named = ", ".join(red[:_NAMED]) + (f" and {len(red) - _NAMED} more" if len(red) > _NAMED else "")
    of_them = f"{len(red)} of them red and not judged: {named}" if red else "none of them is red"
    cases = f"{len(apart)} case{'' if len(apart) == 1 else 's'}"
    return (f"judged by requirement set {requirements.name}; {cases} outside it, {of_them}",)


def _apart(verdict: Verdict, requirements: RequirementSet) -> Verdict:
    if verdict.ruling is Ruling.NOT_APPLICABLE or verdict.reason.startswith(OUTSIDE):
        return verdict
    said = f"{OUTSIDE} {requirements.name}: {verdict.ruling}"
    reason = f"{said}: {verdict.reason}" if verdict.reason else said
    return replace(verdict, ruling=Ruling.NOT_HERE, reason=reason, real_lost="")
