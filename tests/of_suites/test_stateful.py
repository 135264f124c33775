"""State machines run by the suites: whose clause a breach counts for, what is shown, what is replayed."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tgi_conformance.contracts.adapter import Description, RetryPolicy
from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Script
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import ClauseFailed
from tgi_conformance.suites.harness.patience import Pace
from tgi_conformance.suites.harness.rulings import NotHere, Untestable
from tgi_conformance.suites.harness.session import CaseRecord
from tgi_conformance.suites.model import stateful
from tgi_conformance.suites.model.state import broken
from tgi_conformance.suites.model.stateful import CaseMachine, MachineRun, check_examples, check_machine, step


def _case(seed: int = 1) -> Case:
    record = CaseRecord(case="QUEUE-01/property-x", clause="QUEUE-01", backend="none")
    driver = SimpleNamespace(
        description=Description(name="none", capabilities=frozenset(CAPABILITIES), retry=RetryPolicy()),
        implemented=frozenset(),
    )
    settings = SimpleNamespace(profile="quick", seed=seed)
    probes = SimpleNamespace(pace=Pace(sends=(0.0,)))
    return Case(*cast("Any", (SimpleNamespace(), driver, probes, record, settings)))


@pytest.fixture(autouse=True)
def _quick_shrinking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stateful, "SHRINKING", 0.5)


class Adding(CaseMachine):
    """Adds numbers; a sum of 100 or more breaks the clause that ``clause`` names."""

    clause = "QUEUE-01"
    seen: list[int]

    def __init__(self, run: MachineRun) -> None:
        super().__init__(run)
        self.sum = 0

    @rule(number=st.integers(0, 60))
    @step
    def add(self, number: int) -> None:
        self.sum += number
        self.seen.append(number)
        self.steps.append(f"add {number}")
        self.judge()

    def judge(self) -> None:
        if self.sum >= 100:
            broken(self.clause, expected="less than 100", observed=str(self.sum))


def _times_alone(case: Case) -> list[str]:
    """A list that grows each time the case asks to be alone."""
    times: list[str] = []

    @contextmanager
    def held() -> Iterator[None]:
        times.append("alone")
        yield

    case.alone = held
    return times


def _machine(**changes: Any) -> type[Adding]:
    return type("Changed", (Adding,), {"seen": [], **changes})


def test_a_breach_of_the_cases_own_clause_fails_it_with_the_smallest_program() -> None:
    with pytest.raises(ClauseFailed) as caught:
        check_machine(_case(), _machine())
    assert (caught.value.expected, int(caught.value.observed)) == (
        "less than 100",
        pytest.approx(100, abs=60),
    )
    assert "\n  add " in str(caught.value)
    assert "here: QUEUE-01: expected less than 100; observed 1" in str(caught.value)


def test_a_breach_of_another_clause_is_left_to_its_run_wide_ruling() -> None:
    case = _case()
    with pytest.raises(NotHere, match="QUEUE-03/run-wide"):
        check_machine(case, _machine(clause="QUEUE-03"))
    (finding,) = [found for found in case.record.findings if found.breach]
    assert finding.clause == "QUEUE-03"
    assert "add " in finding.message
    assert case.record.keep_evidence
    note = cast("dict[str, Any]", case.record.record)
    assert "here: QUEUE-03: expected less than 100" in note["program"][-1]


def test_what_was_looked_at_and_found_right_is_told_and_not_ruled() -> None:
    case = _case()

    def looking(run: MachineRun) -> CaseMachine:
        run.looked.add("QUEUE-07")
        return _machine(judge=lambda _: None)(run)

    check_machine(case, looking)
    assert cast("dict[str, Any]", case.record.record)["found_right"] == ["QUEUE-07"]
    assert case.record.findings == []


def test_the_same_seed_makes_the_same_programs() -> None:
    def seen(seed: int) -> list[int]:
        machine = _machine(judge=lambda _: None)
        check_machine(_case(seed), machine)
        return machine.seen

    assert seen(1) == seen(1) != seen(2)


def test_a_hang_ends_the_programs_at_once() -> None:
    def judge(machine: Adding) -> None:
        machine.case._outcomes.append(("call", Outcome(ending="hang")))
        broken("QUEUE-01", expected="an answer", observed="none")

    machine = _machine(judge=judge)
    with pytest.raises(ClauseFailed, match="an answer"):
        check_machine(_case(), machine)
    assert len(machine.seen) == 1


def test_a_fault_of_the_kit_is_raised_as_it_is() -> None:
    def judge(_: Adding) -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        check_machine(_case(), _machine(judge=judge))


@pytest.mark.parametrize(("times", "error"), [(1, Untestable), (3, ClauseFailed)])
def test_a_failure_that_is_not_steady_is_replayed(times: int, error: type[Exception]) -> None:
    failed = []

    def judge(machine: Adding) -> None:
        # Fails once, not again on the same program, and then when it is replayed, if it may fail so often.
        if len(machine.steps) > 3 and (not failed or machine.run.replaying) and len(failed) < times:
            failed.append(1)
            broken("QUEUE-01", expected="nothing", observed="something")

    case = _case()
    with pytest.raises(error):
        check_machine(case, _machine(judge=judge))


@pytest.mark.parametrize(("times", "error"), [(1, Untestable), (3, ClauseFailed)])
def test_an_example_that_fails_once_is_played_again(times: int, error: type[Exception]) -> None:
    failed = []

    def check(_: Case, value: int) -> None:
        # Fails once, not again while it is shrunken, and then when it is played alone, if it may so often.
        if value > 10 and (not failed or alone) and len(failed) < times:
            failed.append(value)
            broken("QUEUE-09", expected="10 at most", observed=str(value))

    case = _case()
    alone = _times_alone(case)
    case.record.clause = "QUEUE-09"
    with pytest.raises(error):
        check_examples(case, st.integers(0, 1000), check)
    assert alone == ["alone"]


@pytest.mark.parametrize(
    ("late_in", "fails", "mark"), [((), False, "late 1/3"), ((1,), True, ""), ((2,), True, "late 2/3")]
)
def test_what_came_too_late_counts_if_it_does_so_again_when_the_program_is_played_alone(
    *, late_in: tuple[int, ...], fails: bool, mark: str
) -> None:
    replays: list[Adding] = []

    def judge(machine: Adding) -> None:
        if machine.run.replaying and machine not in replays:
            replays.append(machine)
        if machine.sum >= 50 and (not replays or len(replays) in late_in):
            broken("QUEUE-01", expected="less than 50", observed=str(machine.sum), late=True)

    case = _case()
    alone = _times_alone(case)
    with pytest.raises(ClauseFailed) if fails else nullcontext():
        check_machine(case, _machine(judge=judge))
    assert alone == ["alone"]
    assert case.record.unsteady == mark


def test_the_end_of_a_program_is_judged_too() -> None:
    def complete(machine: Adding) -> None:
        if machine.sum >= 50:
            broken("QUEUE-01", expected="less than 50", observed=str(machine.sum))

    with pytest.raises(ClauseFailed, match="at the end: QUEUE-01"):
        check_machine(_case(), _machine(judge=lambda _: None, complete=complete))


def test_an_example_that_breaks_another_clause_is_left_to_it() -> None:
    def check(_: Case, value: int) -> None:
        if value > 10:
            broken("STAT-07", expected="10 at most", observed=str(value))

    case = _case()
    with pytest.raises(NotHere, match="STAT-07/run-wide"):
        check_examples(case, st.integers(0, 1000), check)
    assert [found.clause for found in case.record.findings if found.breach] == ["STAT-07"]


def test_shown_scripts_take_the_place_of_what_was_loaded() -> None:
    case = _case()
    case._scripts.append(Script())
    shown = Script(mount="/x")
    case.show_script(shown)
    assert case._scripts == [shown]


def test_shrinking_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(10**6))
    monkeypatch.setattr(stateful.time, "monotonic", lambda: float(next(now)))
    machine = _machine()
    with pytest.raises(ClauseFailed, match="less than 100"):
        check_machine(_case(), machine)
