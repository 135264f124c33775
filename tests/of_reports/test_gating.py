"""What may make a run fail: a level, what is new, the floor; and which level a backend has reached."""

import pytest
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.catalogue.levels import load_levels
from tgi_conformance.contracts.verdict import Ruling, Sign, Verdict
from tgi_conformance.reports.changes import were_red
from tgi_conformance.reports.gate import Exit, Gate, judge
from tgi_conformance.reports.gating.reached import level_reached
from tgi_conformance.reports.gating.scope import Earlier, Scope

PASSED = [verdict(f"STREAM-12/{number}") for number in range(20)]
UNSAFE = verdict("SEC-01/a", Ruling.FAILED)
UNSOUND = verdict("GEN-01/a", Ruling.FAILED, sign=Sign(outcome="request differs"))
HANGS = verdict("GEN-01/b", Ruling.FAILED, sign=Sign(outcome="hang"))
ADVISORY = verdict("GEN-07/a", Ruling.ADVISORY)


def level(name: str) -> Scope:
    return Scope(level=load_levels()[name])


def judged(*verdicts: Verdict, scope: Scope = Scope(), **given: object) -> Gate:  # noqa: B008 - frozen
    return judge(run_of(*PASSED, *verdicts), scope=scope, **given)  # type: ignore[arg-type]


# --- a level ---


@pytest.mark.parametrize(
    ("broken", "safe", "sound", "exemplary"),
    [
        (UNSAFE, 1, 1, 1),
        (HANGS, 1, 1, 1),
        (UNSOUND, 0, 1, 1),
        (ADVISORY, 0, 0, 1),
        (verdict("GEN-07/a", Ruling.RECORDED), 0, 0, 0),
        (verdict("GEN-01/a", Ruling.BLOCKED), 0, 1, 1),
        (verdict("GEN-01/a", Ruling.NOT_RUN), 0, 1, 1),
        (verdict("GEN-01/a", Ruling.UNTESTABLE), 0, 13, 13),
        (verdict("GEN-07/a", Ruling.UNTESTABLE), 0, 0, 13),
        (verdict("GEN-01/a", Ruling.KIT_FAULT), 11, 11, 11),
    ],
)
def test_a_level_decides_which_red_cases_count(
    broken: Verdict, safe: int, sound: int, exemplary: int
) -> None:
    codes = [judged(broken, scope=level(name)).code for name in ("safe", "sound", "exemplary")]
    assert codes == [safe, sound, exemplary]


def test_what_is_red_outside_of_the_level_is_told() -> None:
    gate = judged(UNSOUND, scope=level("safe"))
    assert gate.reasons == ()
    assert gate.aside == ("not judged: 1 red case outside of level safe, the first GEN-01/a",)
    assert gate.without(["a file"]).aside == gate.aside
    assert judged(UNSOUND).aside == ()


def test_the_promises_that_are_broken_are_told_behind_the_reason() -> None:
    gate = judged(UNSAFE, HANGS, UNSOUND, scope=level("safe"))
    assert gate.reasons == (
        "2 cases failed in 2 clauses",
        "against 'leaks no key': 1 case, the first SEC-01/a",
        "against 'never hangs': 1 case, the first GEN-01/b",
    )


# --- what is new ---

EARLIER = Earlier(name="the last run", red=were_red([UNSOUND, HANGS]))


def test_what_was_red_before_does_not_count_and_what_is_new_does() -> None:
    scope = Scope(earlier=EARLIER)
    old = judged(UNSOUND, HANGS, scope=scope)
    assert (old.code, old.reasons) == (Exit.OK, ())
    assert old.aside == ("not judged: 2 red cases that the last run had red too, the first GEN-01/a",)
    new = judged(UNSOUND, UNSAFE, scope=scope)
    assert (new.code, new.reasons) == (Exit.FAILED, ("1 case failed in 1 clause",))


def test_the_same_case_of_another_backend_is_new() -> None:
    other = verdict("GEN-01/a", Ruling.FAILED, backend="beta")
    assert judged(other, scope=Scope(earlier=EARLIER)).code == Exit.FAILED


