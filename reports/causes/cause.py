"""A cause: what lies behind several red cases, as every report shows it. Pure values."""

from collections.abc import Iterator
from dataclasses import dataclass

from tgi_conformance.contracts.causes.severity import Severity
from tgi_conformance.contracts.verdict import Sign, Verdict

__all__ = ["Cause", "Causes", "Severity", "Symptom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One defect of a backend as far as the wire and its exceptions tell it apart from others."""

    #: The same in every run of the same defect, and a word of a URL: ``keyerror-a1b2c3``.
    id: str
    severity: Severity
    #: What the user of this client would suffer, in one sentence.
    sentence: str
    sign: Sign
    #: What to change, in one line; empty where nothing better than the clause's statement is known.
    advice: str = ""
    #: The red verdicts behind it, in the order of the report; never empty.
    verdicts: tuple[Verdict, ...]
    #: The one that shows it best: the smallest, with evidence.
    example: Verdict
    #: Cases that could not be examined because one of ``verdicts`` failed.
    blocked: tuple[Verdict, ...] = ()

    @property
    def clauses(self) -> tuple[str, ...]:
        """Ids of the clauses that it breaks, each once."""
        return tuple(dict.fromkeys(verdict.clause for verdict in self.verdicts))

    @property
    def place(self) -> str:
        """The line of the backend, as ``pkg/client.py:120 in read``; empty: not known."""
        return self.sign.place

    @property
    def places(self) -> tuple[str, ...]:
        """All lines of the backend that its cases name, each once: one mistake may stand on each route."""
        named = (verdict.sign.place for verdict in self.verdicts if verdict.sign.place)
        return tuple(dict.fromkeys((self.place, *named) if self.place else named))


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """What several causes have in common for the user of the client."""

    severity: Severity
    sentence: str
    #: Worst first; never empty.
    causes: tuple[Cause, ...]

    @property
    def cases(self) -> int:
        """How many red cases it explains."""
        return sum(len(cause.verdicts) for cause in self.causes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Causes:
    """All that lies behind the red cases of one backend; symptoms worst first."""

    backend: str
    symptoms: tuple[Symptom, ...] = ()

    def __iter__(self) -> Iterator[Cause]:
        """The causes, worst first."""
        return iter([cause for symptom in self.symptoms for cause in symptom.causes])

    def __len__(self) -> int:
        return sum(len(symptom.causes) for symptom in self.symptoms)

    @property
    def cases(self) -> int:
        """How many red cases they explain."""
        return sum(symptom.cases for symptom in self.symptoms)

    @property
    def blocked(self) -> int:
        """How many cases they keep from being examined."""
        return sum(len(cause.blocked) for cause in self)

    @property
    def headline(self) -> str:
        """``12 causes explain 156 failures``, and what they block; empty where nothing is red."""
        if not len(self):
            return ""
        causes = "1 cause explains" if len(self) == 1 else f"{len(self)} causes explain"
        told = f"{causes} {self.cases} {'failure' if self.cases == 1 else 'failures'}"
        if not self.blocked:
            return told
        return f"{told} and {'1 blocked case' if self.blocked == 1 else f'{self.blocked} blocked cases'}"
