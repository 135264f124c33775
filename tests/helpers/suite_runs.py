"""Runs of the suites by the command that a user would give, and rows of what they came to."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeVar

from kill_runs import with_bytecode

ROOT = Path(__file__).resolve().parents[2]
Verdict = dict[str, object]
What = TypeVar("What")
Came = TypeVar("Came")


def verdicts_of(words: Sequence[str], folder: Path, *, patience: float) -> tuple[str, list[Verdict]]:
    """Run the suites; returns why there are no verdicts (empty: there are), and the verdicts.

    ``patience`` is in seconds. The reports go to ``folder``, what is printed to ``out.txt`` in it.
    """
    start = "import sys; from tgi_conformance.cli import main; sys.exit(main())"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", start, "run", *words, "--results", str(folder.resolve())]
    with (folder / "out.txt").open("w", encoding="utf-8") as out:
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=with_bytecode(), stdout=out, stderr=out, timeout=patience, check=False
            )
        except subprocess.TimeoutExpired:
            return f"no end within {patience:g} s", []
    files = [folder / place / "verdicts.jsonl" for place in ("narrowed", "quick", ".")]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return f"exit code {done.returncode}, no verdicts: see {folder / 'out.txt'}", []
    lines = file.read_text(encoding="utf-8").splitlines()
    return "", [value for value in map(json.loads, lines) if "ruling" in value]


def told(verdict: Verdict, folder: Path) -> str:
    """A red verdict in a line: ``ruling case: reason [evidence]``."""
    evidence = f" [{folder}: {verdict['evidence']}]" if verdict.get("evidence") else ""
    return f"{verdict['ruling']} {verdict['case']}: {verdict.get('reason', '')}{evidence}"


def rows_in(file: Path) -> list[dict[str, Any]]:
    """The fields of each row of earlier runs, oldest first; what JSON made a list is a tuple again."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [
        {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(line).items()}
        for line in lines
    ]


def as_they_end(
    one: Callable[[What], Came], todo: Sequence[tuple[ThreadPoolExecutor, What]]
) -> Iterable[Came]:
    """What ``one`` makes of each, in the pool that it is to run in, as soon as it is there."""
    try:
        for done in as_completed([pool.submit(one, each) for pool, each in todo]):
            yield done.result()
    finally:  # Ctrl-C ends what runs, and what waits is not begun
        for pool, _ in todo:
            pool.shutdown(wait=False, cancel_futures=True)
