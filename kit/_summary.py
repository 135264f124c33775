"""The summary at the end of a pytest session; the CLI prints the same lines to its own console."""

import pytest
from rich.text import Text

from tgi_conformance._gathering import FINISHED, Finished
from tgi_conformance.reports.run_folder import Written
from tgi_conformance.reports.terminal import summary, to_strings

_WIDEST = 120


class Summary:
    """Writes the summary where pytest writes its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write areas, failures, remarks, files and the reason of the exit code."""
        finished = self._config.stash.get(FINISHED, None)
        if finished is None:
            return
        terminal = terminalreporter._tw  # noqa: SLF001 - the only way to its width and colours
        terminalreporter.section("TGI conformance")
        for line in to_strings(summary_lines(finished, terminal.fullwidth), colour=terminal.hasmarkup):
            terminalreporter.write_line(line)


def summary_lines(finished: Finished, width: int) -> list[Text]:
    """The summary of a run with its remarks, as styled lines."""
    written = finished.written or Written(())
    lines = summary(finished.run, finished.gate, written, width=min(width, _WIDEST))
    remarks = [Text(f"  remark: {remark}", "yellow") for remark in finished.remarks]
    return [*lines, *remarks]
