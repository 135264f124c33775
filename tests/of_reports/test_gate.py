import pytest
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.gate import Exit, judge

PASSED = verdict("STREAM-12/a")
FAILED = verdict("STREAM-12/b", Ruling.FAILED)
NOT_RUN = verdict("STREAM-12/c", Ruling.NOT_RUN)
ADVISORY = verdict("GEN-09/a", Ruling.ADVISORY, level="SHOULD")


def code(*verdicts: Verdict, **given: object) -> int:
    return judge(run_of(*verdicts), **given).code  # type: ignore[arg-type]


def test_a_clean_run_is_zero_with_no_reasons() -> None:
    gate = judge(run_of(PASSED))
    assert (gate.code, gate.reasons) == (0, ())


@pytest.mark.parametrize("ruling", [Ruling.FAILED, Ruling.BLOCKED, Ruling.NOT_RUN])
def test_a_red_case_is_one(ruling: Ruling) -> None:
    assert code(PASSED, verdict("STREAM-12/b", ruling)) == Exit.FAILED


def test_an_untestable_must_is_thirteen_and_a_failure_beside_it_one() -> None:
    unclear = verdict("STREAM-12/b", Ruling.UNTESTABLE, reason="failed once")
    gate = judge(run_of(*[PASSED] * 30, unclear), pytest_code=1)
    assert (gate.code, gate.reasons) == (13, ("1 case untestable, the first STREAM-12/b: failed once",))
    assert "could not tell" in gate.meaning
    assert code(PASSED, unclear, FAILED) == Exit.FAILED


def test_an_untestable_should_is_red_for_nobody_unless_it_is_enforced() -> None:
    unclear = verdict("GEN-09/a", Ruling.UNTESTABLE, level="SHOULD")
    assert code(PASSED, unclear) == Exit.OK
    assert code(PASSED, unclear, enforce="should") == Exit.UNCLEAR


def test_an_advisory_fails_the_run_only_when_should_is_enforced() -> None:
    assert code(PASSED, ADVISORY) == Exit.OK
    assert code(PASSED, ADVISORY, enforce="should") == Exit.FAILED


def test_the_first_code_that_applies_is_given_and_all_reasons_stay() -> None:
    causes = {
        "endpoint_unusable": ["budget used up"],
        "backends_down": ["alpha exits"],
        "baseline": ["GEN-01 passes now"],
    }
    fault = verdict("STREAM-12/d", Ruling.KIT_FAULT, reason="fixture broke")
    gate = judge(run_of(PASSED, FAILED, fault), pytest_code=1, **causes)  # type: ignore[arg-type]
    assert gate.code == Exit.KIT_FAULT
    assert any("fixture broke" in reason for reason in gate.reasons)
    order = []
    for name, expected in (
        ("backends_down", Exit.BACKEND_DOWN),
        ("endpoint_unusable", Exit.ENDPOINT_UNUSABLE),
        ("baseline", Exit.BASELINE),
    ):
        order.append((code(PASSED, FAILED, **causes), expected))
        del causes[name]
    order.append((code(PASSED, FAILED, **causes), Exit.FAILED))
    assert all(found == expected for found, expected in order), order


@pytest.mark.parametrize(
    ("verdicts", "pytest_code", "expected"),
    [
        ((PASSED,), 0, 0),
        ((PASSED, NOT_RUN), 2, Exit.INTERRUPTED),
        ((PASSED, FAILED, NOT_RUN), 2, Exit.INTERRUPTED),
        ((PASSED, FAILED), 3, Exit.INTERNAL_ERROR),
        ((FAILED,), 4, Exit.USAGE),
        ((), 5, Exit.NOTHING_COLLECTED),
        ((PASSED,), 1, 1),
    ],
)
def test_pytests_own_codes(verdicts: tuple[Verdict, ...], pytest_code: int, expected: int) -> None:
    assert code(*verdicts, pytest_code=pytest_code) == expected


@pytest.mark.parametrize(("lost", "expected"), [(1, Exit.OK), (2, Exit.UNCLEAR)])
def test_the_floor_is_95_percent_of_the_applicable_must_cases(lost: int, expected: int) -> None:
    decided = [verdict(f"STREAM-12/{number}") for number in range(20)]
    skipped = [verdict(f"IMG-01/{number}", Ruling.NOT_APPLICABLE) for number in range(50)]
    assert code(*decided, *skipped, lost=lost) == expected


def test_a_whole_run_in_which_no_must_case_applied_shows_nothing_and_is_below_the_floor() -> None:
    skipped = verdict("IMG-01/a", Ruling.NOT_APPLICABLE)
    assert code(skipped) == Exit.UNCLEAR
    assert judge(run_of(skipped, narrowed=True)).code == Exit.OK


def test_each_backend_has_a_floor_of_its_own() -> None:
    beta = verdict("IMG-01/a", Ruling.NOT_APPLICABLE, backend="beta")
    gate = judge(run_of(PASSED, beta))
    assert gate.code == Exit.UNCLEAR
    assert gate.reasons[0].startswith("beta:")


def test_reasons_that_differ_in_numbers_are_one_and_the_largest_is_quoted() -> None:
    slips = [verdict(f"REQ-01/{n}", Ruling.FAILED, observed="2 requests") for n in range(9)]
    flood = verdict("REQ-02/a", Ruling.FAILED, observed="2462 requests")
    gate = judge(run_of(*slips, flood))
    assert "10 of them for one reason: 2462 requests" in gate.reasons


def test_what_most_failures_share_is_said_once() -> None:
    silent = [
        verdict(f"REQ-01/{n}", Ruling.FAILED, observed="backend does not answer\n(probe)") for n in range(9)
    ]
    others = [verdict(f"GEN-01/{n}", Ruling.FAILED, observed=f"text {n}") for n in range(8)]
    shared = "9 of them for one reason: backend does not answer (probe)"
    assert shared in judge(run_of(*silent, *others)).reasons
    assert shared not in judge(run_of(*silent)).reasons  # few enough to be read one by one
    assert shared not in judge(run_of(*silent, *others, FAILED)).reasons


def test_an_interrupted_run_ends_with_2_and_tells_its_failures_before_what_was_not_run() -> None:
    gate = judge(run_of(PASSED, FAILED, NOT_RUN), pytest_code=2)
    assert gate.code == Exit.INTERRUPTED
    assert [reason.split(",")[0] for reason in gate.reasons][:3] == [
        "the run was interrupted",
        "1 case failed in 1 clause",
        "1 case not run",
    ]
