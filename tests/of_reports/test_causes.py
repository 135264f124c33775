"""Causes: cases of one defect together, two defects apart, worst first, the same in every run."""

from itertools import permutations

from verdict_builder import run_of, verdict

from tgi_conformance.contracts.causes.outcomes import OutcomeClass
from tgi_conformance.contracts.causes.severity import Severity
from tgi_conformance.contracts.verdict import Ruling, Sign, Verdict
from tgi_conformance.reports.causes.cause import Causes
from tgi_conformance.reports.causes.grouping import advice_of, causes_of

JSON_ERROR = "json.decoder.JSONDecodeError"


def failed(case: str, sign: Sign, **fields: object) -> Verdict:
    return verdict(case, Ruling.FAILED, sign=sign, **fields)


def raised(stimulus: str, *, exception: str = JSON_ERROR, place: str = "pkg/client.py:7 in read") -> Sign:
    outcome = OutcomeClass.UNEXPECTED_ERROR
    return Sign(exception=exception, place=place, outcome=outcome, stimulus=stimulus)


def causes(*verdicts: Verdict) -> Causes:
    return causes_of(run_of(*verdicts), "alpha")


def groups(found: Causes) -> list[list[str]]:
    return [[verdict.case for verdict in cause.verdicts] for cause in found]


def test_one_exception_on_two_stimuli_has_two_causes() -> None:
    found = causes(
        failed("STREAM-04/a", raised("foreign-line-ends")),
        failed("STREAM-08/a", raised("several-data-lines")),
        failed("STREAM-04/b", raised("foreign-line-ends", place="pkg/client.py:99 in read_native")),
    )
    assert groups(found) == [["STREAM-04/a", "STREAM-04/b"], ["STREAM-08/a"]]
    assert found.headline == "2 causes explain 3 failures"


def test_a_case_with_more_beside_is_explained_by_the_plainer_one() -> None:
    found = causes(
        failed("STREAM-08/persona", raised("no-blank-after-colon+several-data-lines")),
        failed("STREAM-08/a", raised("several-data-lines")),
        failed("STREAM-08/b", raised("several-data-lines")),
    )
    assert groups(found) == [["STREAM-08/persona", "STREAM-08/a", "STREAM-08/b"]]
    (cause,) = found
    assert cause.example.case == "STREAM-08/a"
    assert cause.sentence.startswith("With several `data:` lines in one event, a good answer")


def test_where_the_server_did_nothing_unusual_the_function_tells_causes_apart() -> None:
    own = "pkg.errors.ValidationError"
    found = causes(
        failed("GEN-02/a", raised("", exception=own, place="pkg/types.py:12 in check_seed")),
        failed("GEN-05/a", raised("", exception=own, place="pkg/types.py:14 in check_seed")),
        failed("GEN-05/b", raised("", exception=own, place="pkg/types.py:30 in check_top_n")),
    )
    assert groups(found) == [["GEN-02/a", "GEN-05/a"], ["GEN-05/b"]]


def test_the_clients_own_error_that_lacks_the_status_is_another_cause_than_one_that_is_not_its_own() -> None:
    def lost(exception: str, stimulus: str) -> Sign:
        place = "pkg/client.py:7 in read"
        outcome = OutcomeClass.STATUS_LOST
        return Sign(exception=exception, place=place, outcome=outcome, stimulus=stimulus)

    found = causes(
        failed("ERR-06/a", lost("pkg.errors.ApiError", "status-401")),
        failed("ERR-05/a", lost("pkg.errors.ApiError", "status-500+error-odd")),
        failed("ERR-04/a", lost(JSON_ERROR, "status-502+error-html")),
    )
    assert sorted(groups(found)) == [["ERR-04/a"], ["ERR-06/a", "ERR-05/a"]]


def test_what_differs_in_the_request_joins_clauses() -> None:
    def differs(detail: str) -> Sign:
        return Sign(outcome=OutcomeClass.REQUEST_DIFFERS, detail=detail, stimulus="tool-calls")

    found = causes(
        failed("GEN-01/a", differs("seed left out")),
        failed("GEN-02/a", differs("seed left out")),
        failed("GEN-02/b", differs("top_p changed")),
    )
    assert groups(found) == [["GEN-01/a", "GEN-02/a"], ["GEN-02/b"]]
    assert "(seed left out)" in next(iter(found)).sentence


