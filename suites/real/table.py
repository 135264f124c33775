"""Which cases a run against a real endpoint forwards, and why the others are embedded or not here.

``forwarded.json`` lists the forwarded ones, one a clause and call shape, in one form: each asserts on the
request, on counts and order, or on the forwarded bytes. ``tests/helpers/forwarded_cases.py`` makes it.
"""

import json
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

from tgi_conformance.suites.ways.words import Way


class Where(StrEnum):
    """Where a case gets its answers from in a run against a real endpoint."""

    #: The real endpoint, through the fake server.
    FORWARDED = "forwarded"
    #: The fake server alone.
    EMBEDDED = "embedded"


#: Why a case is embedded.
SCRIPTED: Final = "a scripted answer is needed"
ANOTHER: Final = "another case of its clause is forwarded"
LOAD: Final = "load belongs on no server of others"


@cache
def forwarded_cases() -> frozenset[str]:
    """Ids of the cases that are forwarded."""
    text = files(__package__ or "").joinpath("forwarded.json").read_text(encoding="utf-8")
    return frozenset(json.loads(text))


@cache
def _forwarded_clauses() -> frozenset[str]:
    return frozenset(case.partition("/")[0] for case in forwarded_cases())


def where(case: str) -> Where:
    """Where a case gets its answers from."""
    return Where.FORWARDED if case in forwarded_cases() else Where.EMBEDDED


def why_embedded(case: str, *, load: bool) -> str:
    """Why a case is not forwarded; empty: it is."""
    if case in forwarded_cases():
        return ""
    if load:
        return LOAD
    return ANOTHER if case.partition("/")[0] in _forwarded_clauses() else SCRIPTED


def one_each(candidates: Iterable[tuple[str, frozenset[Way]]]) -> list[str]:
    """Of these cases (id, ways tried), the first of each clause and call shape, in one form."""
    chosen: dict[tuple[str, frozenset[str]], str] = {}
    for case, ways in candidates:
        chosen.setdefault((case.partition("/")[0], frozenset(way.route for way in ways)), case)
    return list(chosen.values())
