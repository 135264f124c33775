"""What a run shows that differs from its baseline, in sentences with the line of the entry. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.baseline.entry import Baseline, Entry
from tgi_conformance.reports.baseline.matching import PASSING, is_wild, named
from tgi_conformance.reports.readable import clip

#: So many cases an entry may name by a pattern: beyond that nobody knows what it lets pass.
WIDEST: Final = 20
#: Names that a sentence has room for.
_NAMED: Final = 3
#: Characters of what was seen that a sentence has room for.
_ROOM: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An entry, and what became of the cases that it speaks of."""

    entry: Entry
    verdicts: tuple[Verdict, ...] = ()
    #: Those that fail as expected.
    held: tuple[Verdict, ...] = ()
    #: Those that fail in another way, which no other entry expects either.
    otherwise: tuple[Verdict, ...] = ()

    @property
    def passed(self) -> tuple[Verdict, ...]:
        """Those that pass."""
        return tuple(verdict for verdict in self.verdicts if verdict.ruling in PASSING)


def differences(baseline: Baseline, seen: Sequence[Seen], *, complete: bool) -> Iterator[str]:
    """Each with the line of its entry.

    ``complete``: all cases of all backends of the baseline were to be run. Only then it can be told that an
    entry names nothing, or that a cause has fewer cases than it had.
    """
    for each in seen:
        where = baseline.where(each.entry.line)
        told = _of_cause(each) if each.entry.cause else _of_cases(each)
        yield from (f"{where}: {said}" for said in (*told, *_otherwise(each)))
        if complete:
            yield from (f"{where}: {said}" for said in _unmatched(each))


def _of_cases(seen: Seen) -> Iterator[str]:
    if width := _too_wide(seen):
        yield (
            f"too wide: its patterns name {width} cases, {WIDEST} are the most: name the cases, or the cause "
            "with its count"
        )
    failing, passed = len(seen.held) + len(seen.otherwise), seen.passed
    if passed and failing:
        yield (
            f"only a part still fails, {failing} of {failing + len(passed)} cases: {_names(passed)}; "
            "name the cases that still fail"
        )
    elif passed:
        yield f"unexpected pass: {_names(passed)}; remove the entry"


def _of_cause(seen: Seen) -> Iterator[str]:
    fail, count = len(seen.held), seen.entry.count
    if fail > count:
        yield f"{fail} cases of the cause fail, and {count} are expected"


def _otherwise(seen: Seen) -> Iterator[str]:
    wanted = seen.entry.pattern or seen.entry.failure
    for verdict in seen.otherwise:
        shown = clip(" ".join((verdict.observed or verdict.reason).split()), _ROOM).text
        yield f"another failure than the expected one: {verdict.case}: expected {wanted!r}, observed {shown}"


def _unmatched(seen: Seen) -> Iterator[str]:
    entry = seen.entry
    if entry.cause:
        failing = len(seen.held) + len(seen.otherwise)
        if not failing:
            yield f"unmatched: no case fails of the cause {entry.cause}; remove the entry"
        elif failing < entry.count:
            yield f"only a part still fails, {failing} of {entry.count} cases; correct the count"
        return
    missing = [name for name in entry.cases if not any(named(name, verdict) for verdict in seen.verdicts)]
    if missing:
        yield f"unmatched: no case of this run is named {' or '.join(missing)}; remove it"
    elif all(verdict.ruling is Ruling.NOT_APPLICABLE for verdict in seen.verdicts):
        yield f"unmatched: not applicable any more: {_listed(seen.verdicts)}; remove the entry"


def _too_wide(seen: Seen) -> int:
    """How many cases the patterns of an entry name; 0: no more than they may."""
    wild = [name for name in seen.entry.cases if is_wild(name)]
    cases = {verdict.case for verdict in seen.verdicts if any(named(name, verdict) for name in wild)}
    return len(cases) if len(cases) > WIDEST else 0


def _names(passed: Sequence[Verdict]) -> str:
    word = "passes" if len(passed) == 1 else "pass"
    several = len({verdict.backend for verdict in passed}) > 1
    of = "" if several else f" ({passed[0].backend})"
    return f"{_listed(passed)} {word}{of}"


def _listed(verdicts: Sequence[Verdict]) -> str:
    cases = list(dict.fromkeys(verdict.case for verdict in verdicts))
    more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
    return f"{', '.join(cases[:_NAMED])}{more}"
