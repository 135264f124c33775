"""What changed since the last run: which cases are red now, which are mended, which fail still. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tgi_conformance.contracts.verdict import DECIDED, RED, Ruling, Verdict

#: What was not run has not changed.
_RED = RED - {Ruling.NOT_RUN}
#: A failure that a baseline expects is not red, and not mended either.
_FAILING = _RED | {Ruling.EXPECTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The red cases of two runs of one backend, each in the order of the run that it stands in."""

    new_red: tuple[Verdict, ...] = ()
    #: As they are now: decided, and not red.
    fixed: tuple[Verdict, ...] = ()
    still_red: tuple[Verdict, ...] = ()
    #: Red in the last run and not decided now: left out, or not to be found any more.
    gone: tuple[Verdict, ...] = ()
    #: Failures of this run that a baseline expects.
    known: tuple[Verdict, ...] = ()

    @property
    def headline(self) -> str:
        """``3 new red, 12 fixed, 40 still red``."""
        parts = [
            (len(self.new_red), "new red"),
            (len(self.fixed), "fixed"),
            (len(self.still_red), "still red"),
        ]
        others = [(len(self.known), "known to fail"), (len(self.gone), "not judged this time")]
        parts += [(count, word) for count, word in others if count]
        return ", ".join(f"{count} {word}" for count, word in parts)

    def __bool__(self) -> bool:
        return bool(self.new_red or self.fixed or self.gone)


def changes(last: Iterable[Verdict], now: Iterable[Verdict]) -> Changes:
    """Compare the verdicts of two runs of one backend, case by case.

    A red case that the last run did not hold is new red: the suites have grown, or more was run.
    """
    before = {verdict.case: verdict for verdict in last}
    after = {verdict.case: verdict for verdict in now}
    red = [verdict for verdict in after.values() if verdict.ruling in _RED]
    failed = [verdict for verdict in before.values() if verdict.ruling in _FAILING]
    return Changes(
        new_red=tuple(verdict for verdict in red if not _fails(before, verdict)),
        still_red=tuple(verdict for verdict in red if _fails(before, verdict)),
        fixed=tuple(after[one.case] for one in failed if _decided(after, one) and not _fails(after, one)),
        gone=tuple(one for one in failed if not _decided(after, one) and not _fails(after, one)),
        known=tuple(verdict for verdict in after.values() if verdict.ruling is Ruling.EXPECTED),
    )


def were_red(verdicts: Iterable[Verdict]) -> frozenset[tuple[str, str]]:
    """Backend and case of what was red in a run, or would be where a SHOULD is enforced or no baseline is."""
    counted = _FAILING | {Ruling.ADVISORY}
    return frozenset((verdict.backend, verdict.case) for verdict in verdicts if verdict.ruling in counted)


def _fails(run: Mapping[str, Verdict], verdict: Verdict) -> bool:
    return verdict.case in run and run[verdict.case].ruling in _FAILING


def _decided(run: Mapping[str, Verdict], verdict: Verdict) -> bool:
    return verdict.case in run and run[verdict.case].ruling in DECIDED
