"""Which red cases make a run fail: all, those of a level, or those that another run did not have. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import Level
from tgi_conformance.contracts.catalogue.levels import ConformanceLevel
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict

#: The share of the applicable MUST cases that a run must decide, where the user did not say another.
FLOOR: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The run that a run is compared with."""

    #: As it is named in what is said of it: ``the last run``, or a folder.
    name: str
    #: Backend and case of what was red in it.
    red: frozenset[tuple[str, str]] = frozenset()

    def had(self, verdict: Verdict) -> bool:
        """Whether the case was red then."""
        return (verdict.backend, verdict.case) in self.red


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What may make a run fail. A mistake of the kit always does."""

    #: Only cases that break this level.
    level: ConformanceLevel | None = None
    #: Only cases that this run did not have red.
    earlier: Earlier | None = None
    #: The share of MUST cases that must be decided, where the user gave one. Then untestable cases make a run
    #: fail only by their number; without it one is enough, and :data:`FLOOR` bounds what else is undecided.
    floor: float | None = None

    def holds(self, verdict: Verdict) -> bool:
        """Whether the case can make the run fail, if it is red."""
        return self.in_level(verdict) and not (self.earlier is not None and self.earlier.had(verdict))

    def in_level(self, verdict: Verdict) -> bool:
        """Whether the case, if it is red, breaks the level that is asked for."""
        return self.level is None or self.level.holds(verdict.clause, verdict.level, verdict.sign.outcome)

    @property
    def enforces_should(self) -> bool:
        """Whether the level has SHOULD clauses."""
        return self.level is not None and Level.SHOULD in self.level.strengths

    def broken(self, judged: Sequence[Verdict]) -> Iterator[str]:
        """Which promises of the level do not hold, in words; ``judged`` are the verdicts that count."""
        for part in self.level.parts if self.level is not None else ():
            against = [
                verdict
                for verdict in judged
                if verdict.red and part.holds(verdict.clause, verdict.level, verdict.sign.outcome)
            ]
            if against:
                cases = f"{len(against)} {'case' if len(against) == 1 else 'cases'}"
                yield f"against {part.promise!r}: {cases}, the first {against[0].case}"

    def left_aside(self, verdicts: Sequence[Verdict]) -> Iterator[str]:
        """What is red and does not make the run fail, in words."""
        red = [v for v in verdicts if v.ruling in RED - {Ruling.KIT_FAULT}]
        outside = [verdict for verdict in red if not self.in_level(verdict)]
        known = [verdict for verdict in red if self.in_level(verdict) and not self.holds(verdict)]
        unclear = [v for v in red if v.ruling is Ruling.UNTESTABLE and self.holds(v)]
        if outside and self.level is not None:
            yield f"{_counted(outside)} outside of level {self.level.id}, the first {outside[0].case}"
        if known and self.earlier is not None:
            yield f"{_counted(known)} that {self.earlier.name} had red too, the first {known[0].case}"
        if unclear and self.floor is not None:
            yield f"{_counted(unclear)} that could not be decided, the first {unclear[0].case}"


def _counted(verdicts: Sequence[Verdict]) -> str:
    return f"not judged: {len(verdicts)} red {'case' if len(verdicts) == 1 else 'cases'}"
