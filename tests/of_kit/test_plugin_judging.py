"""From an exception to a ruling, and from the findings of all cases to one."""

import dataclasses
from datetime import timedelta

import pytest
from hypothesis.errors import DeadlineExceeded, FailedHealthCheck, Flaky, InvalidArgument, Unsatisfiable

from tgi_conformance.contracts.catalogue.clauses import Level
from tgi_conformance.contracts.journal import UnreadableBody
from tgi_conformance.contracts.verdict import Finding, Ruling, Verdict
from tgi_conformance.plugin.judging import Ruled, at_level, rule_exception
from tgi_conformance.plugin.run_wide import merged, rule_run_wide
from tgi_conformance.suites.harness.expect import ClauseFailed
from tgi_conformance.suites.harness.probes import ProbeFailed
from tgi_conformance.suites.harness.rulings import NotApplicable, NotHere, Untestable


class FlakyFailure(Exception):
    """Named as hypothesis names its own."""


@pytest.mark.parametrize(
    ("error", "phase", "ruling"),
    [
        (AssertionError("no"), "call", Ruling.FAILED),
        (AssertionError("a bare assert of a fixture"), "setup", Ruling.KIT_FAULT),
        (AssertionError("a bare assert of a fixture"), "teardown", Ruling.KIT_FAULT),
        (ClauseFailed("one", "two"), "setup", Ruling.FAILED),
        (pytest.fail.Exception("no"), "call", Ruling.FAILED),
        (KeyError("x"), "call", Ruling.KIT_FAULT),
        (UnreadableBody("the body of POST / is not JSON"), "call", Ruling.FAILED),
        (NotApplicable("not claimed"), "setup", Ruling.NOT_APPLICABLE),
        (NotHere("not now"), "call", Ruling.NOT_HERE),
        (pytest.skip.Exception("not now"), "call", Ruling.NOT_HERE),
        (Untestable("twin"), "call", Ruling.UNTESTABLE),
        (pytest.xfail.Exception("known"), "call", Ruling.EXPECTED),
        (FlakyFailure("gone"), "call", Ruling.UNTESTABLE),
        (Unsatisfiable("nothing fits"), "call", Ruling.NOT_APPLICABLE),
        (InvalidArgument("Cannot sample from a length-zero sequence."), "call", Ruling.NOT_APPLICABLE),
        (FailedHealthCheck("too slow"), "call", Ruling.UNTESTABLE),
        (DeadlineExceeded(timedelta(1), timedelta(2)), "call", Ruling.UNTESTABLE),
        (Flaky("gone"), "call", Ruling.UNTESTABLE),
        (ExceptionGroup("g", [AssertionError("a"), AssertionError("b")]), "call", Ruling.FAILED),
        (ExceptionGroup("g", [AssertionError("a"), KeyError("b")]), "call", Ruling.KIT_FAULT),
        (ExceptionGroup("g", [AssertionError("a"), Untestable("b")]), "call", Ruling.UNTESTABLE),
    ],
)
def test_exception_to_ruling(error: BaseException, phase: str, ruling: Ruling) -> None:
    assert rule_exception(error, phase).ruling is ruling  # type: ignore[arg-type]


def test_both_sides_are_read_from_the_text_of_an_assertion() -> None:
    ruled = rule_exception(AssertionError("expected: one POST\n  observed: two\nassert 2 == 1"), "call")
    assert (ruled.expected, ruled.observed) == ("one POST", "two")
    assert ruled.reason == "expected one POST; observed two"


def test_a_reason_is_one_line() -> None:
    assert rule_exception(AssertionError("\n\nfirst\nsecond"), "call").reason == "first"
    assert rule_exception(AssertionError(), "call").reason == "AssertionError"


@pytest.mark.parametrize(
    ("ruling", "level", "enforced", "expected"),
    [
        (Ruling.FAILED, Level.MUST, False, Ruling.FAILED),
        (Ruling.FAILED, Level.SHOULD, False, Ruling.ADVISORY),
        (Ruling.FAILED, Level.SHOULD, True, Ruling.FAILED),
        (Ruling.FAILED, Level.MAY, True, Ruling.RECORDED),
        (Ruling.PASSED, Level.MAY, False, Ruling.RECORDED),
        (Ruling.PASSED, Level.SHOULD, False, Ruling.PASSED),
        (Ruling.UNTESTABLE, Level.SHOULD, False, Ruling.UNTESTABLE),
        (Ruling.KIT_FAULT, Level.MAY, False, Ruling.KIT_FAULT),
    ],
)
def test_level_weighs_only_what_the_backend_did(
    ruling: Ruling, level: Level, *, enforced: bool, expected: Ruling
) -> None:
    assert at_level(Ruled(ruling=ruling), level, enforced=enforced).ruling is expected


def _case(name: str, *findings: Finding, backend: str = "b") -> Verdict:
    return Verdict(
        case=name, clause=name.partition("/")[0], ruling=Ruling.PASSED, backend=backend, findings=findings
    )


