"""Requirement sets, read from ``<name>.toml`` beside this module, and the cases that have left the suites.

A set never changes once it is published: a client that is green by it stays green with every later kit. What
became of a case that the suites hold no longer is told in ``withdrawn.toml``.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from tgi_conformance.contracts.verdict import RUN_WIDE

_WITHDRAWN: Final = "withdrawn.toml"


class UnknownSetError(ValueError):
    """No set has this name; says which there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementSet:
    """The cases of a date."""

    name: str
    #: What it was made from, in a sentence.
    made_from: str
    #: Ids of cases, such as ``RETRY-03/json-400``.
    cases: frozenset[str]

    def holds(self, case: str) -> bool:
        """Whether a case is judged by this set.

        A run-wide ruling is, where the set has its clause: it rests on the cases of the set.
        """
        clause, _, slug = case.partition("/")
        return case in self.cases or (slug == RUN_WIDE and clause in self.clauses)

    @property
    def clauses(self) -> frozenset[str]:
        """The clauses that the set has a case of."""
        return _clauses(self.cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """A case that was in a set and is in the suites no longer."""

    case: str
    reason: str
    #: The cases that took its place; none: nothing is required in its place.
    replaced_by: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """What became of it: ``MUX-01/plain: replaced by MUX-01/chat-plain (...)``."""
        names = ", ".join(self.replaced_by)
        return f"{self.case}: {f'replaced by {names}' if names else 'withdrawn'} ({self.reason})"


def set_names() -> tuple[str, ...]:
    """The names of all sets, the oldest first."""
    names = (entry.name for entry in files(__package__ or "").iterdir())
    return tuple(
        sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml") and name != _WITHDRAWN)
    )


@cache
def read_set(name: str) -> RequirementSet:
    """The set of that name; raises :class:`UnknownSetError`."""
    if name not in set_names():
        raise UnknownSetError(f"there is no requirement set {name!r}; there is {', '.join(set_names())}")
    return parse_set(name, _text(f"{name}.toml"))


def parse_set(name: str, text: str) -> RequirementSet:
    """Read a set from its TOML."""
    value = tomllib.loads(text)
    cases = frozenset(
        f"{clause}/{slug}" for clause, slugs in value["cases"].items() for slug in slugs.split()
    )
    return RequirementSet(name=name, made_from=value["made_from"], cases=cases)


@cache
def withdrawn() -> Mapping[str, Withdrawn]:
    """The cases that have left the suites since they entered a set, by id."""
    table = tomllib.loads(_text(_WITHDRAWN))
    return {
        case: Withdrawn(case=case, reason=entry["reason"], replaced_by=tuple(entry.get("replaced_by", ())))
        for case, entry in table.items()
    }


def unexplained(requirements: RequirementSet, suites: Iterable[str]) -> tuple[str, ...]:
    """The cases of a set that the suites do not hold, and of which nothing is told."""
    known = {*suites, *withdrawn()}
    own = (case for case in requirements.cases if not case.endswith(f"/{RUN_WIDE}"))
    return tuple(sorted(case for case in own if case not in known))


@cache
def _clauses(cases: frozenset[str]) -> frozenset[str]:
    return frozenset(case.partition("/")[0] for case in cases)


def _text(name: str) -> str:
    return files(__package__ or "").joinpath(name).read_text(encoding="utf-8")
