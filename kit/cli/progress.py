"""What the CLI shows while a run goes on: a live bar on a terminal, plain lines elsewhere."""

import io
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import pytest
from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from tgi_conformance.contracts.requirements.sets import RequirementSet, read_set
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.plugin.gathering import COMMAND, FINISHED, Finished
from tgi_conformance.plugin.judging import VERDICT_ATTRIBUTE
from tgi_conformance.reports.requirements import by_set
from tgi_conformance.reports.ruling_marks import MARKS
from tgi_conformance.reports.terminal.lines import one_line
from tgi_conformance.reports.verdict_lines import parse_line
from tgi_conformance.suites.harness.session import SETTINGS

#: A plain log gets a line after so many seconds, and at each tenth of the cases.
_LINE_EVERY: Final = 15.0
_TENTHS: Final = 10
#: Columns of the bar.
_SHORTEST_BAR: Final = 4
_LONGEST_BAR: Final = 40
#: Characters of a reason that a terminal shows while the run goes on; the summary and the report have more.
_LONGEST: Final = 400
#: What a run does until it knows how many cases there are.
_COLLECTING: Final = "collecting the cases of the suites"


class Display(Protocol):
    """Where progress goes."""

    def total(self, count: int) -> None:
        """So many cases are to be run."""

    def done(self, counts: Counter[Ruling], said: Text | None) -> None:
        """A case ended; ``said`` is the line to show for it."""

    def close(self) -> None:
        """The run is over."""


class LiveBar:
    """One line with a bar; failures scroll by above it."""

    def __init__(self, console: Console) -> None:
        self._line = _LiveLine(lambda: console.width)
        self._progress = Progress(self._line, console=console, transient=True)
        self._task = self._progress.add_task(_COLLECTING, total=None)
        self._progress.start()

    def total(self, count: int) -> None:
        """Know the length of the bar."""
        said = f"starting the fake server and the backend for {_cases(count)}"
        self._progress.update(self._task, total=count, description=said)

    def done(self, counts: Counter[Ruling], said: Text | None) -> None:
        """Move the bar on."""
        if said is not None:
            said.truncate(_LONGEST, overflow="ellipsis")
            self._progress.console.print(said, highlight=False)
        self._line.counts = counts
        self._progress.update(self._task, advance=1)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


class _LiveLine(ProgressColumn):
    """The line of :func:`progress_line`, drawn several times a second."""

    def __init__(self, width: Callable[[], int]) -> None:
        super().__init__(Column(overflow="fold"))
        self._width = width
        self.counts: Counter[Ruling] = Counter()

    def render(self, task: Task) -> Text:
        """Say what is begun until the first case has ended, then how far the run is."""
        if not task.completed or not task.total:
            return Text(task.description)
        line = progress_line(
            done=int(task.completed),
            total=int(task.total),
            rate=task.finished_speed or task.speed,
            left=task.time_remaining,
            counts=self.counts,
            # The last column of a terminal would make some of them go to the next line.
            width=self._width() - 1,
        )
        return Text(line, no_wrap=True, overflow="crop")


def progress_line(
    *,
    done: int,
    total: int,
    rate: float | None,
    left: float | None,
    counts: Counter[Ruling],
    width: int,
) -> str:
    """``  812/1479   12.3/s   0:54 left  3 failed, 809 passed`` in at most ``width`` columns.

    Count, rate and time left have the same columns all the time. What else fits follows: how many cases are
    red, then the other rulings, then a bar. Nothing is cut in the middle.
    """
    count = f"{done:>{len(str(total))}}/{total}"
    per_second = f"{rate:6.1f}/s" if rate is not None else "   -.-/s"
    minutes, seconds = divmod(round(left), 60) if left is not None else (0, 0)
    remaining = f"{minutes:>3}:{seconds:02} left" if left is not None else " --:-- left"
    line = f"{count} {per_second} {remaining}"
    rulings = sorted(filter(counts.__getitem__, MARKS), key=lambda ruling: ruling not in RED)
    for number, ruling in enumerate(rulings):
        more = f"{', ' if number else '  '}{counts[ruling]} {ruling}"
        if len(line) + len(more) > width:
            break
        line += more
    room = min(width - len(line) - 2, _LONGEST_BAR)
    if room < _SHORTEST_BAR:
        return line
    filled = room * done // total
    return f"{line}  {'━' * filled}{'─' * (room - filled)}"


