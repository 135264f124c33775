"""No false alarms: run after run of backends that are right, on a machine that is busy with other things.

Ten full runs and fifty of the areas that depend on time, for the reference (its two faces in turn), for the
Node example and for two small clients, each with a seed of its own, its cases in random order, beside two
busy loops: not one verdict may be red. What is done is kept in a file of JSON lines; a row counts as long as
the kit and the backend are the same. ``--equal`` asks whether one, two and eight workers reach the same
verdicts.
"""

import argparse
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from busy_loops import busy_loops
from kill_sources import digest_of, digest_of_the_kit
from soak_runs import AREA_RUNS, BACKENDS, FIRST_SEED, FULL_RUNS, Backend, Planned, plan
from suite_runs import rows_in, told, verdicts_of

from tgi_conformance.contracts.verdict import RED

STATE = Path("collected_results") / "soak"
#: What depends on time.
AREAS = ("RETRY-*", "QUEUE-*", "MUX-*", "RES-*", "STREAM-20", "STREAM-25", "ERR-07")
#: Seconds after which a run is given up; beside two busy loops a full one takes five minutes.
PATIENCE = 1800
EQUAL_WORKERS = (1, 2, 8)


@dataclass(frozen=True, slots=True)
class Row:
    """What a run came to."""

    run: str
    kit: str
    started: str
    face: str
    workers: int
    seed: int
    load: int
    seconds: float
    verdicts: int
    #: ``ruling case: reason [evidence]`` of each red verdict.
    red: tuple[str, ...]
    advisory: tuple[str, ...] = ()
    #: Why there are no verdicts; empty: there are.
    problem: str = ""

    @property
    def clean(self) -> bool:
        """Whether the run ended, and without a red verdict."""
        return not self.red and not self.problem


def run(planned: Planned, folder: Path, *, load: int, kit: str) -> Row:
    """Make one run beside ``load`` busy loops."""
    words = [*planned.words, "-n", str(planned.workers), "--seed", str(planned.seed), "--order", "random"]
    if planned.kind == "areas":
        words += [f"--case={area}" for area in AREAS]
    shutil.rmtree(folder, ignore_errors=True)
    started, began = datetime.now(UTC), time.monotonic()
    with busy_loops(load):
        problem, verdicts = verdicts_of(words, folder, patience=PATIENCE)
    return Row(
        run=planned.id,
        kit=kit,
        started=started.isoformat(timespec="seconds"),
        face=planned.words[-1].rpartition(":")[2].rpartition("/")[2],
        workers=planned.workers,
        seed=planned.seed,
        load=load,
        seconds=round(time.monotonic() - began, 1),
        verdicts=len(verdicts),
        red=tuple(told(v, folder) for v in verdicts if v["ruling"] in RED),
        advisory=tuple(str(v["case"]) for v in verdicts if v["ruling"] == "advisory"),
        problem=problem,
    )


def table(rows: Iterable[Row]) -> list[str]:
    """The runs as lines, each red verdict on one of its own beneath."""
    lines = [f"{'run':20} {'face':22} {'seed':>5} workers  load  seconds  verdicts  red"]
    for row in rows:
        lines.append(
            f"{row.run:20} {row.face:22} {row.seed:5} {row.workers:7}  {row.load:4}  {row.seconds:7.1f}"
            f"  {row.verdicts:8}  {len(row.red) or row.problem or 'none'}"
        )
        lines += [f"    {red}" for red in row.red]
        lines += [f"    advisory {case}" for case in row.advisory]
    return lines


def soak(given: argparse.Namespace) -> int:
    """Make the runs that have no row yet; returns 0 where none of all has a red verdict."""
    kit = digest_of_the_kit()
    file = given.state / "rows.jsonl"
    rows = _known(file)
    asked: list[str] = []
    for backend in _backends(given):
        digest = f"{kit}-{digest_of(backend.files)}"
        for planned in plan(backend, full=given.full, areas=given.areas):
            asked.append(planned.id)
            if planned.id in rows and (rows[planned.id].kit == digest or given.stale):
                continue
            row = run(planned, given.state / "runs" / planned.id, load=given.load, kit=digest)
            rows[row.run] = row
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(row)) + "\n")
            print("\n".join(table([row])[1:]), flush=True)
    done = [rows[name] for name in asked if name in rows]
    clean = sum(row.clean for row in done)
    print("\n".join(["", *table(done), "", f"{clean} of {len(done)} runs without a red verdict"]))
    return 0 if done and clean == len(done) else 1


def equal(given: argparse.Namespace) -> int:
    """Run with one, two and eight workers and one seed; returns 0 where the verdicts are the same."""
    alike = True
    for backend in _backends(given):
        for words in backend.faces:
            rulings = [_rulings(words, count, given) for count in EQUAL_WORKERS]
            differing = sorted(
                case for case in set().union(*rulings) if len({run.get(case) for run in rulings}) > 1
            )
            print(f"{words[-1]}: {len(rulings[0])} cases, {len(differing)} differ", flush=True)
            for case in differing:
                each = ", ".join(
                    f"-n {n}: {r.get(case)}" for n, r in zip(EQUAL_WORKERS, rulings, strict=True)
                )
                print(f"    {case}  {each}", flush=True)
            alike = alike and not differing
    return 0 if alike else 1


def _rulings(words: Sequence[str], workers: int, given: argparse.Namespace) -> dict[str, str]:
    folder = given.state / "equal" / f"n{workers}"
    shutil.rmtree(folder, ignore_errors=True)
    problem, verdicts = verdicts_of(
        [*words, "-n", str(workers), "--seed", str(given.seed)], folder, patience=PATIENCE
    )
    if problem:
        sys.exit(problem)
    return {str(v["case"]): str(v["ruling"]) for v in verdicts}


def _backends(given: argparse.Namespace) -> Iterator[Backend]:
    for backend in BACKENDS:
        if given.backend and backend.name not in given.backend:
            continue
        if backend.missing:
            print(f"{backend.name} is left out: {backend.missing}")
            continue
        yield backend


def _known(file: Path) -> dict[str, Row]:
    return {row.run: row for row in (Row(**fields) for fields in rows_in(file))}


def main(words: Sequence[str] | None = None) -> int:
    """Read the options and do what they ask for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--backend", action="append", choices=[b.name for b in BACKENDS], help="only this one"
    )
    parser.add_argument("--full", type=int, default=FULL_RUNS, metavar="N", help=f"full runs ({FULL_RUNS})")
    parser.add_argument(
        "--areas", type=int, default=AREA_RUNS, metavar="N", help=f"runs of the areas ({AREA_RUNS})"
    )
    parser.add_argument("--load", type=int, default=2, metavar="N", help="busy loops beside each run (2)")
    parser.add_argument("--state", type=Path, default=STATE, help=f"folder of rows and runs ({STATE})")
    parser.add_argument(
        "--stale", action="store_true", help="count rows of an older kit too (while you work)"
    )
    parser.add_argument(
        "--equal", action="store_true", help="compare the verdicts of 1, 2 and 8 workers instead"
    )
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="of --equal")
    given = parser.parse_args(words)
    given.state.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the run and the loops are ended too
    return equal(given) if given.equal else soak(given)


if __name__ == "__main__":
    sys.exit(main())
