"""The kill matrix: every backend that is broken on purpose, run against the suites, and what each run saw.

A mutant runs in profile quick: all cases of the clause that it breaks, one case of each other clause, and of
these only the cases that reach a function which it changes (``reach.py``, ``changed.py``) and do what the
mutant shows in (``SHOWS_IN``). Cases of other clauses that start the client anew, or work ten times as long
as most, stay out. What is done is kept in a file of JSON lines; a row counts again as long as the mutant, the
kit and the suites are the same.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from subprocess import TimeoutExpired

from changed import changed_functions, face_of
from kill_runs import FOLDER, SHOWS_IN, Mutant, Told, mutants, run_quick
from kill_sources import digest_of, digest_of_the_kit
from kill_table import Row, known, summary, table
from reach import FACES, NotClean, Reach, clean_run, known_reach
from suite_runs import as_they_end

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.plugin.quick.choice import chosen
from tgi_conformance.suites.harness.session import CaseId

STATE = Path("collected_results") / "kill_matrix"
#: Clauses whose cases may fail because a healthy call does not work: more are no mistake but a wreck.
MOST_MUTE = 50
#: Runs at a time; on two cores six keep both busy, since a case waits longer than it works.
DEFAULT_JOBS = 6
#: A clean run takes as long as many runs of a mutant: fewer of a face than this are run on all cases.
WORTH_A_CLEAN_RUN = 8
#: Seconds that a run takes at least, and that a case of it adds, where no earlier run has shown it.
_EXPECTED = 5.0, 0.2


def selection(mutant: Mutant, reach: Reach, changed: frozenset[str]) -> tuple[str, ...]:
    """The cases that a mutant is run on, in order of collection.

    ``changed`` are the functions that it changes; none: any case may reach the change. If none of its own
    clause's cases does, that clause is run in full all the same. A case of its own clause that enters nothing
    of the client without the mistake was not applicable there; with it, it may be.
    """
    needed = {SHOWS_IN[word] for word in mutant.shows_in}
    anew = {f"adapter.py:{face}.__init__" for face in FACES}

    def may_show(case: CaseId) -> bool:
        entered = reach.functions.get(case.text, frozenset())
        if case.clause == mutant.breaks and not entered:
            return True
        dear = case.clause != mutant.breaks and entered & anew and not changed & anew
        return not dear and needed <= entered and (not changed or bool(changed & entered))

    runs = chosen(reach.candidates, [mutant.breaks])
    quick = [candidate.case for candidate, run in zip(reach.candidates, runs, strict=True) if run]
    kept = [case for case in quick if may_show(case)]
    if not any(case.clause == mutant.breaks for case in kept):
        kept += [case for case in quick if case.clause == mutant.breaks]
    return tuple(case.text for case in kept)


def run(mutant: Mutant, cases: Sequence[str], folder: Path, digests: tuple[str, str]) -> Row:
    """Run a mutant on these cases (none named: profile quick in full) and give its row."""
    words = [f"--case={case}" for case in cases] or ["--focus", mutant.breaks]
    began = time.monotonic()
    problem, told = "", Told(0, "", (), {})
    try:
        told = run_quick(mutant.spec, folder, *words, "--enforce", "should", narrowed=bool(cases))
    except TimeoutExpired as late:
        problem = f"no end within {late.timeout:g} s"
    if not problem and (not told.verdicts or told.ruled("kit fault", "not run")):
        problem = f"no result, exit code {told.code}: {' '.join(told.out.split())[-300:]}"
    if len(told.mute) > MOST_MUTE:
        problem = f"works not at all, which shows nothing: {told.mute[min(told.mute)]}"
    return Row(
        mutant=mutant.id,
        breaks=mutant.breaks,
        level=str(mutant.level),
        source=digests[0],
        kit=digests[1],
        selected=bool(cases),
        cases=sum(v["ruling"] != "not here" for v in told.verdicts),
        red=() if problem else red_clauses(told, mutant),
        untestable=told.ruled("untestable"),
        seconds=round(time.monotonic() - began, 1),
        cpu=round(told.cpu, 1),
        problem=problem,
    )


def red_clauses(told: Told, mutant: Mutant) -> tuple[str, ...]:
    """The clauses with a failed case, and the own one where the mistake shows in the healthy call already.

    Then the healthy call is the failure, and what the clause asks beyond it is blocked by that.
    """
    own = (mutant.breaks,) if mutant.breaks in told.mute and mutant.breaks not in told.red else ()
    return (*told.red, *own)


def source_of(mutant: Mutant) -> str:
    """A digest of the mutant's file and of the one that all are made with."""
    return digest_of([FOLDER / f"{mutant.file}.py", FOLDER / "seams.py"])


