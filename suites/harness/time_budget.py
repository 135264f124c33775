"""Profile quick for slow backends: the cases that the backend's own time leaves room for. Pure but a table.

Quick is to be quick for everyone, and where the backend is slow, most of a run is the backend's own time. So
the probes' pace and a table of the calls and endpoints that each case makes one after the other
(``turns.json``, counted with the reference backend) say beforehand what a case will take. The most valuable
are taken first: of each results key in turn the cheapest MUST case. No stop-watch is looked at: the same pace
leaves out the same cases, whatever the machine does.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import zip_longest
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import Level, load_catalogue
from tgi_conformance.contracts.verdict import FOR_TIME
from tgi_conformance.suites.harness.patience import SLOW, Pace

#: Seconds of the backend's own time that each worker has room for.
ROOM: Final = 45.0
#: Own time is told apart in steps of so many seconds, so that all workers decide alike.
_STEP: Final = 0.1
_RANK: Final = {Level.MUST: 0, Level.SHOULD: 1, Level.MAY: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """What a case makes one after the other."""

    calls: int
    endpoints: int

    def seconds(self, pace: Pace) -> float:
        """The backend's own time in it."""
        return self.calls * _steps(pace.usual + pace.returns) + self.endpoints * _steps(pace.creation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A case that is to be run."""

    case: str
    clause: str


class TimeBudget:
    """Which cases of a run are left out for time; one a worker."""

    def __init__(
        self, cases: Mapping[str, Sequence[Candidate]], workers: int, asked: Callable[[str], bool]
    ) -> None:
        """``cases``: of each backend; ``asked``: whether the user asked for all cases of a clause."""
        self._cases = cases
        self._workers = workers
        self._asked = asked
        self._left_out: dict[str, Mapping[str, str]] = {}

    def reason(self, backend: str, case: str, claimed: frozenset[str], pace: Pace) -> str:
        """Why a case is left out; empty: it is run. The first pace of a backend decides for all its cases."""
        if backend not in self._left_out:
            catalogue = load_catalogue()
            candidates = [
                each
                for each in self._cases.get(backend, ())
                if each.clause in catalogue and claimed >= set(catalogue[each.clause].capabilities)
            ]
            self._left_out[backend] = left_out(candidates, pace, self._workers, self._asked)
        return self._left_out[backend].get(case, "")


def left_out(
    candidates: Sequence[Candidate], pace: Pace, workers: int, asked: Callable[[str], bool]
) -> Mapping[str, str]:
    """The cases that there is no room for, each with the reason."""
    if max(pace.usual + pace.returns, pace.creation) <= SLOW:
        return {}
    room, taken = ROOM * workers, set[str]()
    for case in sorted(by_value(candidates, pace), key=lambda each: not asked(each.clause)):
        seconds = turns_of(case.case).seconds(pace)
        if not taken or asked(case.clause) or seconds <= room:
            taken.add(case.case)
            room -= seconds
    share = f"{len(taken)} of {len(candidates)} cases"
    why = f"{FOR_TIME}: {_in_words(pace)}, and profile quick has room for {share}"
    return {each.case: why for each in candidates if each.case not in taken}


def by_value(candidates: Iterable[Candidate], pace: Pace) -> Iterator[Candidate]:
    """In rounds, of each results key the next case: MUST before SHOULD, then what takes less time."""
    catalogue = load_catalogue()

    def cost(each: Candidate) -> tuple[int, float, str]:
        return _RANK[catalogue[each.clause].level], turns_of(each.case).seconds(pace), each.case

    by_key: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=cost):
        clause = catalogue[candidate.clause]
        by_key.setdefault(clause.results_key or clause.area, []).append(candidate)
    for together in zip_longest(*by_key.values()):
        yield from sorted((each for each in together if each is not None), key=cost)


def turns_of(case: str) -> Turns:
    """What a case makes one after the other; one that was not counted counts as a middling one."""
    table = _table()
    return table.get(case) or Turns(calls=4, endpoints=2)


@cache
def _table() -> Mapping[str, Turns]:
    text = files(__package__ or "").joinpath("turns.json").read_text(encoding="utf-8")
    return {case: Turns(calls=calls, endpoints=ends) for case, (calls, ends) in json.loads(text).items()}


def _steps(seconds: float) -> float:
    return round(seconds / _STEP) * _STEP


def _in_words(pace: Pace) -> str:
    parts = [
        (pace.creation, "to make an endpoint"),
        (pace.usual, "before it sends"),
        (pace.returns, "after its answer"),
    ]
    told = " and ".join(f"{_steps(seconds):.1f} s {what}" for seconds, what in parts if seconds > SLOW)
    return f"the backend takes {told or 'its time'}"
