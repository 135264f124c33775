"""From what pytest saw of a case to its ruling. Pure: exceptions and clause in, values out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import pytest

from tgi_conformance.contracts.catalogue.clauses import Level
from tgi_conformance.contracts.fault import began_in_adapter, places_said
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.verdict import Ruling

#: Attribute of a pytest report that carries the verdict as one JSON string.
VERDICT_ATTRIBUTE: Final = "tgi_verdict"
#: Attribute of a pytest report that is shown as an error although it comes from the test's call.
ERROR_ATTRIBUTE: Final = "tgi_error"
Phase = Literal["setup", "call", "teardown"]
_LINE: Final = 300
_SOFT: Final = frozenset({Ruling.ADVISORY, Ruling.RECORDED})
#: Rulings that say something against the backend.
_BLAMING: Final = frozenset({Ruling.FAILED, Ruling.ADVISORY, Ruling.UNTESTABLE})
#: hypothesis' word for an example that failed once and then did not, without importing hypothesis.
_FLAKY: Final = frozenset({"Flaky", "FlakyFailure", "FlakyReplay"})
_HYPOTHESIS: Final = "hypothesis.errors"
#: hypothesis' words for a domain in which nothing is left, as where a backend offers nothing to choose from.
_NOTHING_FITS: Final = frozenset({"Unsatisfiable", "InvalidArgument"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """A ruling and why."""

    ruling: Ruling
    reason: str = ""
    expected: str = ""
    observed: str = ""
    #: Of a blocked case: the case that says what is wrong.
    blocked_by: str = ""


def rule_exception(error: BaseException, phase: Phase) -> Ruled:
    """Rule on one exception that ended a phase; levels are not looked at here."""
    leaves = list(_leaves(error))
    for leaf in leaves:
        if isinstance(stated := getattr(leaf, "ruling", None), Ruling):
            return Ruled(
                ruling=stated, reason=_message(leaf), blocked_by=str(getattr(leaf, "blocked_by", ""))
            )
    for leaf in leaves:
        if isinstance(leaf, pytest.skip.Exception):
            return Ruled(ruling=Ruling.NOT_HERE, reason=_message(leaf))
        if isinstance(leaf, pytest.xfail.Exception):
            return Ruled(ruling=Ruling.EXPECTED, reason=_message(leaf))
        if type(leaf).__name__ in _FLAKY:
            return Ruled(
                ruling=Ruling.UNTESTABLE, reason=f"the failure did not happen again: {_message(leaf)}"
            )
        if complaint := _complaint(leaf):
            return complaint
        if not _blames_backend(leaf, phase):
            return Ruled(ruling=Ruling.KIT_FAULT, reason=f"{phase}: {type(leaf).__name__}: {_message(leaf)}")
    return _failed(leaves[0])


def with_place(ruled: Ruled, outcomes: Iterable[Outcome]) -> Ruled:
    """Say of a failure, where its texts do not, which exception of its calls began in the adapter."""
    began = began_in_adapter(outcome.exception for outcome in outcomes) if ruled.ruling in _BLAMING else ""
    if not began:
        return ruled
    reason, observed = (
        text if places_said(text) else f"{text}; {began}".removeprefix("; ")
        for text in (ruled.reason, ruled.observed)
    )
    return replace(ruled, reason=reason, observed=observed)


def at_level(ruled: Ruled, level: Level, *, enforced: bool) -> Ruled:
    """Weigh a failure by the clause's level: a SHOULD is advisory unless enforced, a MAY is recorded."""
    if level is Level.MAY and ruled.ruling in (Ruling.PASSED, Ruling.FAILED):
        return replace(ruled, ruling=Ruling.RECORDED)
    if ruled.ruling is Ruling.FAILED and level is Level.SHOULD and not enforced:
        return replace(ruled, ruling=Ruling.ADVISORY)
    return ruled


def is_soft(ruled: Ruled, level: Level, *, enforced: bool) -> bool:
    """Whether pytest shows a ruling as an expected failure: it must not end the run with a failure.

    So it is with what is not a MUST and did not hold, or could not be tested.
    """
    binds = level is Level.MUST or (enforced and level is Level.SHOULD)
    return ruled.ruling in _SOFT or (ruled.ruling is Ruling.UNTESTABLE and not binds)


def _complaint(error: BaseException) -> Ruled | None:
    """What hypothesis itself has to say, which is about the examples: no fault of the kit or the backend."""
    kinds = {kind.__name__ for kind in type(error).__mro__ if kind.__module__ == _HYPOTHESIS}
    if not kinds:
        return None
    told = f"{type(error).__name__}: {_message(error)}"
    if kinds & _NOTHING_FITS:
        return Ruled(
            ruling=Ruling.NOT_APPLICABLE, reason=f"no example fits what the backend declares ({told})"
        )
    return Ruled(ruling=Ruling.UNTESTABLE, reason=f"the examples could not be tried ({told})")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Return the exceptions inside a group: hypothesis raises one where examples fail in several ways."""
    if isinstance(error, BaseExceptionGroup) and type(error).__name__ not in _FLAKY:
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _blames_backend(error: BaseException, phase: Phase) -> bool:
    """Whether an exception is a failed assertion of a test.

    Outside the test's own call only one that states both sides counts (a failed probe, say); a bare assert
    in a fixture is a defect of the fixture.
    """
    if isinstance(error, AssertionError):
        return phase == "call" or isinstance(getattr(error, "expected", None), str)
    return isinstance(error, pytest.fail.Exception) and phase == "call"


def _failed(error: BaseException) -> Ruled:
    text = str(error)
    expected = _stated(error, "expected", text)
    observed = _stated(error, "observed", text)
    reason = f"expected {expected}; observed {observed}" if expected and observed else _message(error)
    return Ruled(ruling=Ruling.FAILED, reason=_one_line(reason), expected=expected, observed=observed)


def _stated(error: BaseException, word: str, text: str) -> str:
    """One side of a failed assertion: the exception's attribute, or the line of its text that names it."""
    if isinstance(said := getattr(error, word, None), str):
        return said
    # pytest indents what follows the first line of a rewritten assertion's message.
    lines = (line.strip() for line in text.splitlines())
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{word}:")), "")


def _message(error: BaseException) -> str:
    text = str(getattr(error, "msg", None) or error)
    return _one_line(text) or type(error).__name__


def _one_line(text: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= _LINE else f"{first[: _LINE - 1]}…"
