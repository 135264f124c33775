"""The exit code of a run, and why.

pytest's own codes are 0 to 5 (0 all well, 1 failures, 2 interrupted, 3 internal error, 4 wrong use, 5 nothing
collected). The kit adds those of :class:`Exit`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from tgi_conformance.contracts.verdict import DECIDED, LISTED, NO_TURN, Ruling, Verdict
from tgi_conformance.reports.blocked import blocked_in_words
from tgi_conformance.reports.gating.scope import FLOOR, Scope
from tgi_conformance.reports.run import Run

Enforce = Literal["must", "should"]


class Exit(IntEnum):
    """Exit codes; the first five after ``OK`` are pytest's."""

    OK = 0
    FAILED = 1
    INTERRUPTED = 2
    INTERNAL_ERROR = 3
    USAGE = 4
    NOTHING_COLLECTED = 5
    BASELINE = 10
    KIT_FAULT = 11
    BACKEND_DOWN = 12
    UNCLEAR = 13
    ENDPOINT_UNUSABLE = 14
    REPORT = 15


#: What each exit code says, for the terminal and the report.
MEANING: Final = {
    Exit.OK: "everything that was judged is as it must be",
    Exit.FAILED: "the backend breaks clauses, or cases were not run",
    Exit.INTERRUPTED: "the run was interrupted",
    Exit.INTERNAL_ERROR: "an internal error of pytest or of a plugin",
    Exit.USAGE: "the command line is wrong",
    Exit.NOTHING_COLLECTED: "no case was selected",
    Exit.BASELINE: "the results differ from the baseline",
    Exit.KIT_FAULT: "the kit itself is at fault",
    Exit.BACKEND_DOWN: "the backend did not start or could not describe itself",
    Exit.UNCLEAR: "could not tell: an untestable MUST case, no time left, or too few MUST cases decided",
    Exit.ENDPOINT_UNUSABLE: "the real endpoint is unusable, or its budget is used up",
    Exit.REPORT: "a part of the reports could not be written",
}

