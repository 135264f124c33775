"""Which functions of the reference client each case reaches, seen in one clean run of each face.

``clean_run`` makes that run, in a process of its own that is this file; ``known_reach`` reads what it showed,
as long as the sources are the same.
"""

import json
import mmap
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from kill_runs import with_bytecode
from kill_sources import name_of

from tgi_conformance.cli.pytest_arguments import Choice, arguments, own_environment
from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.plugin.collection import WAYS_TRIED
from tgi_conformance.plugin.judging import VERDICT_ATTRIBUTE
from tgi_conformance.plugin.locks import share_of
from tgi_conformance.plugin.quick.choice import Candidate
from tgi_conformance.reports.verdict_lines import parse_line
from tgi_conformance.suites.harness.session import CASE_ID, CaseId
from tgi_conformance.suites.ways.words import WAY_BY_NAME

ADAPTER = Path(__file__).with_name("reach_adapter.py")
FACES = ("ReferenceAdapter", "AsyncReferenceAdapter")
#: How much longer than the median a case works that is run for its own clause only.
DEAR = 10
#: Seconds after which a clean run is given up; on a quiet machine one takes a minute.
PATIENCE = 1200


class NotClean(RuntimeError):
    """The reference itself is red, so that nothing can be said of what differs from it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What one clean run of a face showed."""

    #: All cases, in order of collection.
    candidates: tuple[Candidate, ...]
    #: Case -> functions entered while it ran, as ``module.py:Class.method``.
    functions: Mapping[str, frozenset[str]]


def known_reach(face: str, folder: Path, sources: str) -> Reach | None:
    """Read what a clean run of a face has shown; ``None``: there was none with the same sources."""
    file = _file(face, folder)
    value = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return _reach(value) if value.get("sources") == sources else None


def clean_run(face: str, folder: Path, sources: str) -> Reach:
    """Run a face on all cases, and keep what that showed in ``folder``.

    Raises :class:`NotClean` where the run was not all green.
    """
    value = {"sources": sources, **_run(face, folder / f"reach-{face}")}
    _file(face, folder).write_text(json.dumps(value), encoding="utf-8")
    return _reach(value)


def _file(face: str, folder: Path) -> Path:
    return folder / f"reach-{face}.json"


def _reach(value: Mapping[str, Any]) -> Reach:
    """What works ten times as long as most cases is taken like a case that loads: it stands for no clause."""
    seconds: Mapping[str, float] = value["seconds"]
    most = DEAR * median(seconds.values()) if seconds else 0.0
    candidates = (
        Candidate(
            case=CaseId(clause=clause, slug=slug),
            backend="",
            load=load or seconds.get(f"{clause}/{slug}", 0.0) > most,
            ways=frozenset(WAY_BY_NAME[way] for way in ways),
        )
        for clause, slug, load, ways in value["cases"]
    )
    return Reach(tuple(candidates), {case: frozenset(names) for case, names in value["functions"].items()})


def _run(face: str, folder: Path) -> dict[str, object]:
    """Run a face in two parts at once, each of which leaves a core idle half of the time."""
    areas = [area.name for area in load_catalogue().areas]
    parts = [[f"{area}-*" for area in areas[first::2]] for first in (0, 1)]
    folders = [folder / f"part-{number}" for number in range(len(parts))]
    with ThreadPoolExecutor(len(parts)) as pool:
        made = list(pool.map(_part, repeat(face), parts, folders))
    functions = {case: sorted(names) for part in made for case, names in part.functions.items()}
    seconds = {case: worked for part in made for case, worked in part.seconds.items()}
    return {"cases": made[0].cases, "functions": functions, "seconds": seconds}


@dataclass(frozen=True, slots=True)
class _Part:
    """What a part of a run showed: all cases in order of collection, and more of those that it ran."""

    cases: list[Any]
    functions: Mapping[str, set[str]]
    seconds: Mapping[str, float]


def _part(face: str, cases: Sequence[str], folder: Path) -> _Part:
    """Run these cases (patterns)."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("entered-*.txt"):
        left.unlink()
    done = subprocess.run(
        [sys.executable, __file__, face, *cases],
        cwd=folder,
        env=with_bytecode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    made = folder / "cases.json"
    if done.returncode or not made.is_file():
        raise NotClean(f"the clean run of {face} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    collected = json.loads(made.read_text(encoding="utf-8"))
    numbers = {number: f"{clause}/{slug}" for number, (clause, slug, *_) in enumerate(collected, 1)}
    functions: defaultdict[str, set[str]] = defaultdict(set)
    for file in folder.glob("entered-*.txt"):
        for number, name in _entered(file):
            if number in numbers:
                functions[numbers[number]].add(name)
    return _Part(collected, functions, json.loads((folder / "seconds.json").read_text(encoding="utf-8")))


def _entered(file: Path) -> Iterator[tuple[int, str]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        number, path, qualname = line.split("\t")
        yield int(number), name_of(path, qualname)


class _Watching:
    """A pytest plugin that says which case runs now, and writes down all cases in order of collection."""

    def __init__(self) -> None:
        Path("case-now").write_bytes(bytes(4))
        with Path("case-now").open("r+b") as file:
            self._now = mmap.mmap(file.fileno(), 4)
        self._numbers: dict[str, int] = {}
        self.red: list[str] = []
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Iterator[None]:
        collected = list(items)
        yield
        cases = [item for item in collected if CASE_ID in item.stash]
        self._numbers = {item.nodeid: number for number, item in enumerate(cases, 1)}
        rows = [
            [
                item.stash[CASE_ID].clause,
                item.stash[CASE_ID].slug,
                share_of(item) == "alone",
                sorted(map(str, item.stash[WAYS_TRIED])),
            ]
            for item in cases
        ]
        Path("cases.json").write_text(json.dumps(rows), encoding="utf-8")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._now[:4] = self._numbers.get(item.nodeid, 0).to_bytes(4, sys.byteorder)
        result = yield
        self._now[:4] = bytes(4)
        return result

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        line = getattr(report, VERDICT_ATTRIBUTE, None)
        if not isinstance(line, str):
            return
        verdict = parse_line(line)
        self.seconds[verdict.case] = verdict.duration - verdict.waited
        if verdict.red:
            self.red.append(f"{verdict.ruling} {verdict.case}: {verdict.reason}")


def main(face: str, *cases: str) -> int:
    """Run one face on these cases in the working folder; returns 0 where all was green."""
    watching = _Watching()
    with own_environment():
        # Each case with as few examples as the mutants get.
        choice = Choice(backends=(f"{ADAPTER}:{face}",), profile="quick", cases=cases, results="results")
        code = pytest.main([*arguments(choice), "-q"], plugins=[watching])
    Path("seconds.json").write_text(json.dumps(watching.seconds), encoding="utf-8")
    print("\n".join(watching.red))
    return int(code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