def test_a_cause_without_a_stimulus_says_what_was_expected_where_that_is_short() -> None:
    sign = Sign(outcome=OutcomeClass.REQUEST_DIFFERS)
    (short,) = causes(failed("TOOL-02/a", sign, expected="no tools in the request"))
    assert short.sentence.endswith(" of a good call (expected: no tools in the request).")
    (long,) = causes(failed("TOOL-02/a", sign, expected='{"a": 1}'))
    assert long.sentence.endswith(" of a good call.")
    reason = "the backend's process looked up 'h.example' (2 cases, first in STREAM-01/a)"
    (wide,) = causes(failed("REAL-01/run-wide", Sign(outcome="other"), reason=reason))
    assert wide.sentence.endswith(" (seen: the backend's process looked up 'h.example').")


def test_the_worst_comes_first_and_then_the_most_frequent() -> None:
    found = causes(
        *(failed(f"ERR-05/{n}", Sign(outcome=OutcomeClass.FOREIGN_ERROR)) for n in range(5)),
        failed("STREAM-12/a", Sign(outcome=OutcomeClass.SILENT_END, stimulus="no-end-mark")),
        *(failed(f"STREAM-23/{n}", Sign(outcome=OutcomeClass.SILENT_END)) for n in range(2)),
        failed("SEC-01/run-wide", Sign(outcome=OutcomeClass.KEY_SEEN)),
    )
    assert [cause.severity for cause in found] == [
        Severity.SECRET_LEAKED,
        Severity.OUTPUT_WRONG,
        Severity.OUTPUT_WRONG,
        Severity.UNUSABLE_ERROR,
    ]
    assert [cause.clauses for cause in found][1:3] == [("STREAM-23",), ("STREAM-12",)]
    assert [symptom.cases for symptom in found.symptoms] == [1, 3, 5]


def test_ids_are_the_same_whatever_the_order_the_lines_and_the_company() -> None:
    verdicts = [
        failed("STREAM-08/a", raised("several-data-lines")),
        failed("STREAM-08/b", raised("several-data-lines", place="pkg/client.py:555 in other")),
        failed("ERR-05/a", Sign(outcome=OutcomeClass.FOREIGN_ERROR)),
    ]
    seen = {tuple(cause.id for cause in causes(*order)) for order in permutations(verdicts)}
    assert len(seen) == 1
    ids = seen.pop()
    assert [cause.id for cause in causes(verdicts[1])] == [ids[0]]
    assert all(one.replace("-", "").isalnum() and one == one.lower() for one in ids)


def test_what_is_blocked_hangs_under_its_cause_and_does_not_count_as_a_failure() -> None:
    dead = failed("DECL-01/healthy-chat", Sign(exception="KeyError", place="pkg/c.py:1 in chat"))
    blocked = verdict("STREAM-01/a", Ruling.BLOCKED, blocked_by="DECL-01/healthy-chat")
    found = causes(dead, blocked)
    (cause,) = found
    assert (cause.verdicts, cause.blocked) == ((dead,), (blocked,))
    assert found.headline == "1 cause explains 1 failure and 1 blocked case"
    # Its cause is not in this run: it is told all the same.
    (alone,) = causes(blocked)
    assert alone.verdicts == (blocked,)
    assert alone.sentence == "These cases could not be examined: DECL-01/healthy-chat blocks them."


def test_what_could_not_be_told_is_held_against_nobody() -> None:
    doubtful = verdict("SEC-01/a", Ruling.UNTESTABLE, sign=Sign(outcome=OutcomeClass.KEY_SEEN))
    assert [cause.severity for cause in causes(doubtful)] == [Severity.OTHER]


def test_advice_faults_of_the_kit_and_what_was_not_run_are_no_causes_of_failure() -> None:
    run = run_of(
        verdict("REQ-10/a", Ruling.ADVISORY, sign=Sign(outcome=OutcomeClass.REQUEST_DIFFERS)),
        verdict("REQ-01/a", Ruling.KIT_FAULT),
        verdict("REQ-01/b", Ruling.NOT_RUN),
        verdict("REQ-01/c"),
    )
    assert causes_of(run, "alpha") == Causes(backend="alpha")
    assert groups(advice_of(run, "alpha")) == [["REQ-10/a"]]


