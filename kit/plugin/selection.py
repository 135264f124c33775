"""Which cases the words of ``--tgi-case`` and ``--tgi-focus`` name, and what is near a word that names none.

Pure. Upper and lower case make no difference: ``stream-12`` is ``STREAM-12``.
"""

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.verdict import RUN_WIDE
from tgi_conformance.suites.harness.session import CaseId

#: What makes a pattern more than a name.
_WILD: Final = frozenset("*?[")
#: How many near names are worth reading, and how near they must be (of 1).
_NEAR: Final = 3
_NEARNESS: Final = 0.8
#: Where the names stand.
_LISTED: Final = "`tgi-conformance list` lists the clauses"


class Selection:
    """The patterns that were given, and which of them have named a case so far."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = {pattern.lower(): pattern for pattern in patterns}
        self._plain = {low for low in self._patterns if not is_wild(low)}
        self._wild = self._patterns.keys() - self._plain
        self._unused = set(self._patterns)

    def takes(self, case: CaseId) -> bool:
        """Whether a pattern names the case, by its id or its clause.

        Many plain names may be given at once: they are looked up, not tried one by one.
        """
        words = {case.text.lower(), case.clause.lower()}
        hits = self._plain & words
        hits |= {pattern for pattern in self._wild if any(fnmatchcase(word, pattern) for word in words)}
        self._unused -= hits
        return bool(hits)

    @property
    def unused(self) -> list[str]:
        """The patterns that named nothing, as they were written."""
        return sorted(self._patterns[low] for low in self._unused)


def is_wild(pattern: str) -> bool:
    """Whether a pattern has ``*``, ``?`` or ``[``, as in a shell."""
    return not _WILD.isdisjoint(pattern)


def names_clause(pattern: str, clause: str) -> bool:
    """Whether a pattern names a clause."""
    return fnmatchcase(clause.lower(), pattern.lower())


def unknown_clause(pattern: str, clauses: Sequence[str] | None = None) -> str:
    """Say that no clause has this name, and what is near; empty where one has.

    ``clauses``: those to choose from; all of the catalogue where none are given.
    """
    known = clauses if clauses is not None else [clause.id for clause in load_catalogue()]
    if any(names_clause(pattern, clause) for clause in known):
        return ""
    return f"there is no clause {pattern}; {_near_clauses(pattern, known)}"


def unknown_case(pattern: str, cases: Iterable[str]) -> str:
    """Say that none of these cases has this name, and what is near."""
    clause, slash, slug = pattern.partition("/")
    if not slash or is_wild(clause):
        return unknown_clause(pattern) or f"no case has the name {pattern}; {_LISTED} with --cases"
    if said := unknown_clause(clause):
        return said
    if slug.lower() == RUN_WIDE:
        return (
            f"{pattern} is ruled over all cases of a run, and the last run in this folder was not red in it"
        )
    of_clause = sorted(case for case in cases if case.lower().startswith(f"{clause.lower()}/"))
    if not of_clause:
        return f"{clause.upper()} has no case of its own; `tgi-conformance explain {clause.upper()}` says why"
    where = f"`tgi-conformance explain {clause.upper()}` lists its cases"
    near = _near(pattern, of_clause) or of_clause[:_NEAR]
    return f"there is no case {pattern}; near it: {', '.join(near)}; {where}"


def _near_clauses(pattern: str, known: Sequence[str]) -> str:
    area = pattern.partition("-")[0].upper()
    of_area = [clause for clause in known if clause.partition("-")[0] == area]
    near = _near(pattern, of_area or known)
    if of_area:
        asked = f"did you mean {near[0]}? " if near else ""
        return f"{asked}{of_area[0]} to {of_area[-1]} exist"
    if near:
        return f"did you mean {' or '.join(near)}?"
    areas = dict.fromkeys(clause.partition("-")[0] for clause in known)
    if near := _near(area, tuple(areas)):
        return f"did you mean an area {' or '.join(near)}? {_LISTED}"
    return f"the areas are {', '.join(areas)}; {_LISTED}"


def _near(word: str, known: Sequence[str]) -> list[str]:
    """The names most like a word, the likest first; of two that are as like, the one that is known first."""
    likeness = {name: difflib.SequenceMatcher(None, name.lower(), word.lower()).ratio() for name in known}
    near = [name for name in known if likeness[name] >= _NEARNESS]
    return sorted(near, key=lambda name: -likeness[name])[:_NEAR]
