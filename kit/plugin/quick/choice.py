"""Profile ``quick``: one case stands for each clause, the rest is left out. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from tgi_conformance.plugin.quick.likely import FIRST, STREAMS_JUDGED_APART, WIDE
from tgi_conformance.plugin.selection import names_clause
from tgi_conformance.suites.harness.session import CaseId
from tgi_conformance.suites.ways.words import Way

WHY: Final = "left out by profile quick"
#: How the slug of a case begins that is a property: many examples, generated.
_PROPERTY: Final = "property"
#: And of one that tries the clause with a server of another generation.
_PERSONA: Final = "persona"
#: Routes by how many clients use them.
_ROUTES: Final = ("chat", "native", "completions")


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A case as far as the choice needs it."""

    case: CaseId
    backend: str
    #: It loads the machine, and would hold up all others.
    load: bool = False
    #: The ways to make a call that it tries.
    ways: frozenset[Way] = frozenset()
    #: Says whether it is applicable to the backend; asked only where the case comes into question.
    applies: Callable[[], bool] = _always


def chosen(candidates: Sequence[Candidate], focus: Sequence[str] = ()) -> list[bool]:
    """Say of each case, in order of collection, whether it is run.

    For each backend and clause it is the likeliest to fail of those that apply to the backend; of none that
    applies, the likeliest. A ``load`` case never stands for a clause.
    All cases of a clause that one of the ``focus`` patterns names are run.
    """
    of_place: dict[tuple[str, str], list[int]] = {}
    for number, candidate in enumerate(candidates):
        if not candidate.load:
            of_place.setdefault((candidate.backend, candidate.case.clause), []).append(number)
    standing = {_standing(candidates, numbers) for numbers in of_place.values()}
    return [
        number in standing or any(names_clause(pattern, candidate.case.clause) for pattern in focus)
        for number, candidate in enumerate(candidates)
    ]


def _standing(candidates: Sequence[Candidate], numbers: Sequence[int]) -> int:
    ranked = sorted(numbers, key=lambda number: rank(candidates[number]))
    return next((number for number in ranked if candidates[number].applies()), ranked[0])


def rank(candidate: Candidate) -> tuple[bool, int, int, int]:
    """Where a case stands among those of its clause, the likeliest to fail first.

    First whether it tries all forms at once and what the table says of it, then whether it is spelled out, a
    persona's or a property, then its way; what is equal stays in the order of the suites.
    """
    slug = candidate.case.slug
    return not slug.startswith(WIDE), _likelihood(candidate.case), _kind(slug), _way(candidate)


def _likelihood(case: CaseId) -> int:
    first = FIRST.get(case.clause)
    patterns = () if first is None else first.slugs
    return next(
        (number for number, each in enumerate(patterns) if fnmatchcase(case.slug, each)), len(patterns)
    )


def _kind(slug: str) -> int:
    return {_PERSONA: 1, _PROPERTY: 2}.get(slug.partition("-")[0], 0)


def _way(candidate: Candidate) -> int:
    """The place of the best of its ways: by route, and a stream first unless other clauses judge streams."""
    apart = candidate.case.clause.partition("-")[0] in STREAMS_JUDGED_APART
    places = [
        2 * _ROUTES.index(way.route) + ((way.form == "stream") if apart else (way.form == "plain"))
        for way in candidate.ways
    ]
    return min(places, default=2 * len(_ROUTES))


def is_property(slug: str) -> bool:
    """Whether a case is a property: many examples, generated."""
    return slug.partition("-")[0] == _PROPERTY
