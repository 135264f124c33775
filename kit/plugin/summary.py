"""The summary at the end of a pytest session; the CLI prints the same lines to its own console."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.text import Text

from tgi_conformance.plugin.collected import Collected
from tgi_conformance.plugin.ending.sigterm import EndsBySigterm
from tgi_conformance.plugin.gathering import FINISHED, Finished, Gathering
from tgi_conformance.plugin.judging import ERROR_ATTRIBUTE
from tgi_conformance.reports.formats.github import annotations, is_on_github
from tgi_conformance.reports.run_folder import Written
from tgi_conformance.reports.terminal.lines import to_strings
from tgi_conformance.reports.terminal.summary import summary

_WIDEST = 120


def control(
    config: pytest.Config, scratch: Path, tell_cases: Callable[[Collected], None]
) -> Callable[[Collected], None]:
    """Register what the process that controls a run does; returns what to tell of its own collection."""
    gathering = Gathering(config, scratch, tell_cases)
    config.pluginmanager.register(gathering, "tgi-gathering")
    config.pluginmanager.register(Summary(config), "tgi-summary")
    config.pluginmanager.register(EndsBySigterm(scratch), "tgi-sigterm")
    return gathering.begin


class Summary:
    """Writes the summary where pytest writes its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport | pytest.CollectReport
    ) -> tuple[str, str, str] | None:
        """Show an untestable case and a kit fault as errors."""
        if getattr(report, ERROR_ATTRIBUTE, False) and report.failed:
            return "error", "E", "ERROR"
        return None

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write areas, failures, remarks, files and the reason of the exit code."""
        finished = self._config.stash.get(FINISHED, None)
        if finished is None:
            return
        terminal = terminalreporter._tw  # noqa: SLF001 - the only way to its width and colours
        width = terminal.fullwidth if terminal.hasmarkup else None
        terminalreporter.section("TGI conformance")
        for line in to_strings(summary_lines(finished, width), colour=terminal.hasmarkup):
            terminalreporter.write_line(line)


def summary_lines(finished: Finished, width: int | None) -> list[Text]:
    """The summary of a run with its remarks, as styled lines; ``width`` is that of a terminal.

    In GitHub Actions its log commands come first: the answer is to be the end.
    """
    written = finished.written or Written(())
    commands = annotations(finished.run, Path.cwd()) if is_on_github(os.environ) else ()
    width = None if width is None else min(width, _WIDEST)
    lines = summary(finished.run, finished.gate, written, width=width, remarks=finished.remarks)
    return [*map(Text, commands), *lines]
