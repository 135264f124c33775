"""Fills the sign of a red case: exception and place, or class of outcome, and the stimulus. Pure."""

from collections.abc import Sequence
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import Clause
from tgi_conformance.contracts.causes.differences import difference
from tgi_conformance.contracts.causes.outcomes import OutcomeClass, class_of
from tgi_conformance.contracts.causes.stimulus import stimulus_of
from tgi_conformance.contracts.verdict import Ruling, Sign
from tgi_conformance.plugin.judging import Ruled
from tgi_conformance.plugin.signs.call import call_told, frame_of, last_raised, raised_told, served
from tgi_conformance.suites.harness.session import CallSeen, SpaceSeen

#: Rulings that rest on something the backend did.
_SIGNED: Final = frozenset({Ruling.FAILED, Ruling.ADVISORY, Ruling.UNTESTABLE})


def sign_of(
    ruled: Ruled, clause: Clause | None, spaces: Sequence[SpaceSeen], calls: Sequence[CallSeen]
) -> Sign:
    """What tells the cause of a red case; empty for any other, at no cost."""
    if ruled.ruling not in _SIGNED:
        return Sign()
    told = ruled.observed or ruled.reason
    of = class_of(ruled.expected, told, clause.fields if clause else ())
    seen = call_told(told, calls)
    if of is OutcomeClass.TOO_FEW:
        # Why nothing was sent.
        seen = seen or last_raised(calls)
    behind = served(seen, spaces)
    chain = seen.outcome.exception if seen is not None else ()
    if any(link.fault == "adapter" for link in chain):
        of = OutcomeClass.ADAPTER
    frame = frame_of(chain)
    exception, place = raised_told(told)
    return Sign(
        exception=chain[0].type if chain else exception,
        place=str(frame) if frame else place,
        outcome=of,
        detail=_detail(of, ruled.expected, told),
        stimulus=stimulus_of(behind.script, behind.replies, behind.asked) if behind else "",
    )


def _detail(of: OutcomeClass, expected: str, observed: str) -> str:
    if of is OutcomeClass.NOTHING_USABLE:
        return expected.partition(" ")[0]
    return difference(expected, observed) if of is OutcomeClass.REQUEST_DIFFERS else ""


def sign_of_finding(clause: Clause | None, message: str) -> Sign:
    """What tells the cause of a run-wide ruling: it rests on what was seen beside many cases."""
    exception, place = raised_told(message)
    return Sign(
        exception=exception,
        place=place,
        outcome=class_of("", message, clause.fields if clause else ()),
    )
