"""What the user of a client suffers where a clause does not hold: ``symptoms.toml``, read and asked."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from tgi_conformance.contracts.causes.severity import Severity

_UNTOLD: Final = "untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymptomKind:
    """One thing that a user suffers."""

    id: str
    severity: Severity
    #: In one sentence.
    sentence: str
    #: Ids of the clauses whose breach means this, unless the class of the outcome tells more.
    clauses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """Classes of outcomes that mean a symptom whatever the clause; ``areas``: in these only."""

    classes: frozenset[str]
    symptom: str
    areas: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()

    def fits(self, clause: str, outcome: str) -> bool:
        """Whether it says what a case of the clause shows."""
        area = clause.partition("-")[0]
        here = not self.areas or area in self.areas
        return outcome in self.classes and here and clause not in self.left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptoms:
    """All symptoms by id, and the rows that the class of the outcome decides."""

    kinds: Mapping[str, SymptomKind]
    rows: tuple[OutcomeRow, ...]


@cache
def load_symptoms() -> Symptoms:
    """Read the symptoms that come with the package, once."""
    text = resources.files("tgi_conformance.contracts.causes").joinpath("symptoms.toml").read_text("utf-8")
    tables: dict[str, list[dict[str, Any]]] = tomllib.loads(text)
    kinds = [
        SymptomKind(
            id=row["id"],
            severity=Severity(row["severity"]),
            sentence=row["sentence"],
            clauses=tuple(row["clauses"]),
        )
        for row in tables["symptom"]
    ]
    rows = [
        OutcomeRow(
            classes=frozenset(row["classes"]),
            symptom=row["symptom"],
            areas=frozenset(row.get("areas", ())),
            left_out=frozenset(row.get("except", ())),
        )
        for row in tables["outcome"]
    ]
    return Symptoms(kinds={kind.id: kind for kind in kinds}, rows=tuple(rows))


def symptom_of(clause: str, outcome: str) -> SymptomKind:
    """What a failed case of a clause means to the user, with the class of its outcome."""
    symptoms = load_symptoms()
    row = next((row for row in symptoms.rows if row.fits(clause, outcome)), None)
    if row is not None:
        return symptoms.kinds[row.symptom]
    return _by_clause().get(clause, untold())


def untold() -> SymptomKind:
    """What is said of cases that could not be examined."""
    return load_symptoms().kinds[_UNTOLD]


@cache
def _by_clause() -> Mapping[str, SymptomKind]:
    return {clause: kind for kind in load_symptoms().kinds.values() for clause in kind.clauses}
