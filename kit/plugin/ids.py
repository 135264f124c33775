"""The identity of a case: clause and slug, read from the ``clause`` marker; never a pytest node id."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pytest

from tgi_conformance.contracts.catalogue.clauses import Clause, load_catalogue
from tgi_conformance.suites.harness.session import CaseId
from tgi_conformance.suites.ways.binding import binding_of
from tgi_conformance.suites.ways.tried import WaysProblem, check, tried
from tgi_conformance.suites.ways.words import Way

MARKER: Final = "clause"
BACKEND_FIXTURE: Final = "backend_spec"
#: What the backend's part of a node id begins with, where a run has several.
BACKEND_WORD: Final = "backend="
#: What a parameter's id begins with where its own marker names the case: the id is no part of the slug.
NAMED_WORD: Final = "case="
#: Stands in the place of the clause for a test whose marker cannot be read.
NO_CLAUSE: Final = "KIT"
_ALLOWED: Final = re.compile(r"[A-Za-z0-9._+-]+")
_OTHER: Final = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What a ``clause`` marker says."""

    clause: str
    case: str | None = None
    #: The ways that it tries beside, or in place of, what its parameters say.
    ways: tuple[str, ...] = ()


class MarkerProblem(ValueError):
    """A ``clause`` marker that cannot be used; says where it stands."""


def read_marker(item: pytest.Item) -> Marked | None:
    """Return the closest ``clause`` marker of a test, or None; raises :class:`MarkerProblem`."""
    mark = item.get_closest_marker(MARKER)
    if mark is None:
        return None
    case = mark.kwargs.get("case")
    if len(mark.args) != 1 or set(mark.kwargs) - {"case", "ways"} or not isinstance(mark.args[0], str):
        raise MarkerProblem(f'{item.nodeid}: write clause("RETRY-03") or clause("RETRY-03", case="slug")')
    if mark.args[0] not in load_catalogue():
        raise MarkerProblem(f"{item.nodeid}: no clause {mark.args[0]!r}; `tgi-conformance list` lists them")
    if case is not None and (not isinstance(case, str) or not _ALLOWED.fullmatch(case)):
        raise MarkerProblem(f"{item.nodeid}: case={case!r}: letters, digits and . _ + - only")
    return Marked(clause=mark.args[0], case=case, ways=_ways_of(item, mark))


def _ways_of(item: pytest.Item, mark: pytest.Mark) -> tuple[str, ...]:
    given = mark.kwargs.get("ways", ())
    ways = (given,) if isinstance(given, str) else tuple(given)
    try:
        check(ways)
    except WaysProblem as problem:
        raise MarkerProblem(f"{item.nodeid}: {problem}") from None
    return ways


def ways_tried(item: pytest.Item, marked: Marked) -> frozenset[Way]:
    """The ways on which a case tries its clause."""
    callspec = getattr(item, "callspec", None)
    parameters = {} if callspec is None else callspec.params
    return tried(binding_of(marked.clause), parameters, marked.ways)


def find_clause(clause_id: str) -> Clause | None:
    """Return a clause of the catalogue; None for one that it does not hold."""
    return next((clause for clause in load_catalogue() if clause.id == clause_id), None)


def case_id(marked: Marked, *, function: str, parameters: str) -> CaseId:
    """Name a case.

    The slug is the given one and the parametrization's id joined by "-"; with neither, the function's name.
    """
    parts = [part for part in (marked.case, parameters) if part]
    slug = "-".join(parts) if parts else function.removeprefix("test_").replace("_", "-")
    return CaseId(clause=marked.clause, slug=_OTHER.sub("-", slug).strip("-") or "case")


def parameters_of(item: pytest.Item) -> str:
    """Return the id that pytest made of a test's parameters, less what the slug has no part of.

    That is the backend, and a parameter whose marker names the case.
    """
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return ""
    words = (str(word) for word in callspec._idlist)  # noqa: SLF001 - pytest offers the joined id only
    return "-".join(word for word in words if not word.startswith((BACKEND_WORD, NAMED_WORD)))


def doubled(cases: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return a line for each (case, backend, node id) whose case another test of that backend has."""
    seen: dict[tuple[str, str], str] = {}
    problems = []
    for case, backend, nodeid in cases:
        if (other := seen.setdefault((case, backend), nodeid)) != nodeid:
            problems.append(f"case {case} stands twice: {other} and {nodeid}; give one of them case=...")
    return problems