class PlainLines:
    """A line for each failure, and one now and then to show that the run lives."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = 0
        self._last = self._start = time.monotonic()
        self._tenth = 0

    def total(self, count: int) -> None:
        """Say how many cases there are."""
        self._total = count
        self._console.print(_cases(count), highlight=False)

    def done(self, counts: Counter[Ruling], said: Text | None) -> None:
        """Write what is worth a line."""
        if said is not None:
            self._console.print(said.plain, markup=False, highlight=False, soft_wrap=True)
        count, now = counts.total(), time.monotonic()
        tenth = _TENTHS * count // self._total if self._total else 0
        if tenth > self._tenth or now - self._last > _LINE_EVERY:
            self._tenth, self._last = tenth, now
            line = f"{count}/{self._total} cases, {now - self._start:.0f} s: {in_brief(counts)}"
            self._console.print(line, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """There is nothing to take away."""


def _cases(count: int) -> str:
    return f"{count:,} case{'' if count == 1 else 's'}"


def display_for(console: Console) -> Display:
    """Choose by what the console is."""
    return LiveBar(console) if console.is_terminal else PlainLines(console)


def in_brief(counts: Counter[Ruling]) -> str:
    """Say ``120 passed, 3 failed``."""
    return ", ".join(f"{counts[ruling]} {ruling}" for ruling in MARKS if counts[ruling])


class Watcher:
    """The pytest plugin that feeds a display and keeps pytest's own terminal quiet."""

    def __init__(self, display: Display, *, command: str, verbose: bool) -> None:
        self._display = display
        self._command = command
        self._verbose = verbose
        self._counts: Counter[Ruling] = Counter()
        self._total: int | None = None
        self._config: pytest.Config | None = None
        #: The set that the run is judged by: what is red outside it is no news while the run goes on.
        self._requirements: RequirementSet | None = None
        #: What pytest would have printed.
        self.printed = io.StringIO()
        self.collection_errors: list[str] = []

    @property
    def finished(self) -> Finished | None:
        """The run, once it is over; None where pytest never came so far."""
        return self._config.stash.get(FINISHED, None) if self._config is not None else None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Turn pytest's reporter to a buffer."""
        self._config = config
        config.stash[COMMAND] = self._command
        settings = config.stash.get(SETTINGS, None)
        if settings is not None and settings.requirements:
            self._requirements = read_set(settings.requirements)
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter._tw = type(reporter._tw)(self.printed)  # noqa: SLF001 - pytest has no switch for it

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn the number of cases where this process runs them."""
        if session.items:
            self._begin(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Learn the number of cases from the first worker."""
        self._begin(len(ids))

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what went wrong in collection: no case stands for it."""
        if report.failed:
            self.collection_errors.append(f"{report.nodeid}: {report.longreprtext}")

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show a case's end."""
        line = getattr(report, VERDICT_ATTRIBUTE, None)
        if isinstance(line, str):
            (verdict,) = by_set([parse_line(line)], self._requirements, lambda _: False)
            self._counts[verdict.ruling] += 1
            self._display.done(self._counts, self._said(verdict))

    def _begin(self, count: int) -> None:
        if self._total is None:
            self._total = count
            self._display.total(count)

    def _said(self, verdict: Verdict) -> Text | None:
        # Of what was blocked the summary tells the cause, once.
        told = verdict.ruling in RED - {Ruling.BLOCKED}
        if not told and not self._verbose:
            return None
        mark = MARKS[verdict.ruling]
        head = f"{mark.sign} {verdict.ruling}  {one_line(verdict.case)}"
        reason = f"  {one_line(verdict.reason)}" if verdict.reason else ""
        return Text.assemble((head, mark.colour), reason)
