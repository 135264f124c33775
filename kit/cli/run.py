"""``tgi-conformance run``: pytest in this process, with its own settings, and what is shown of it."""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from _pytest.mark import _parse_expression
from rich.console import Console
from rich.text import Text

from tgi_conformance.cli.last_failed import cases_behind, last_failed
from tgi_conformance.cli.progress import Watcher, display_for
from tgi_conformance.cli.pytest_arguments import Choice, arguments, own_environment
from tgi_conformance.cli.stdout import leaving
from tgi_conformance.contracts.verdict import RUN_WIDE, Verdict
from tgi_conformance.plugin.options import DEFAULT_RESULTS, REFERENCE
from tgi_conformance.plugin.summary import summary_lines
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.readable import visible
from tgi_conformance.reports.terminal.lines import safe
from tgi_conformance.reports.verdict_lines import VerdictLinesError

#: More processes than this do not make a run shorter: the cases' own waits bound it.
_MOST_WORKERS: Final = 4
_PLAIN_WIDTH: Final = 120
#: Ends that pytest itself tells about; what wrong use was is on standard error already.
_PRINTED: Final = (Exit.INTERNAL_ERROR, Exit.INTERRUPTED)


def default_workers() -> int:
    """How many processes run the cases where the user did not say."""
    return min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        _MOST_WORKERS,
    )


def real_workers() -> int:
    """As :func:`default_workers`, against a real endpoint: one, for it belongs to others too."""
    return 1


def run(
    choice: Choice, *, only_last_failed: bool, durations: int, verbose: bool, command: Sequence[str]
) -> int:
    """Run the suites and show the result; returns the exit code."""
    console = real_console()
    if not choice.backends and not choice.backend_command:
        choice = replace(choice, backends=(REFERENCE,))
    if only_last_failed:
        try:
            cases = last_failed(Path(choice.results or DEFAULT_RESULTS))
        except (OSError, VerdictLinesError) as problem:
            console.print(f"--last-failed: {problem}", style="red", markup=False)
            return Exit.USAGE
        if not cases:
            console.print("--last-failed: no case was red in the last run", markup=False)
            return Exit.NOTHING_COLLECTED
        choice = replace(choice, rerun=cases, renew=True)
    choice = _with_cases_behind(choice, console)
    if choice.expression and (misspelt := _misspelt(choice.expression)):
        console.print(misspelt, style="red", markup=False, highlight=False)
        return Exit.USAGE
    display = display_for(console)
    watcher = Watcher(display, command=" ".join(command), verbose=verbose)
    try:
        with own_environment():
            code = int(pytest.main(arguments(choice), plugins=[watcher]))
    finally:
        display.close()
    return _show(console, watcher, code, durations=durations, expression=choice.expression)


def _with_cases_behind(choice: Choice, console: Console) -> Choice:
    """Put in place of each run-wide ruling that was named the cases that it was last seen in, if any."""
    cases: list[str] = []
    for name in choice.cases:
        seen = _seen_in(name, choice) if name.lower().endswith(f"/{RUN_WIDE}") else ()
        if seen:
            count = f"{len(seen)} case{'' if len(seen) == 1 else 's'}"
            said = f"{name} is ruled over a whole run: running the {count} that it was last seen in"
            console.print(said, markup=False, highlight=False, soft_wrap=True)
        cases += seen or (name,)
    return replace(choice, cases=tuple(cases))


def _seen_in(name: str, choice: Choice) -> tuple[str, ...]:
    try:
        return cases_behind(Path(choice.results or DEFAULT_RESULTS), name)
    except (OSError, VerdictLinesError):
        return ()  # then it is a name like any other, and the run says that no case has it


def real_console() -> Console:
    """A console on standard output itself: pytest puts a file in its place while cases run."""
    stream = leaving(os.dup(1)) if _has_descriptor() else sys.stdout
    console = Console(file=stream, soft_wrap=False)
    return console if console.is_terminal else Console(file=stream, width=_PLAIN_WIDTH)


def _has_descriptor() -> bool:
    try:
        return sys.stdout.fileno() == 1
    except (OSError, ValueError):
        return False


def _show(console: Console, watcher: Watcher, code: int, *, durations: int, expression: str | None) -> int:
    for error in watcher.collection_errors:
        console.print(f"not collected: {visible(error)}", style="red", markup=False, highlight=False)
    finished = watcher.finished
    if finished is None:
        if code == Exit.NOTHING_COLLECTED:
            console.print(f"no case was selected{_why_nothing(expression)}", markup=False, highlight=False)
        elif code != Exit.USAGE and not (watcher.collection_errors and code not in _PRINTED):
            console.print(visible(watcher.printed.getvalue().strip()), markup=False, highlight=False)
        return code
    if code == Exit.INTERNAL_ERROR:
        console.print(visible(watcher.printed.getvalue().strip()), markup=False, highlight=False)
    if durations:
        _print(console, _slowest(finished.run.verdicts, durations))
    _print(console, summary_lines(finished, console.width if console.is_terminal else None))
    return code


def _misspelt(expression: str) -> str:
    """What is wrong with the expression of ``-k``; pytest's workers would end in an internal error."""
    try:
        _parse_expression(expression, "-k")
    except pytest.UsageError as error:
        return str(error)
    return ""


def _why_nothing(expression: str | None) -> str:
    named = f": no test matches -k {shlex.quote(expression)}" if expression else ""
    return f"{named}; `tgi-conformance list --cases` lists them"


def _print(console: Console, lines: Sequence[Text]) -> None:
    for line in lines:
        console.print(safe(line), highlight=False, soft_wrap=True)


def _slowest(verdicts: Sequence[Verdict], count: int) -> list[Text]:
    slowest = sorted(verdicts, key=lambda verdict: -verdict.duration)[:count]
    rows = [Text(f"  {verdict.duration:7.2f} s  {verdict.case}{_waits(verdict)}") for verdict in slowest]
    return [Text(), Text("  slowest cases", "bold"), *rows]


def _waits(verdict: Verdict) -> str:
    return f"  waited {verdict.waited:.2f} s: {verdict.waited_for}" if verdict.waited_for else ""
