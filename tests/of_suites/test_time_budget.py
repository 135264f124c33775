"""Profile quick is bounded for slow backends, and what it leaves out depends on the pace alone. Pure."""

import pytest

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.verdict import FOR_TIME
from tgi_conformance.suites.harness import time_budget
from tgi_conformance.suites.harness.patience import Pace
from tgi_conformance.suites.harness.time_budget import (
    ROOM,
    Candidate,
    TimeBudget,
    by_value,
    left_out,
    turns_of,
)

QUICK = Pace(creates=(0.001,), sends=(0.005,), ends=(0.001,))
SLOW = Pace(creates=(0.001,) * 3, sends=(1.2,) * 3, ends=(0.001,) * 3)


def all_of_quick() -> list[Candidate]:
    """The cases of the table: those that profile quick has chosen for the reference."""
    return [Candidate(case=case, clause=case.partition("/")[0]) for case in time_budget._table()]


def nobody(_clause: str) -> bool:
    return False


def test_a_quick_backend_is_left_nothing_out() -> None:
    assert left_out(all_of_quick(), QUICK, 2, nobody) == {}
    assert left_out(all_of_quick(), Pace(), 1, nobody) == {}


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_what_a_slow_backend_is_asked_for_takes_no_longer_than_there_is_room(workers: int) -> None:
    cases = all_of_quick()

    left = left_out(cases, SLOW, workers, nobody)

    run = [each for each in cases if each.case not in left]
    assert 0 < sum(turns_of(each.case).seconds(SLOW) for each in run) <= ROOM * workers
    assert left
    assert all(
        why.startswith(f"{FOR_TIME}: the backend takes 1.2 s before it sends") for why in left.values()
    )


def test_each_results_key_is_decided_once_before_any_is_twice() -> None:
    clauses = load_catalogue()
    cases = all_of_quick()
    keys = {clauses[each.clause].results_key or clauses[each.clause].area for each in cases}

    first = list(by_value(cases, SLOW))[: len(keys)]

    assert {clauses[each.clause].results_key or clauses[each.clause].area for each in first} == keys


def test_two_workers_of_a_slow_backend_decide_every_key() -> None:
    clauses = load_catalogue()
    cases = [each for each in all_of_quick() if clauses[each.clause].results_key]

    left = left_out(cases, SLOW, 2, nobody)

    run = {clauses[each.clause].results_key for each in cases if each.case not in left}
    assert run == {clauses[each.clause].results_key for each in cases}


def test_a_pace_that_was_measured_a_little_otherwise_leaves_out_the_same() -> None:
    other = Pace(creates=(0.02,) * 3, sends=(1.19, 1.23, 1.24), ends=(0.01,) * 3)

    assert (
        left_out(all_of_quick(), other, 2, nobody).keys() == left_out(all_of_quick(), SLOW, 2, nobody).keys()
    )


def test_a_clause_that_was_asked_for_is_run_whatever_it_takes() -> None:
    cases = all_of_quick()
    dropped = next(iter(left_out(cases, SLOW, 1, nobody))).partition("/")[0]

    assert not any(
        case.startswith(dropped) for case in left_out(cases, SLOW, 1, lambda clause: clause == dropped)
    )


def test_the_slowest_backend_is_asked_for_one_case_at_least() -> None:
    cases = all_of_quick()

    assert len(left_out(cases, Pace(sends=(1000.0,), ends=(0.0,)), 1, nobody)) < len(cases)


def test_what_is_not_claimed_takes_no_room_and_the_first_pace_decides() -> None:
    cases = all_of_quick()
    budget = TimeBudget({"b": cases}, 1, nobody)
    claimed = frozenset({"core", "chat"})

    first = [budget.reason("b", each.case, claimed, SLOW) for each in cases]

    assert any(first)
    assert first == [budget.reason("b", each.case, claimed, QUICK) for each in cases]
    assert budget.reason("another", cases[0].case, claimed, SLOW) == ""
