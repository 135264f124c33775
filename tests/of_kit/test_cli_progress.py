"""What a run shows while it goes on, and what --last-failed picks."""

import io
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.text import Text

from tgi_conformance.cli.last_failed import last_failed
from tgi_conformance.cli.progress import LiveBar, PlainLines, Watcher, display_for, in_brief, progress_line
from tgi_conformance.contracts.verdict import Finding, Ruling, Verdict
from tgi_conformance.plugin.judging import VERDICT_ATTRIBUTE
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.verdict_lines import line, write_verdicts
from tgi_conformance.suites.harness.session import SETTINGS, Settings


def _feed(display: PlainLines | LiveBar, count: int) -> None:
    counts: Counter[Ruling] = Counter()
    display.total(count)
    for number in range(count):
        ruling = Ruling.FAILED if number == 1 else Ruling.PASSED
        counts[ruling] += 1
        display.done(counts, Text("✗ failed [b]case[/b]") if ruling is Ruling.FAILED else None)
    display.close()


def test_a_plain_log_gets_failures_and_a_line_a_tenth() -> None:
    out = io.StringIO()
    _feed(PlainLines(Console(file=out, width=100)), 100)
    lines = out.getvalue().splitlines()
    assert lines[0] == "100 cases"
    assert "✗ failed [b]case[/b]" in lines
    assert sum("/100 cases" in line for line in lines) == 10
    assert lines[-1].endswith("99 passed, 1 failed")


def test_a_terminal_gets_a_bar_and_the_failures_above_it() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    display = display_for(console)
    assert isinstance(display, LiveBar)
    _feed(display, 20)
    assert "✗ failed [b]case[/b]" in out.getvalue()
    assert "20/20" in out.getvalue()


def test_a_terminal_says_what_is_done_before_the_first_case_ends() -> None:
    out = io.StringIO()
    display = LiveBar(Console(file=out, force_terminal=True, width=120, color_system=None))
    display.total(1479)
    display.close()
    assert "collecting the cases of the suites" in out.getvalue()
    assert "starting the fake server and the backend for 1,479 cases" in out.getvalue()
    assert "0/" not in out.getvalue()


def test_counts_stand_in_the_order_of_their_weight() -> None:
    assert in_brief(Counter({Ruling.NOT_APPLICABLE: 4, Ruling.PASSED: 2})) == "2 passed, 4 not applicable"


def _verdict(case: str, ruling: Ruling, *findings: Finding) -> Verdict:
    return Verdict(case=case, clause=case.partition("/")[0], ruling=ruling, backend="b", findings=findings)


def test_last_failed_takes_red_cases_and_those_behind_a_run_wide_ruling(tmp_path: Path) -> None:
    breach = Finding(clause="SEC-01", message="key")
    write_verdicts(
        Layout(tmp_path).verdicts,
        [
            _verdict("RETRY-01/a", Ruling.FAILED),
            _verdict("RETRY-01/b", Ruling.PASSED),
            _verdict("RETRY-01/c", Ruling.ADVISORY),
            _verdict("ERR-01/leaks", Ruling.PASSED, breach),
            _verdict("SEC-01/run-wide", Ruling.FAILED),
        ],
    )
    assert last_failed(tmp_path) == ("RETRY-01/a", "ERR-01/leaks")


def test_a_narrowed_run_after_it_mends_what_it_ran(tmp_path: Path) -> None:
    rows = [_verdict("RETRY-01/a", Ruling.FAILED), _verdict("RETRY-01/b", Ruling.UNTESTABLE)]
    write_verdicts(Layout(tmp_path).verdicts, rows)
    narrowed = Layout(tmp_path, narrowed=True).verdicts
    narrowed.parent.mkdir()
    write_verdicts(narrowed, [_verdict("RETRY-01/a", Ruling.PASSED)])
    assert last_failed(tmp_path) == ("RETRY-01/b",)