def test_verdicts_without_a_sign_are_told_apart_by_their_clause() -> None:
    found = causes(verdict("REQ-01/a", Ruling.FAILED), verdict("REQ-02/a", Ruling.FAILED))
    assert sorted(groups(found)) == [["REQ-01/a"], ["REQ-02/a"]]


def test_one_clause_that_fails_in_one_way_has_one_cause_whatever_the_server_did() -> None:
    def lost(stimulus: str) -> Sign:
        return Sign(outcome=OutcomeClass.NO_ERROR, stimulus=stimulus)

    found = causes(
        failed("ERR-01/a", lost("status-500")),
        failed("ERR-01/b", lost("refused")),
        failed("RESP-09/a", lost("error-in-200")),
        failed("ERR-01/c", lost("error-in-200")),
    )
    assert groups(found) == [["ERR-01/a", "ERR-01/b", "RESP-09/a", "ERR-01/c"]]


def test_a_clause_that_asks_for_several_things_does_not_join_them() -> None:
    def differs(stimulus: str) -> Sign:
        return Sign(outcome=OutcomeClass.EVENTS_DIFFER, stimulus=stimulus)

    found = causes(
        failed("STREAM-08/bom", differs("byte-order-mark")),
        failed("STREAM-08/lines", differs("several-data-lines")),
    )
    assert groups(found) == [["STREAM-08/bom"], ["STREAM-08/lines"]]


def test_what_the_adapter_stumbles_over_is_no_cause_in_the_client() -> None:
    def sign(outcome: OutcomeClass, place: str) -> Sign:
        return Sign(exception="KeyError", place=place, outcome=outcome, stimulus="error-in-200")

    found = causes(
        failed("RESP-09/a", sign(OutcomeClass.ADAPTER, "my_adapter.py:7 in chat")),
        failed("RESP-09/b", sign(OutcomeClass.FOREIGN_ERROR, "pkg/client.py:7 in chat")),
    )
    assert sorted(groups(found)) == [["RESP-09/a"], ["RESP-09/b"]]


def test_a_run_wide_ruling_is_explained_by_the_cases_of_its_clause() -> None:
    seen = failed("RETRY-01/run-wide", Sign(outcome=OutcomeClass.OTHER))
    case = failed("RETRY-01/a", Sign(outcome=OutcomeClass.TOO_MANY, stimulus="status-429"))
    assert groups(causes(case, seen)) == [["RETRY-01/a", "RETRY-01/run-wide"]]
    left = failed("RES-05/a", Sign(outcome=OutcomeClass.CONNECTION_LEFT))
    other = failed("RES-05/b", Sign(outcome=OutcomeClass.NO_ERROR))
    wide = failed("RES-05/run-wide", Sign(outcome=OutcomeClass.CONNECTION_LEFT))
    assert sorted(groups(causes(left, other, wide))) == [["RES-05/a", "RES-05/run-wide"], ["RES-05/b"]]


def test_the_clients_own_errors_of_several_types_on_one_stimulus_have_one_cause() -> None:
    found = causes(
        failed("STREAM-03/a", raised("line-end-cr", exception="pkg.errors.Truncated")),
        failed("STREAM-03/b", raised("line-end-cr", exception="pkg.errors.Protocol")),
    )
    assert groups(found) == [["STREAM-03/a", "STREAM-03/b"]]


def test_ten_thousand_failures_of_a_thousand_kinds_have_causes() -> None:
    verdicts = [
        failed(f"STREAM-{n % 32 + 1:02}/{n}", raised(f"kind-{n % 1000}", exception=f"pkg.E{n % 7}"))
        for n in range(10_000)
    ]
    found = causes(
        *verdicts, *(verdict(f"ERR-01/{n}", Ruling.BLOCKED, blocked_by="STREAM-01/0") for n in range(99))
    )
    assert (found.cases, found.blocked) == (10_000, 99)


def test_a_method_that_gives_nothing_is_one_cause_under_whatever_clause() -> None:
    sign = Sign(outcome=OutcomeClass.NOTHING_USABLE, detail="get_stats")
    (cause,) = causes(failed("MUX-03/a", sign), failed("STAT-01/a", sign), failed("STAT-02/a", sign))
    assert cause.severity is Severity.OUTPUT_WRONG
    assert cause.sentence == "A method of the client gives nothing that can be used (get_stats)."
