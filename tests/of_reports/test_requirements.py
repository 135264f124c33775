"""A run judged by a requirement set: what is outside it is told apart and makes nothing red."""

from dataclasses import replace

import pytest
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.requirements.sets import parse_set
from tgi_conformance.contracts.verdict import Finding, Ruling
from tgi_conformance.plugin.ending.ruling import ruled_over_all
from tgi_conformance.reports.gate import Exit, judge
from tgi_conformance.reports.requirements import by_set, outside_in_words
from tgi_conformance.reports.results_map import roll_up
from tgi_conformance.reports.run import Run

SET = parse_set("2026-01", 'made_from = "a test"\n[cases]\nSTREAM-12 = "a"\nSEC-01 = "a run-wide"\n')
OLD = verdict("STREAM-12/a")
NEW = verdict("STREAM-12/b", Ruling.FAILED, reason="it hangs", evidence="evidence/b.json")
RUN = run_of(OLD, NEW)


def nobodys(_: object) -> bool:
    return False


def test_a_red_case_outside_the_set_is_listed_with_what_it_showed() -> None:
    old, new = by_set(RUN.verdicts, SET, nobodys)
    assert old == OLD
    assert new.ruling is Ruling.NOT_HERE
    assert new.reason == "outside requirement set 2026-01: failed: it hangs"
    assert new.evidence == NEW.evidence


def test_what_blocks_a_case_of_the_set_is_judged_with_it() -> None:
    """Else the run would be red for cases that nobody examined, and would not say why."""
    blocked = replace(OLD, ruling=Ruling.BLOCKED, blocked_by=NEW.case)
    other = replace(NEW, case="STREAM-12/c")
    of_another = replace(NEW, backend="beta")
    rulings = [each.ruling for each in by_set([blocked, NEW, other, of_another], SET, nobodys)]
    assert rulings == [Ruling.BLOCKED, Ruling.FAILED, Ruling.NOT_HERE, Ruling.NOT_HERE]


def test_it_neither_fails_the_run_nor_its_key() -> None:
    assert judge(RUN).code == Exit.FAILED
    run = Run(RUN.info, tuple(by_set(RUN.verdicts, SET, nobodys)))
    assert judge(run).code == Exit.OK
    assert roll_up(run.verdicts, "alpha").values["streaming"] == "Success"


def test_a_red_case_of_the_set_fails_the_run() -> None:
    red = replace(OLD, ruling=Ruling.FAILED)
    assert judge(Run(RUN.info, tuple(by_set([red, NEW], SET, nobodys)))).code == Exit.FAILED


def test_telling_apart_twice_says_it_once() -> None:
    once = by_set(RUN.verdicts, SET, nobodys)
    assert by_set(once, SET, nobodys) == once


def test_what_does_not_apply_needs_no_word_of_the_set() -> None:
    skipped = verdict("STREAM-12/b", Ruling.NOT_APPLICABLE, reason="not claimed")
    assert by_set([skipped], SET, nobodys) == [skipped]


def test_a_test_of_the_users_own_is_judged_whatever_the_set() -> None:
    info = replace(RUN.info, by_pytest=True)
    own = replace(NEW, nodeid="tests/test_client.py::test_mine")
    ours = replace(NEW, nodeid="../site-packages/tgi_conformance/suites/test_stream_ends.py::test_a")
    assert by_set([own], SET, info.is_own_test) == [own]
    assert by_set([ours], SET, info.is_own_test)[0].ruling is Ruling.NOT_HERE


def test_the_summary_names_what_is_red_outside() -> None:
    (said,) = outside_in_words(by_set(RUN.verdicts, SET, nobodys), SET)
    assert said == (
        "judged by requirement set 2026-01; 1 case outside it, 1 of them red and not judged: STREAM-12/b"
    )
    assert outside_in_words(RUN.verdicts, None) == ()


def test_a_run_wide_ruling_rests_on_the_cases_of_the_set() -> None:
    leak = Finding(clause="SEC-01", message="key:A in an exception")
    clean = Finding(clause="SEC-01", message="no key seen", breach=False)
    old, new = "RETRY-03/json-400", "SEC-01/never-in-a-set"
    cases = [verdict(old, findings=(clean,)), verdict(new, findings=(leak,))]

    def sec(requirements: str) -> Ruling:
        ruled = ruled_over_all(run_of(requirements=requirements).info, cases, enforced=False)
        return next(each.ruling for each in ruled if each.case == "SEC-01/run-wide")

    assert sec("2026-12") is Ruling.PASSED
    assert sec("") is Ruling.FAILED


@pytest.mark.parametrize("ruling", Ruling)
@pytest.mark.parametrize("case", ["STREAM-12/a", "STREAM-12/b"])
def test_a_set_turns_nothing_red_that_was_green(case: str, ruling: Ruling) -> None:
    before = verdict(case, ruling)
    (after,) = by_set([before], SET, nobodys)
    assert before.red or not after.red
    assert SET.holds(case) == (after == before) or ruling is Ruling.NOT_APPLICABLE