def main(words: Sequence[str] | None = None) -> int:
    """Run what has no row yet and print the matrix; returns 0 where it is as sharp as it has to be."""
    given = _parser().parse_args(words)
    began = time.monotonic()
    wanted = [mutant for mutant in mutants() if _is_named(mutant, given.only or ["*"])]
    given.state.mkdir(parents=True, exist_ok=True)
    file = given.state / "rows.jsonl"
    kit = digest_of_the_kit()
    rows = {} if given.fresh else known(file)
    todo = [v for v in wanted if given.again or not _counts(rows.get(v.id), v, kit, given)]
    print(f"{len(wanted)} mutants, {len(wanted) - len(todo)} of them done", flush=True)
    try:
        cases = cases_of(todo, given.state, kit) if not given.full else {}
    except NotClean as red:
        print(red, file=sys.stderr)
        return 1

    def one(mutant: Mutant) -> Row:
        folder = given.state / "runs" / mutant.id.replace(":", ".")
        return run(mutant, cases.get(mutant.id, ()), folder, (source_of(mutant), kit))

    with ThreadPoolExecutor(given.jobs) as pool:
        order = longest_first(todo, rows, cases)
        runs = [(pool, mutant) for mutant in order]
        for number, row in enumerate(as_they_end(one, runs), 1):
            rows[row.mutant] = row
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(row)) + "\n")
            said = "" if row.by_own else "  not by its own clause"
            print(f"[{number}/{len(todo)}] {table([row])[1]}{said}", flush=True)
    done = [rows[mutant.id] for mutant in wanted if mutant.id in rows]
    lines, sharp = summary(done)
    print("\n".join(["", *table(done), "", *lines]))
    cpu = sum(rows[mutant.id].cpu for mutant in todo)
    print(f"this run: {time.monotonic() - began:.0f} s, {len(todo)} mutants run, {cpu:.0f} s of CPU")
    return 0 if sharp else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", action="append", metavar="PATTERN", help="mutants or clauses, as 'stream:*'"
    )
    parser.add_argument(
        "--jobs", type=int, default=DEFAULT_JOBS, help=f"runs at a time (default {DEFAULT_JOBS})"
    )
    parser.add_argument(
        "--state", type=Path, default=STATE, help=f"folder of rows and runs (default {STATE})"
    )
    parser.add_argument("--fresh", action="store_true", help="forget all earlier rows")
    parser.add_argument("--again", action="store_true", help="run what is named though it has a row")
    parser.add_argument("--full", action="store_true", help="run profile quick in full, unreached cases too")
    parser.add_argument(
        "--stale", action="store_true", help="count rows of an older kit too (while you work)"
    )
    return parser


def _is_named(mutant: Mutant, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in (mutant.id, mutant.breaks) for pattern in patterns)


def _counts(row: Row | None, mutant: Mutant, kit: str, given: argparse.Namespace) -> bool:
    """Whether an earlier row still says what a run of today would."""
    return (
        row is not None
        and not row.problem
        and row.source == source_of(mutant)
        and (row.kit == kit or given.stale)
        and not (given.full and row.selected)
    )


def cases_of(todo: Sequence[Mutant], state: Path, kit: str) -> Mapping[str, tuple[str, ...]]:
    """The cases of each mutant; one that is not named is to be run on all."""
    reach: dict[str, Reach] = {}
    for face, count in Counter(map(face_of, todo)).items():
        seen = known_reach(face, state, kit)
        if seen is None and count >= WORTH_A_CLEAN_RUN:
            seen = clean_run(face, state, kit)
        if seen is not None:
            reach[face] = seen
    narrowed = [mutant for mutant in todo if face_of(mutant) in reach]
    changed = changed_functions(narrowed) if narrowed else {}
    return {m.id: selection(m, reach[face_of(m)], changed[m.id]) for m in narrowed}


def longest_first(
    todo: Sequence[Mutant], rows: Mapping[str, Row], cases: Mapping[str, Sequence[str]]
) -> list[Mutant]:
    """In this order no long one is left alone at the end: by its last run, or by how many cases it has."""
    least, each = _EXPECTED
    all_of_quick = len(load_catalogue())

    def seconds(mutant: Mutant) -> float:
        if row := rows.get(mutant.id):
            return row.seconds
        return least + each * (len(cases[mutant.id]) if mutant.id in cases else all_of_quick)

    return sorted(todo, key=seconds, reverse=True)


if __name__ == "__main__":
    sys.exit(main())