def test_what_a_later_run_had_no_turn_for_stays_as_the_earlier_one_said(tmp_path: Path) -> None:
    rows = [_verdict(f"RETRY-01/{name}", Ruling.FAILED) for name in "abc"]
    write_verdicts(Layout(tmp_path).verdicts, rows)
    later = [
        _verdict("RETRY-01/a", Ruling.NOT_HERE),
        _verdict("RETRY-01/b", Ruling.PASSED),
        _verdict("RETRY-01/c", Ruling.NOT_RUN),
    ]
    write_verdicts(Layout(tmp_path, quick=True).verdicts, later)
    assert last_failed(tmp_path) == ("RETRY-01/a", "RETRY-01/c")


def test_no_run_before_means_no_case(tmp_path: Path) -> None:
    assert last_failed(tmp_path) == ()


COUNTS = Counter({Ruling.PASSED: 780, Ruling.FAILED: 12, Ruling.NOT_APPLICABLE: 20})


@pytest.mark.parametrize("width", [39, 79, 119])
def test_count_rate_and_time_left_keep_their_columns(width: int) -> None:
    early = progress_line(done=8, total=1479, rate=None, left=None, counts=Counter(), width=width)
    late = progress_line(done=812, total=1479, rate=12.34, left=54.2, counts=COUNTS, width=width)
    slow = progress_line(done=1400, total=1479, rate=0.5, left=3723.0, counts=COUNTS, width=width)
    assert [line[:30] for line in (early, late, slow)] == [
        "   8/1479    -.-/s  --:-- left",
        " 812/1479   12.3/s   0:54 left",
        "1400/1479    0.5/s  62:03 left",
    ]
    assert all(len(line) <= width for line in (early, late, slow))


def test_what_is_red_comes_before_what_is_not_and_no_count_is_cut() -> None:
    lines = {
        width: progress_line(done=812, total=1479, rate=12.34, left=54.2, counts=COUNTS, width=width)
        for width in (30, 41, 54, 75, 110)
    }
    assert [line[30:] for line in lines.values()] == [
        "",
        "  12 failed",
        "  12 failed, 780 passed",
        "  12 failed, 780 passed, 20 not applicable",
        f"  12 failed, 780 passed, 20 not applicable  {'━' * 19}{'─' * 17}",
    ]


def test_at_forty_columns_the_bar_is_one_line_and_failures_wrap() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=40, color_system=None)
    display = LiveBar(console)
    display.total(100)
    counts: Counter[Ruling] = Counter({Ruling.FAILED: 1})
    display.done(counts, Text(f"✗ failed  RETRY-01/a  {'a reason of many words ' * 6}"))
    display.close()
    rows = [row.strip() for row in re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", out.getvalue()).splitlines()]
    assert any(row.startswith("1/100") and row.endswith("1 failed") for row in rows)
    assert " ".join(" ".join(rows).split()).count("a reason of many words") == 6


def test_what_a_backend_says_moves_no_cursor() -> None:
    watcher = Watcher(PlainLines(Console(file=io.StringIO())), command="", verbose=True)
    hostile = replace(_verdict("RETRY-01/a", Ruling.FAILED), reason="\x1b[2Jgone\r\x07")
    said = watcher._said(hostile)
    assert said is not None
    assert said.plain == "✗ failed  RETRY-01/a  \\x1b[2Jgone \\x07"


@pytest.mark.parametrize(("requirements", "shown"), [("", True), ("2026-12", False)])
def test_what_is_red_outside_the_requirement_set_is_no_news(requirements: str, *, shown: bool) -> None:
    stash = pytest.Stash()
    stash[SETTINGS] = Settings(backends=(), requirements=requirements)
    config = SimpleNamespace(stash=stash, pluginmanager=SimpleNamespace(get_plugin=lambda _: None))
    out = io.StringIO()
    watcher = Watcher(PlainLines(Console(file=out, width=120)), command="", verbose=False)
    watcher.pytest_configure(config)  # type: ignore[arg-type]
    new = _verdict("RETRY-01/younger-than-the-set", Ruling.FAILED)
    watcher.pytest_runtest_logreport(SimpleNamespace(**{VERDICT_ATTRIBUTE: line(new)}))  # type: ignore[arg-type]
    assert ("RETRY-01/younger-than-the-set" in out.getvalue()) is shown
