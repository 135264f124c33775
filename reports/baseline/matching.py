"""Which cases an entry of a baseline names, and which failures it expects. Pure."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Final

from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.baseline.entry import Entry
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.readable import visible
from tgi_conformance.reports.run import Run

#: Rulings of a case that failed. What could not be examined or was not run is no failure to be expected.
FAILING: Final = frozenset({Ruling.FAILED, Ruling.ADVISORY})
PASSING: Final = frozenset({Ruling.PASSED, Ruling.RECORDED})
_WILD: Final = frozenset("*?[")
#: Backend and case, to the names of the cause behind it.
CauseNames = Mapping[tuple[str, str], frozenset[str]]


def cause_names(run: Run) -> CauseNames:
    """By which names an entry may speak of the cause of each red case: its id, and its sentence."""
    return {
        (backend.name, verdict.case): frozenset({cause.id, _plain(cause.sentence)})
        for backend in run.backends
        for cause in causes_of(run, backend.name)
        for verdict in cause.verdicts
    }


def is_wild(name: str) -> bool:
    """Whether a name stands for any number of cases: a pattern, or a whole clause."""
    return not _WILD.isdisjoint(name) or "/" not in name


@cache
def _names(cases: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Plain names, and patterns: names are looked up, only patterns are tried one by one."""
    low = [name.lower() for name in cases]
    patterns = tuple(name for name in low if not _WILD.isdisjoint(name))
    return frozenset(low).difference(patterns), patterns


def named(name: str, verdict: Verdict) -> bool:
    """Whether a name or pattern is that of the case or of its clause; upper and lower case are the same."""
    return _named((name,), verdict)


def taken(entry: Entry, verdicts: Iterable[Verdict], causes: CauseNames) -> tuple[Verdict, ...]:
    """The verdicts that an entry speaks of, whatever they are."""
    return tuple(verdict for verdict in verdicts if _takes(entry, verdict, causes))


def fits(entry: Entry, verdict: Verdict) -> bool:
    """Whether a failure is the one that the entry expects; one that names a cause alone expects any of it."""
    text = failure_text(verdict)
    if entry.pattern:
        return re.search(entry.pattern, text) is not None
    return _plain(visible(entry.failure)) in _plain(text)


def failure_text(verdict: Verdict) -> str:
    """What is told of a failure: what was observed, the exception, and the class of the outcome.

    Control characters are escapes in it, as reports show them.
    """
    sign = verdict.sign
    parts = (verdict.observed, verdict.reason, sign.exception, sign.outcome, sign.detail)
    return visible("\n".join(part for part in parts if part))


def _takes(entry: Entry, verdict: Verdict, causes: CauseNames) -> bool:
    if entry.backend not in ("", verdict.backend):
        return False
    if entry.cause:
        return _plain(entry.cause) in causes.get((verdict.backend, verdict.case), frozenset())
    return _named(entry.cases, verdict)


def _named(cases: tuple[str, ...], verdict: Verdict) -> bool:
    plain, patterns = _names(cases)
    words = (verdict.case.lower(), verdict.clause.lower())
    if not plain.isdisjoint(words):
        return True
    return any(fnmatchcase(word, pattern) for pattern in patterns for word in words)


def _plain(text: str) -> str:
    """The text with each run of blanks as one: a file may wrap it."""
    return " ".join(text.split())
