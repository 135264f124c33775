"""Profile ``quick``: one case stands for each clause, the rest is left out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tgi_conformance.plugin.selection import names_clause
from tgi_conformance.suites.harness.session import CaseId

WHY: Final = "left out by profile quick"
#: How the slug of a case begins that is a property: many examples, generated.
_PROPERTY: Final = "property"
#: And of one that tries the clause with a server of another generation.
_PERSONA: Final = "persona"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A case as far as the choice needs it."""

    case: CaseId
    backend: str
    #: It loads the machine, and would hold up all others.
    load: bool = False


def chosen(candidates: Sequence[Candidate], focus: Sequence[str] = ()) -> list[bool]:
    """Say of each case, in order of collection, whether it is run.

    For each backend and clause it is the first of the plainest kind: no property and no persona, else a
    persona, else a property; a ``load`` case never.
    All cases of a clause that one of the ``focus`` patterns names are run.
    """
    standing: dict[tuple[str, str], int] = {}
    for number, candidate in enumerate(candidates):
        if candidate.load:
            continue
        place = candidate.backend, candidate.case.clause
        taken = standing.setdefault(place, number)
        if _rank(candidate) < _rank(candidates[taken]):
            standing[place] = number
    numbers = set(standing.values())
    return [
        number in numbers or any(names_clause(pattern, candidate.case.clause) for pattern in focus)
        for number, candidate in enumerate(candidates)
    ]


def _rank(candidate: Candidate) -> int:
    kind = candidate.case.slug.partition("-")[0]
    return {_PERSONA: 1, _PROPERTY: 2}.get(kind, 0)


def is_property(slug: str) -> bool:
    """Whether a case is a property: many examples, generated."""
    return slug.partition("-")[0] == _PROPERTY
