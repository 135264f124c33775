"""What the suite has to try a client with, by area: the measure that each result is held against. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from tgi_conformance.contracts.catalogue.clauses import load_catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaSuite:
    """One area: its name, its title, and what the suite has for it."""

    name: str
    title: str
    #: Those that have cases.
    clauses: frozenset[str] = frozenset()
    cases: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """All areas, in the order of the catalogue."""

    areas: tuple[AreaSuite, ...]

    @property
    def clauses(self) -> int:
        """How many clauses have cases."""
        return sum(len(area.clauses) for area in self.areas)

    @property
    def cases(self) -> int:
        """How many cases there are; run-wide rulings are none, they rest on the others."""
        return sum(len(area.cases) for area in self.areas)


def suite_of(cases: Iterable[str]) -> Suite:
    """The suite that holds these cases, by their ids."""
    every = tuple(cases)
    return Suite(
        areas=tuple(
            AreaSuite(
                name=area.name,
                title=area.title,
                clauses=frozenset(case.partition("/")[0] for case in mine),
                cases=frozenset(mine),
            )
            for area in load_catalogue().areas
            for mine in [[case for case in every if case.partition("-")[0] == area.name]]
        )
    )
