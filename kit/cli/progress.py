"""What the CLI shows while a run goes on: a live bar on a terminal, plain lines elsewhere."""

import io
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.plugin.gathering import COMMAND, FINISHED, Finished
from tgi_conformance.plugin.judging import VERDICT_ATTRIBUTE
from tgi_conformance.reports.ruling_marks import MARKS
from tgi_conformance.reports.verdict_lines import parse_line

#: A plain log gets a line after so many seconds, and at each tenth of the cases.
_LINE_EVERY: Final = 15.0
_TENTHS: Final = 10
#: Characters of a reason that a line shows; the summary and the report have it all.
_LONGEST: Final = 200
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
    """A bar with counts; failures scroll by above it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[ended]}"),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(_COLLECTING, total=None, ended="", counts="")
        self._total = 0
        self._progress.start()

    def total(self, count: int) -> None:
        """Know the length of the bar."""
        self._total = count
        said = f"starting the fake server and the backend for {_cases(count)}"
        self._progress.update(self._task, total=count, description=said)

    def done(self, counts: Counter[Ruling], said: Text | None) -> None:
        """Move the bar on."""
        if said is not None:
            self._progress.console.print(said, overflow="ellipsis", no_wrap=True, crop=True)
        ended = f"{counts.total()}/{self._total}"
        self._progress.update(
            self._task, advance=1, description="cases", ended=ended, counts=in_brief(counts)
        )

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


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
            verdict = parse_line(line)
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
        text = f"{mark.sign} {verdict.ruling}  {verdict.case}"
        reason = f"  {' '.join(verdict.reason.split())}"[:_LONGEST] if verdict.reason else ""
        return Text.assemble((text, mark.colour), reason)
