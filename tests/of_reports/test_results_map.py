from dataclasses import replace

import pytest
from verdict_builder import verdict

from tgi_conformance.contracts.catalogue.results_keys import NEW_KEYS, RESULTS_KEYS
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.reports.results_map import ResultsMap, roll_up

KEY = "streaming"


def case(ruling: Ruling, level: str = "MUST", key: str = KEY) -> Verdict:
    return Verdict(case="X-01/a", clause="X-01", ruling=ruling, backend="alpha", level=level, results_key=key)


def rolled(*verdicts: Verdict) -> ResultsMap:
    return roll_up(verdicts, "alpha")


def test_a_key_succeeds_when_all_its_must_cases_passed() -> None:
    assert rolled(case(Ruling.PASSED), case(Ruling.PASSED)).values == {KEY: "Success"}


#: What says nothing of the backend: the kit's own doubt and faults, and what had no turn.
OPEN = (Ruling.UNTESTABLE, Ruling.KIT_FAULT, Ruling.NOT_RUN)
#: What fails a key.
NOT_KEPT = sorted((RED | {Ruling.EXPECTED}) - set(OPEN))


@pytest.mark.parametrize("ruling", NOT_KEPT)
def test_one_must_case_that_was_not_kept_fails_its_key(ruling: Ruling) -> None:
    assert rolled(case(Ruling.PASSED), case(ruling)).values == {KEY: "Failed"}


@pytest.mark.parametrize("ruling", [Ruling.NOT_APPLICABLE, Ruling.NOT_HERE])
def test_what_does_not_apply_does_not_count(ruling: Ruling) -> None:
    assert rolled(case(Ruling.PASSED), case(ruling)).values == {KEY: "Success"}


@pytest.mark.parametrize("ruling", sorted(RED | {Ruling.ADVISORY, Ruling.EXPECTED}))
def test_a_should_never_fails_a_key_with_an_applicable_must(ruling: Ruling) -> None:
    assert rolled(case(Ruling.PASSED), case(ruling, "SHOULD")).values == {KEY: "Success"}


@pytest.mark.parametrize(
    ("ruling", "result"),
    [
        (Ruling.PASSED, "Success"),
        *((ruling, "Failed") for ruling in [*NOT_KEPT, Ruling.ADVISORY]),
    ],
)
def test_shoulds_score_a_key_that_has_no_other_applicable_clause(ruling: Ruling, result: str) -> None:
    results = rolled(case(Ruling.NOT_APPLICABLE), case(Ruling.PASSED, "SHOULD"), case(ruling, "SHOULD"))
    assert results.values == {KEY: result}


@pytest.mark.parametrize("level", ["MUST", "SHOULD"])
def test_an_untestable_case_leaves_its_key_out_and_is_named_beside_it(level: str) -> None:
    unclear = replace(case(Ruling.UNTESTABLE, level), reason="failed once and not again")
    results = rolled(case(Ruling.PASSED, level), unclear, unclear)
    assert KEY not in results.values
    assert results.unclear == (KEY,)
    assert results.left_out[KEY] == "untestable: X-01/a: failed once and not again; and 1 more"
    assert rolled(unclear, case(Ruling.FAILED, level)).values == {KEY: "Failed"}


@pytest.mark.parametrize("ruling", OPEN)
def test_what_says_nothing_of_the_backend_neither_fails_a_key_nor_lets_it_succeed(ruling: Ruling) -> None:
    results = rolled(case(Ruling.PASSED), case(ruling))
    assert KEY not in results.values
    assert results.left_out[KEY].startswith(f"{ruling}: X-01/a")
    assert rolled(case(Ruling.FAILED), case(ruling)).values == {KEY: "Failed"}


def test_a_key_whose_cases_were_not_run_is_left_out_without_a_line_of_its_own() -> None:
    assert rolled(case(Ruling.NOT_RUN), case(Ruling.NOT_RUN)).unclear == ()
    assert rolled(case(Ruling.NOT_RUN), case(Ruling.UNTESTABLE)).unclear == (KEY,)


def test_a_key_that_rests_on_blocked_cases_alone_is_failed() -> None:
    assert rolled(case(Ruling.BLOCKED), case(Ruling.NOT_APPLICABLE)).values == {KEY: "Failed"}


def test_a_key_with_only_may_clauses_is_left_out() -> None:
    results = rolled(case(Ruling.RECORDED, "MAY"))
    assert KEY not in results.values
    assert "MAY" in results.left_out[KEY]


def test_a_key_whose_must_cases_were_only_recorded_is_left_out_even_beside_a_should() -> None:
    results = rolled(case(Ruling.RECORDED), case(Ruling.ADVISORY, "SHOULD"))
    assert KEY not in results.values
    assert "recorded" in results.left_out[KEY]


def test_a_key_without_applicable_clause_is_left_out_with_the_reasons() -> None:
    skipped = verdict("IMG-01/one", Ruling.NOT_APPLICABLE, reason="img is not claimed")
    results = rolled(skipped)
    assert results.values == {}
    assert "img is not claimed" in results.left_out["image_processing"]
    assert results.left_out[KEY] == "no case of this key was run"


def test_the_map_is_in_the_guides_order_whatever_the_order_of_the_verdicts() -> None:
    verdicts = [case(Ruling.PASSED, key=key) for key in reversed((*RESULTS_KEYS, *NEW_KEYS))]
    results = rolled(*verdicts)
    assert tuple(results.values) == RESULTS_KEYS
    assert tuple(results.more) == NEW_KEYS
    assert results.left_out == {}


def test_other_backends_do_not_count() -> None:
    other = verdict("STREAM-12/a", Ruling.FAILED, backend="beta")
    assert rolled(other, verdict("STREAM-12/a")).values == {"streaming": "Success"}
