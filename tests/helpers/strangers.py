"""The policy matrix: no false alarms for correct clients that are unlike the kit's own.

Each row of ``tests/strangers/rows.py`` is the reference client or the second one with another policy, other
settings, fewer capabilities or another habit, truly done and truly declared. All of them are correct, so not
one verdict may be red. What is done is kept in a file of JSON lines; a row counts as long as the kit, the
clients and the rows are the same.
"""

import argparse
import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from kill_sources import digest_of, digest_of_the_kit
from suite_runs import ROOT, as_they_end, rows_in, told, verdicts_of

FOLDER = Path(__file__).resolve().parents[1] / "strangers"
sys.path.append(str(FOLDER))

from rows import STRANGERS, Stranger  # noqa: E402 - found by the line above

from tgi_conformance.contracts.verdict import RED, Ruling  # noqa: E402

STATE = Path("collected_results") / "strangers"
#: Seconds after which a run is given up; a client that takes a second before each request needs minutes.
PATIENCE = 1800
#: Workers of a row whose run is long, and such rows at a time: the client sleeps for most of it, so they run
#: beside the others.
LONG_WORKERS, LONG_JOBS = 6, 1
#: How many red cases of a row are named.
SHOWN = 10
COLUMNS = (Ruling.PASSED, Ruling.FAILED, Ruling.BLOCKED, Ruling.UNTESTABLE, Ruling.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Row:
    """What the run of one stranger came to."""

    stranger: str
    #: Of the kit, the clients and the rows.
    sources: str
    #: Verdicts by ruling, in the order of ``COLUMNS``.
    counts: tuple[int, ...]
    #: Each case with a red verdict.
    red: tuple[str, ...]
    #: ``ruling case: reason [evidence]`` of each of them.
    reasons: tuple[str, ...]
    seconds: float
    #: Why there are no verdicts; empty: there are.
    problem: str = ""

    @property
    def clean(self) -> bool:
        """Whether the run ended, and without a red verdict."""
        return not self.red and not self.problem


def run(stranger: Stranger, folder: Path, sources: str, workers: int) -> Row:
    """Run the suites on one stranger, in profile default."""
    shutil.rmtree(folder, ignore_errors=True)
    began = time.monotonic()
    words = ["--backend", f"{FOLDER / 'adapters.py'}:{stranger.attribute}", "-n", str(workers)]
    problem, verdicts = verdicts_of(words, folder, patience=PATIENCE)
    counts = Counter(str(verdict["ruling"]) for verdict in verdicts)
    red = [verdict for verdict in verdicts if verdict["ruling"] in RED]
    return Row(
        stranger=stranger.id,
        sources=sources,
        counts=tuple(counts[ruling] for ruling in COLUMNS),
        red=tuple(str(verdict["case"]) for verdict in red),
        reasons=tuple(told(verdict, folder) for verdict in red),
        seconds=round(time.monotonic() - began, 1),
        problem=problem,
    )


def sources_digest() -> str:
    """A digest of all that a row rests on."""
    clients = [*FOLDER.glob("*.py"), *(ROOT / "tests" / "second_client").glob("*.py")]
    return f"{digest_of_the_kit()}-{digest_of(clients)}"


def sample(strangers: Sequence[Stranger], size: int, seed: str) -> list[Stranger]:
    """``size`` of the strangers, by lot; the same for the same seed. Those whose runs are long stay out."""
    short = [stranger for stranger in strangers if not stranger.row.long]
    return random.Random(seed).sample(short, min(size, len(short)))  # noqa: S311 - a choice, no secret


def table(rows: Iterable[Row]) -> list[str]:
    """The runs as lines, each red verdict on one of its own beneath."""
    rows = list(rows)
    width = max((len(row.stranger) for row in rows), default=8)
    head = "  ".join(f"{ruling:>{len(ruling)}}" for ruling in COLUMNS)
    lines = [f"{'stranger':{width}}  {head}  seconds  red"]
    for row in rows:
        counts = "  ".join(f"{n:{len(r)}}" for n, r in zip(row.counts, COLUMNS, strict=True))
        lines.append(
            f"{row.stranger:{width}}  {counts}  {row.seconds:7.1f}"
            f"  {row.problem or _first(row.red, ' ') or 'none'}"
        )
    return lines


def _first(texts: Sequence[str], between: str) -> str:
    """The first texts in one; how many more there are is said. A stranger that is broken has thousands."""
    more = len(texts) - SHOWN
    return between.join((*texts[:SHOWN], *((f"and {more} more",) if more > 0 else ())))


def chosen(given: argparse.Namespace) -> list[Stranger]:
    """The strangers that the options name."""
    wanted = [s for s in STRANGERS if any(fnmatchcase(s.id, glob) for glob in given.only or ["*"])]
    if not given.sample:
        return wanted
    drawn = sample(wanted, given.sample, given.seed)
    again = " ".join(f"--only {stranger.id}" for stranger in drawn)
    print(f"drawn by the seed {given.seed}; to repeat: python tests/strangers.py {again}", flush=True)
    return drawn


def main(words: Sequence[str] | None = None) -> int:
    """Run what has no row yet and print the matrix; returns 0 where nothing of it is red."""
    given = _parser().parse_args(words)
    given.state.mkdir(parents=True, exist_ok=True)
    file, sources = given.state / "rows.jsonl", sources_digest()
    rows = {row.stranger: row for row in (Row(**fields) for fields in rows_in(file))}
    wanted = chosen(given)
    todo = [s for s in wanted if given.again or s.id not in rows or rows[s.id].sources != sources]
    print(f"{len(wanted)} strangers, {len(wanted) - len(todo)} of them done", flush=True)

    def one(stranger: Stranger) -> Row:
        workers = LONG_WORKERS if stranger.row.long else given.workers
        return run(stranger, given.state / "runs" / stranger.id, sources, workers)

    with ThreadPoolExecutor(given.jobs) as short, ThreadPoolExecutor(LONG_JOBS) as long:
        runs = [(long if stranger.row.long else short, stranger) for stranger in todo]
        for number, row in enumerate(as_they_end(one, runs), 1):
            rows[row.stranger] = row
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(row)) + "\n")
            print(f"[{number}/{len(todo)}] {table([row])[1]}", flush=True)
            if row.reasons:
                print(f"    {_first(row.reasons, chr(10) + '    ')}", flush=True)
    done = [rows[stranger.id] for stranger in wanted if stranger.id in rows]
    clean = sum(row.clean for row in done)
    print("\n".join(["", *table(done), "", f"{clean} of {len(done)} strangers without a red verdict"]))
    return 0 if done and clean == len(done) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="GLOB", help="strangers, as 'second-*' (repeat)")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="run N of them, drawn by the seed")
    parser.add_argument(
        "--seed", default=f"{datetime.now(UTC):%Y-%m-%d}", help="of --sample (default: today's date)"
    )
    parser.add_argument(
        "-n", "--workers", type=int, default=2, metavar="N", help="workers of a run (2; a long one has 6)"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time (1, and a long one)")
    parser.add_argument("--state", type=Path, default=STATE, help=f"folder of rows and runs ({STATE})")
    parser.add_argument("--again", action="store_true", help="run what is named though it has a row")
    return parser


if __name__ == "__main__":
    sys.exit(main())
