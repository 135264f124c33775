"""Every report for people tells the debt of a baseline, and what is red and does not make the run fail."""

from pathlib import Path

import pytest
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.catalogue.levels import load_levels
from tgi_conformance.contracts.verdict import Ruling
from tgi_conformance.reports.finished import FinishedRun
from tgi_conformance.reports.formats.github import step_summary
from tgi_conformance.reports.gate import judge
from tgi_conformance.reports.gating.scope import Scope
from tgi_conformance.reports.html.page import render_html
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.markdown.report import render_markdown
from tgi_conformance.reports.results_map import roll_up
from tgi_conformance.reports.run import Debt
from tgi_conformance.reports.run_folder import Written
from tgi_conformance.reports.terminal.lines import to_strings
from tgi_conformance.reports.terminal.summary import summary

DEBT = Debt(
    file="expected_failures.toml",
    entries=1,
    cases=2,
    oldest="2026-11-30",
    next_expiry="2027-03-31",
    day="2026-12-01",
)
TOLD = (
    "2 known failures (1 entry of expected_failures.toml), the oldest 1 day old; "
    "the first expires on 2027-03-31"
)
RUN = run_of(
    verdict("STREAM-12/a"),
    verdict("STREAM-12/b", Ruling.EXPECTED),
    verdict("GEN-01/a", Ruling.FAILED, reason="another value"),
    debt=DEBT,
)
GATE = judge(RUN, scope=Scope(level=load_levels()["safe"]))
ASIDE = "not judged: 1 red case outside of level safe, the first GEN-01/a"


def terminal(folder: Path) -> str:
    written = Written((folder / "report.html",), maps=(roll_up(RUN.verdicts, "alpha"),))
    return "\n".join(to_strings(summary(RUN, GATE, written, width=None), colour=False))


def page(folder: Path) -> str:
    return render_html(RUN, (roll_up(RUN.verdicts, "alpha"),), GATE, Layout(folder))


def github(folder: Path) -> str:
    maps = (roll_up(RUN.verdicts, "alpha"),)
    return step_summary(FinishedRun(run=RUN, gate=GATE, maps=maps, layout=Layout(folder))).replace("\\", "")


def markdown(folder: Path) -> str:
    return render_markdown(RUN, Layout(folder), folder).replace("\\", "")


@pytest.mark.parametrize("report", [terminal, page, github, markdown])
def test_the_debt_and_its_age_are_told(report: object, tmp_path: Path) -> None:
    assert TOLD in report(tmp_path)  # type: ignore[operator]


@pytest.mark.parametrize("report", [terminal, page])
def test_what_does_not_count_is_told(report: object, tmp_path: Path) -> None:
    assert ASIDE in report(tmp_path)  # type: ignore[operator]


def test_the_answer_of_a_run_that_passes_in_spite_of_red_cases_says_why(tmp_path: Path) -> None:
    assert terminal(tmp_path).splitlines()[-2] == f"PASSED: {ASIDE}"
