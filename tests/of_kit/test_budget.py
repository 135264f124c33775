"""A run with a time limit: who gets a turn, and what is said of those that got none."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.verdict import NO_TURN, Ruling
from tgi_conformance.plugin.ending.budget import Budget, is_used_up, last_turn
from tgi_conformance.reports.gate import Exit, judge
from tgi_conformance.suites.harness.session import CASE_ID, CaseId

LEFT = verdict("STREAM-12/b", Ruling.NOT_RUN, reason=f"{NO_TURN}, 60 s")


def item(slug: str) -> pytest.Item:
    stash = pytest.Stash()
    stash[CASE_ID] = CaseId(clause="STREAM-12", slug=slug)
    return SimpleNamespace(stash=stash)  # type: ignore[return-value]


def test_a_case_has_its_turn_if_it_will_be_over_in_time(tmp_path: Path) -> None:
    now = [0.0]
    budget = Budget(10.0, {"STREAM-12/long": 8.0}, tmp_path, clock=lambda: now[0])
    assert not budget.is_over(item("long"))
    assert budget.pytest_runtest_protocol(item("short")) is None
    now[0] = 3.0
    assert not is_used_up(tmp_path)
    assert budget.pytest_runtest_protocol(item("long")) is True
    assert is_used_up(tmp_path)


def test_what_follows_a_case_without_a_turn_has_none(tmp_path: Path) -> None:
    budget = Budget(10.0, {"STREAM-12/long": 8.0}, tmp_path, clock=lambda: 3.0)
    assert budget.is_over(item("long"))
    assert budget.is_over(item("short"))


@pytest.mark.parametrize(("budget", "last"), [(60.0, 155.0), (8.0, 106.0)])
def test_time_is_kept_for_the_reports(budget: float, last: float) -> None:
    assert last_turn(100.0, budget) == last


def test_cases_without_a_turn_end_the_run_with_13_and_are_counted() -> None:
    gate = judge(run_of(*[verdict("STREAM-12/a")] * 30, LEFT))
    assert gate.code == Exit.UNCLEAR
    assert gate.reasons[0] == (
        "1 case had no turn within the time limit, 60 s, 30 had theirs; the first left is STREAM-12/b"
    )


def test_a_failure_or_a_lost_case_comes_before_the_time_limit() -> None:
    assert judge(run_of(verdict("STREAM-12/a", Ruling.FAILED), LEFT)).code == Exit.FAILED
    lost = verdict("STREAM-12/a", Ruling.NOT_RUN, reason="the worker died while it ran")
    assert judge(run_of(lost, LEFT)).code == Exit.FAILED