def test_what_was_not_run_before_was_not_red() -> None:
    not_run = verdict("GEN-01/a", Ruling.NOT_RUN)
    assert not were_red([not_run, *PASSED])
    assert judged(not_run, scope=Scope(earlier=EARLIER)).code == Exit.OK


@pytest.mark.parametrize("ruling", [Ruling.ADVISORY, Ruling.EXPECTED])
def test_a_failure_that_was_let_pass_before_is_not_new(ruling: Ruling) -> None:
    earlier = Earlier(name="the last run", red=were_red([verdict("GEN-07/a", ruling)]))
    failed = verdict("GEN-07/a", Ruling.FAILED)
    assert judged(failed, scope=Scope(earlier=earlier), enforce="should").code == Exit.OK


def test_level_and_new_hold_together() -> None:
    scope = Scope(level=load_levels()["safe"], earlier=EARLIER)
    assert judged(UNSOUND, HANGS, scope=scope).code == Exit.OK
    assert len(judged(UNSOUND, HANGS, scope=scope).aside) == 2
    assert judged(UNSAFE, scope=scope).code == Exit.FAILED


def test_a_baseline_that_differs_is_ten_whatever_the_scope() -> None:
    assert judged(UNSOUND, scope=level("safe"), baseline=["x:4: expired"]).code == Exit.BASELINE


# --- the floor ---


@pytest.mark.parametrize(("floor", "expected"), [(0.5, Exit.OK), (0.95, Exit.OK), (0.97, Exit.UNCLEAR)])
def test_the_floor_can_be_set(floor: float, expected: int) -> None:
    gate = judged(scope=Scope(floor=floor), lost=1)
    assert gate.code == expected
    if expected:
        assert gate.reasons == ("alpha: 20 of 21 applicable MUST cases were decided, 97 % are the least",)


def test_with_a_floor_untestable_cases_count_by_their_number() -> None:
    unclear = verdict("STREAM-13/a", Ruling.UNTESTABLE, reason="failed once")
    assert judged(unclear).code == Exit.UNCLEAR
    tolerated = judged(unclear, scope=Scope(floor=0.95))
    assert (tolerated.code, tolerated.aside) == (
        Exit.OK,
        ("not judged: 1 red case that could not be decided, the first STREAM-13/a",),
    )
    assert judged(unclear, scope=Scope(floor=1.0)).code == Exit.UNCLEAR


def test_the_floor_is_of_the_clauses_of_the_level() -> None:
    undecided = [verdict(f"GEN-01/{number}", Ruling.BLOCKED) for number in range(20)]
    assert judged(*undecided, scope=level("safe")).code == Exit.OK


def test_what_could_not_be_decided_before_either_does_not_count_for_the_floor() -> None:
    undecided = [verdict(f"GEN-01/{number}", Ruling.BLOCKED) for number in range(20)]
    earlier = Earlier(name="the last run", red=were_red(undecided))
    assert judged(*undecided, scope=Scope(earlier=earlier)).code == Exit.OK


# --- the level that is reached ---


@pytest.mark.parametrize(
    ("verdicts", "reached"),
    [
        ((), "exemplary"),
        ((ADVISORY,), "sound"),
        ((UNSOUND,), "safe"),
        ((HANGS,), None),
        ((UNSAFE,), None),
        ((verdict("GEN-01/a", Ruling.EXPECTED),), "safe"),
        ((verdict("SEC-01/a", Ruling.EXPECTED),), None),
        ((verdict("GEN-01/a", Ruling.NOT_RUN),), "safe"),
        ((verdict("GEN-01/a", Ruling.NOT_APPLICABLE),), "exemplary"),
        # A finding that is advice of a MUST clause.
        ((verdict("SEC-02/run-wide", Ruling.ADVISORY),), "sound"),
    ],
)
def test_the_highest_level_that_is_kept_is_reached(
    verdicts: tuple[Verdict, ...], reached: str | None
) -> None:
    found = level_reached([*PASSED, *verdicts])
    assert (found.id if found else None) == reached


def test_no_level_is_reached_where_nothing_passed() -> None:
    assert level_reached([verdict("STREAM-12/a", Ruling.NOT_HERE)]) is None
