"""A cause: what lies behind several red cases, as every report shows it. Pure values."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tgi_conformance.contracts.verdict import Sign, Verdict


class Severity(StrEnum):
    """What the user of the client suffers, the worst first."""

    SECRET_LEAKED = "secret leaked"  # noqa: S105
    OUTPUT_WRONG = "output lost or wrong"
    WORK_DOUBLED = "work doubled"
    HANG = "hang"
    UNUSABLE_ERROR = "unusable error"
    OTHER = "other"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)


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

    @property
    def clauses(self) -> tuple[str, ...]:
        """Ids of the clauses that it breaks, each once."""
        return tuple(dict.fromkeys(verdict.clause for verdict in self.verdicts))

    @property
    def place(self) -> str:
        """The line of the backend, as ``pkg/client.py:120 in read``; empty: not known."""
        return self.sign.place


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
    def headline(self) -> str:
        """``12 causes explain 156 failures``; empty where nothing is red."""
        if not len(self):
            return ""
        causes = "1 cause explains" if len(self) == 1 else f"{len(self)} causes explain"
        return f"{causes} {self.cases} {'failure' if self.cases == 1 else 'failures'}"