#: A number in a text; its digits are bounded, so that it stays one that can be compared.
_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,15})?")
#: So many failed cases are worth a look for what they share.
_MANY: Final = 10
#: What a run is judged by where nothing else is asked for: every red case counts.
EVERYTHING: Final = Scope()
#: pytest's codes of a run that did not come to its end, whatever its verdicts are.
_NOT_A_RUN: Final = frozenset({Exit.INTERNAL_ERROR, Exit.USAGE, Exit.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Gate:
    """The exit code and the reasons for it: the first reason is the deciding one."""

    code: int
    reasons: tuple[str, ...] = ()
    #: What is red and does not make the run fail, and why not.
    aside: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """What the code says, in words."""
        try:
            return MEANING[Exit(self.code)]
        except ValueError:
            return f"pytest ended with code {self.code}"

    def without(self, unwritten: Iterable[object]) -> "Gate":
        """The gate of a run of which these could not be written: 15, where nothing worse applies."""
        said = tuple(map(str, unwritten))
        if not said:
            return self
        return Gate(Exit.REPORT if self.code == Exit.OK else self.code, (*self.reasons, *said), self.aside)


@dataclass(frozen=True, slots=True)
class _Cause:
    code: Exit
    reasons: tuple[str, ...]


def judge(
    run: Run,
    *,
    pytest_code: int = 0,
    enforce: Enforce = "must",
    backends_down: Sequence[str] = (),
    endpoint_unusable: Sequence[str] = (),
    baseline: Sequence[str] = (),
    scope: Scope = EVERYTHING,
    lost: int = 0,
) -> Gate:
    """Give the exit code of a run: the first that applies of 11, 12, 14, 10, 1, 13, else pytest's own.

    15, the last of all, is for what could not be written, which is known later (:meth:`Gate.without`).

    ``backends_down``, ``endpoint_unusable`` and ``baseline`` are sentences, empty where all is well;
    ``scope`` says which red cases count; ``lost`` counts applicable MUST cases that were selected and have no
    verdict at all. Three of pytest's codes (2, 3, 4) come before 1, since such a run did not come to its end;
    5 comes before "not run" and the floor, which follow from it.
    """
    judged = [verdict for verdict in run.verdicts if scope.holds(verdict)]
    enforced = enforce == "should" or scope.enforces_should
    causes = (
        _Cause(Exit.KIT_FAULT, _kit_faults(run.verdicts)),
        _Cause(Exit.BACKEND_DOWN, tuple(backends_down)),
        _Cause(Exit.ENDPOINT_UNUSABLE, tuple(endpoint_unusable)),
        _Cause(Exit.BASELINE, tuple(baseline)),
        *_pytest_cause(pytest_code, _NOT_A_RUN),
        _Cause(Exit.FAILED, (*_failures(judged), *_advisories(judged, enforced=enforced))),
        *_pytest_cause(pytest_code, {Exit.NOTHING_COLLECTED}),
        _Cause(Exit.FAILED, _not_run(judged)),
        _Cause(
            Exit.UNCLEAR,
            (
                *_no_turn(judged),
                *_untestable(judged, scope, enforced=enforced),
                *_below_floor(run, scope, lost),
            ),
        ),
    )
    reasons = tuple(reason for cause in causes for reason in cause.reasons)
    code = next((cause.code for cause in causes if cause.reasons), pytest_code)
    if reasons:
        reasons += tuple(scope.broken(judged))
    if not reasons and code:
        reasons = (f"pytest ended with code {code} although no verdict is red",)
    return Gate(int(code), reasons, tuple(scope.left_aside(run.verdicts)))


def _pytest_cause(code: int, wanted: Iterable[Exit]) -> tuple[_Cause, ...]:
    return tuple(_Cause(known, (MEANING[known],)) for known in wanted if known == code)


def _kit_faults(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    faults = [verdict for verdict in verdicts if verdict.ruling is Ruling.KIT_FAULT]
    if not faults:
        return ()
    return (f"{_count(faults, 'kit fault')}, the first in {faults[0].case}: {faults[0].reason}",)


def _failures(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    failed = [verdict for verdict in verdicts if verdict.ruling is Ruling.FAILED]
    clauses = len({verdict.clause for verdict in failed})
    reasons = []
    if failed:
        reasons.append(
            f"{_count(failed, 'case')} failed in {clauses} {'clause' if clauses == 1 else 'clauses'}"
        )
    return (*reasons, *_shared_reason(failed), *blocked_in_words(verdicts))


def _untestable(verdicts: Sequence[Verdict], scope: Scope, *, enforced: bool) -> tuple[str, ...]:
    """The kit could not tell: for a MUST, and where it is enforced for a SHOULD."""
    levels = ("MUST", "SHOULD") if enforced else ("MUST",)
    unclear = [v for v in verdicts if v.ruling is Ruling.UNTESTABLE and v.level in levels]
    if not unclear or scope.floor is not None:
        return ()
    why = " ".join(unclear[0].reason.split())
    return (f"{_count(unclear, 'case')} untestable, the first {unclear[0].case}: {why}",)


def _shared_reason(failed: Sequence[Verdict]) -> list[str]:
    """Say what most cases failed of, where it is one thing but for its numbers; the largest are quoted."""
    if len(failed) < _MANY:
        return []
    kinds: dict[str, list[str]] = {}
    for verdict in failed:
        seen = " ".join((verdict.observed or verdict.reason).split())
        kinds.setdefault(_NUMBER.sub("#", seen), []).append(seen)
    shared = max(kinds.values(), key=len)
    if len(shared) <= len(failed) / 2:
        return []
    worst = max(shared, key=lambda seen: [float(number) for number in _NUMBER.findall(seen)])
    return [f"{len(shared)} of them for one reason: {worst}"]


def _advisories(verdicts: Sequence[Verdict], *, enforced: bool) -> tuple[str, ...]:
    advisories = [verdict for verdict in verdicts if verdict.ruling is Ruling.ADVISORY]
    if not enforced or not advisories:
        return ()
    return (f"{_count(advisories, 'SHOULD case')} failed, and SHOULD is enforced",)


def _not_run(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    lost = [v for v in verdicts if v.ruling is Ruling.NOT_RUN and not v.reason.startswith(NO_TURN)]
    return (f"{_count(lost, 'case')} not run, the first {lost[0].case}: {lost[0].reason}",) if lost else ()


def _no_turn(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """What the time limit left undone: nothing is known against the backend, and not enough for it."""
    left = [v for v in verdicts if v.ruling is Ruling.NOT_RUN and v.reason.startswith(NO_TURN)]
    if not left:
        return ()
    ran = len(verdicts) - len(left)
    return (
        f"{_count(left, 'case')} had {left[0].reason}, {ran} had theirs; the first left is {left[0].case}",
    )


def _below_floor(run: Run, scope: Scope, lost: int) -> tuple[str, ...]:
    reasons = []
    floor = FLOOR if scope.floor is None else scope.floor
    for backend in run.backends:
        counted = [v for v in run.of(backend.name) if v.level == "MUST" and scope.holds(v)]
        musts = [verdict for verdict in counted if verdict.ruling not in LISTED]
        decided = sum(verdict.ruling in DECIDED for verdict in musts)
        applicable = len(musts) + lost
        if decided < floor * applicable:
            share = f"{decided} of {applicable} applicable MUST cases were decided"
            reasons.append(f"{backend.name}: {share}, {100 * floor:g} % are the least")
        elif not applicable and not run.info.narrowed:
            reasons.append(f"{backend.name}: not one MUST case was applicable, so nothing was shown")
    return tuple(reasons)


def _count(verdicts: Sequence[Verdict], noun: str) -> str:
    return f"{len(verdicts)} {noun}{'' if len(verdicts) == 1 else 's'}"