def test_one_breach_fails_the_clause_once_and_names_its_cases() -> None:
    looked = Finding(clause="SEC-01", message="no key seen", breach=False)
    breach = Finding(clause="SEC-01", message="key:A in repr")
    verdicts = [_case("RETRY-01/a", looked), *(_case(f"ERR-01/{n}", breach) for n in range(12))]
    (ruled,) = rule_run_wide(verdicts, enforced=False, seed=1)
    assert ruled.case == "SEC-01/run-wide"
    assert ruled.ruling is Ruling.FAILED
    assert ruled.results_key == "new:key_redaction"
    assert "12 cases" in ruled.reason
    assert "ERR-01/9: key:A in repr" in ruled.observed
    assert "ERR-01/10" not in ruled.observed
    assert "2 more" in ruled.observed


def test_an_oracle_that_only_looked_passes_and_backends_are_apart() -> None:
    looked = Finding(clause="SEC-01", message="no key seen", breach=False)
    breach = Finding(clause="SEC-01", message="key")
    ruled = rule_run_wide(
        [_case("A-01/a", looked), _case("A-01/a", breach, backend="c")], enforced=False, seed=1
    )
    assert [(v.backend, v.ruling) for v in ruled] == [("b", Ruling.PASSED), ("c", Ruling.FAILED)]


def test_breaches_that_are_all_advisory_are_advisory() -> None:
    soft = Finding(clause="RETRY-15", message="soft", advisory=True)
    hard = Finding(clause="RETRY-01", message="hard")
    also = Finding(clause="RETRY-01", message="soft", advisory=True)
    rulings = {
        v.clause: v.ruling
        for v in rule_run_wide([_case("A-01/a", also, soft), _case("A-01/b", hard)], enforced=False, seed=1)
    }
    assert rulings == {"RETRY-01": Ruling.FAILED, "RETRY-15": Ruling.ADVISORY}


def test_nothing_looked_gives_no_verdict() -> None:
    assert rule_run_wide([_case("A-01/a")], enforced=False, seed=1) == ()


def test_the_largest_breach_is_quoted_and_the_first_where_all_are_of_one_size() -> None:
    slip = Finding(clause="RETRY-01", message="2 requests", size=2)
    flood = Finding(clause="RETRY-01", message="2462 requests", size=2462)
    (ruled,) = rule_run_wide([_case("A-01/a", slip), _case("A-01/b", flood)], enforced=False, seed=1)
    assert ruled.reason == "2462 requests (2 cases, worst in A-01/b)"
    assert ruled.observed.splitlines()[1] == "A-01/b: 2462 requests"
    (ruled,) = rule_run_wide([_case("A-01/a", slip), _case("A-01/b", slip)], enforced=False, seed=1)
    assert ruled.reason == "2 requests (2 cases, first in A-01/a)"


def _healthy(name: str, *, breach: bool) -> Finding:
    return Finding(clause="DECL-01", slug=f"healthy-{name}", message=f"{name} seen", breach=breach)


def test_a_healthy_call_is_ruled_once_under_its_own_name() -> None:
    good, bad = _healthy("chat", breach=False), _healthy("chat-stream", breach=True)
    ruled = rule_run_wide([_case("A-01/a", good, bad), _case("A-01/b", good, bad)], enforced=False, seed=1)
    assert [(v.case, v.ruling) for v in ruled] == [
        ("DECL-01/healthy-chat", Ruling.PASSED),
        ("DECL-01/healthy-chat-stream", Ruling.FAILED),
    ]


@pytest.mark.parametrize(
    ("own", "seen", "kept"),
    [
        (Ruling.PASSED, False, Ruling.PASSED),
        (Ruling.PASSED, True, Ruling.FAILED),
        (Ruling.NOT_HERE, False, Ruling.PASSED),
        (Ruling.NOT_RUN, True, Ruling.FAILED),
        (Ruling.FAILED, False, Ruling.FAILED),
        (Ruling.KIT_FAULT, True, Ruling.KIT_FAULT),
    ],
)
def test_a_case_of_its_own_and_what_other_workers_saw_are_one_verdict(
    own: Ruling,
    seen: bool,  # noqa: FBT001 - a parameter
    kept: Ruling,
) -> None:
    case = dataclasses.replace(_case("DECL-01/healthy-chat"), ruling=own)
    other = _case("A-01/a", _healthy("chat", breach=seen))
    told = merged([case, other], rule_run_wide([other], enforced=False, seed=1))
    assert [(v.case, v.ruling) for v in told if v.clause == "DECL-01"] == [("DECL-01/healthy-chat", kept)]


def test_what_an_exception_says_blocks_it_goes_into_the_verdict() -> None:
    failed = ProbeFailed("a healthy chat call works", "backend does not answer", "DECL-01/healthy-chat")
    ruled = rule_exception(failed, "call")
    assert ruled == Ruled(
        ruling=Ruling.BLOCKED, reason="backend does not answer", blocked_by="DECL-01/healthy-chat"
    )
    assert at_level(ruled, Level.SHOULD, enforced=False) == ruled
