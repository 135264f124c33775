"""What changed since the last run; a failure that a baseline expects is neither red nor mended."""

import pytest
from verdict_builder import verdict

from tgi_conformance.contracts.verdict import Ruling
from tgi_conformance.reports.changes import changes
from tgi_conformance.reports.html.view import GROUPS, group_of

CASE = "STREAM-12/a"


@pytest.mark.parametrize(
    ("before", "now", "headline"),
    [
        (Ruling.PASSED, Ruling.FAILED, "1 new red, 0 fixed, 0 still red"),
        (Ruling.FAILED, Ruling.FAILED, "0 new red, 0 fixed, 1 still red"),
        (Ruling.FAILED, Ruling.PASSED, "0 new red, 1 fixed, 0 still red"),
        (Ruling.FAILED, Ruling.NOT_APPLICABLE, "0 new red, 0 fixed, 0 still red, 1 not judged this time"),
        (Ruling.FAILED, Ruling.EXPECTED, "0 new red, 0 fixed, 0 still red, 1 known to fail"),
        (Ruling.EXPECTED, Ruling.EXPECTED, "0 new red, 0 fixed, 0 still red, 1 known to fail"),
        (Ruling.EXPECTED, Ruling.PASSED, "0 new red, 1 fixed, 0 still red"),
        (Ruling.EXPECTED, Ruling.FAILED, "0 new red, 0 fixed, 1 still red"),
    ],
)
def test_a_case_of_two_runs(before: Ruling, now: Ruling, headline: str) -> None:
    assert changes([verdict(CASE, before)], [verdict(CASE, now)]).headline == headline


def test_a_red_case_that_the_last_run_did_not_have_is_new() -> None:
    assert changes([], [verdict(CASE, Ruling.FAILED)]).headline == "1 new red, 0 fixed, 0 still red"


def test_known_failures_have_a_button_of_their_own() -> None:
    assert group_of(Ruling.EXPECTED) == "known"
    assert group_of(Ruling.ADVISORY) == "advisory"
    assert sorted(ruling for rulings in GROUPS.values() for ruling in rulings) == sorted(Ruling)
