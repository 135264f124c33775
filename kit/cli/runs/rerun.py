"""``tgi-conformance rerun run.json``: the run of a report once more, as it was made."""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from tgi_conformance.plugin.ending.repeated import versions_here
from tgi_conformance.reports.comparing.conditions import versions_changed
from tgi_conformance.reports.comparing.recorded import RecordedRunError, read_recorded
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.readable import visible
from tgi_conformance.reports.run import Run, RunInfo

_OURS: Final = ("tgi-conformance", "run")
_LAST_FAILED: Final = "--last-failed"


class NotRepeatableError(ValueError):
    """The report does not say how the run was started; says what is missing."""


def rerun(place: str, further: Sequence[str], run: Callable[[list[str]], int]) -> int:
    """Tell which versions are others now, then run; ``run`` takes the words of the kit's own command line."""
    try:
        recorded = read_recorded(Path(place)).run
        words = [*words_of(recorded), *further]
    except (RecordedRunError, NotRepeatableError) as problem:
        click.echo(f"rerun: {problem}", err=True)
        return Exit.USAGE
    for difference in versions_changed(recorded.info, replace(recorded.info, versions=versions_here())):
        click.echo(visible(difference.in_words), err=True)
    click.echo(visible(shlex.join(words)), err=True)
    if recorded.info.by_pytest:
        return subprocess.run([sys.executable, "-m", *words], check=False).returncode
    return run(words[1:])


def words_of(run: Run) -> list[str]:
    """The command line that makes the run again.

    What it had left open is what the run came to have: the seed, the endpoint of the environment, and the
    cases that were red at that time.
    """
    info = run.info
    words = shlex.split(info.command)
    known = words[:1] == ["pytest"] if info.by_pytest else tuple(words[:2]) == _OURS
    if not known:
        raise NotRepeatableError("the report has no command of a run; a verdicts.jsonl alone has none either")
    seed = "--tgi-seed" if info.by_pytest else "--seed"
    words = [*_without(words, seed), f"{seed}={info.seed}"]
    if _LAST_FAILED in words:
        cases = dict.fromkeys(verdict.case for verdict in run.verdicts if verdict.nodeid)
        words = [word for word in words if word != _LAST_FAILED] + [f"--case={case}" for case in cases]
    return [*words, *_endpoint(info, words)]


def _without(words: Iterable[str], option: str) -> list[str]:
    """The words without an option and its value."""
    left = iter(words)
    kept: list[str] = []
    for word in left:
        if word == option:
            next(left, None)
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return kept


def _endpoint(info: RunInfo, words: Sequence[str]) -> list[str]:
    """The real endpoint, where the environment named it; the keys are still to be found there."""
    named = any(word.partition("=")[0] == "--tgi-endpoint" for word in words)
    return [] if info.real is None or named else [f"--tgi-endpoint={info.real.url}"]
