"""Levels of conformance (``contracts/levels.toml``): *safe*, *sound*, *exemplary*, made of clauses."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from tgi_conformance.contracts.catalogue.clauses import Level, load_catalogue

#: Names of the levels from the least to the most, for command lines that must not read the file.
NAMES: Final = ("safe", "sound", "exemplary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One promise of a level."""

    #: As ``loses no output``.
    promise: str
    #: What its clauses have in common (:mod:`..causes.severity`).
    severity: str
    clauses: tuple[str, ...]
    #: Classes of outcomes that break it in a case of any MUST clause.
    outcomes: frozenset[str] = frozenset()

    def holds(self, clause: str, strength: str, outcome: str) -> bool:
        """Whether a failed case of that clause, with that class of outcome, breaks the promise."""
        return clause in self.clauses or (strength == Level.MUST and outcome in self.outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformanceLevel:
    """What a backend of this level keeps."""

    id: str
    #: In a few words, behind "a client that".
    means: str
    clauses: frozenset[str]
    #: Those whose clauses are all in it, a clause that the catalogue does not have included.
    strengths: frozenset[str] = frozenset()
    parts: tuple[Part, ...] = ()

    def holds(self, clause: str, strength: str, outcome: str) -> bool:
        """Whether a failed case of that clause, with that class of outcome, breaks the level."""
        strong = clause in self.clauses or strength in self.strengths
        return strong or any(part.holds(clause, strength, outcome) for part in self.parts)


@cache
def load_levels() -> Mapping[str, ConformanceLevel]:
    """The levels that come with the package by name, the least first."""
    text = resources.files("tgi_conformance.contracts").joinpath("levels.toml").read_text("utf-8")
    rows: list[dict[str, Any]] = tomllib.loads(text)["level"]
    return {row["id"]: _level(row) for row in rows}


def _level(row: Mapping[str, Any]) -> ConformanceLevel:
    parts = tuple(
        Part(
            promise=part["promise"],
            severity=part["severity"],
            clauses=tuple(part["clauses"]),
            outcomes=frozenset(part["outcomes"]),
        )
        for part in row.get("part", ())
    )
    strengths = frozenset(row.get("strengths", ()))
    named = (clause for part in parts for clause in part.clauses)
    strong = (clause.id for clause in load_catalogue() if clause.level in strengths)
    return ConformanceLevel(
        id=row["id"],
        means=row["means"],
        clauses=frozenset((*named, *strong)),
        strengths=strengths,
        parts=parts,
    )
