"""The board as values and texts: what a cell says, what is compared, and what hostile texts become."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from board_runs import (
    CASES,
    SUITE,
    all_states,
    failed,
    given,
    hostile,
    inputs_to_look_at,
    of_area,
    ruled,
    whole,
)
from verdict_builder import verdict

from tgi_conformance.contracts.schema.registry import problems, validator
from tgi_conformance.contracts.verdict import DECIDED, Ruling, Verdict
from tgi_conformance.reports.board.cells import Cell, State, cell_of
from tgi_conformance.reports.board.site import site_of
from tgi_conformance.reports.board.view import Board, Row, board_of
from tgi_conformance.reports.run import Run

KIT = "0.1.0"
AREA = {area.name: area for area in SUITE.areas}


def board(*runs: Run) -> Board:
    return board_of([given(run) for run in runs], SUITE, KIT)


def only_row(run: Run) -> Row:
    (row,) = board(run).rows
    return row


def cell(row: Row, area: str) -> Cell:
    return next(view.cell for view in row.areas if view.area.name == area)


# --- what a cell says


def test_each_state_is_told() -> None:
    row = only_row(whole("alpha", *all_states()))
    states = {area: cell(row, area).state for area in ("RESP", "STREAM", "REQ", "TOOL", "GEN")}
    assert states == {
        "RESP": State.RED,
        "STREAM": State.UNTESTED,
        "REQ": State.ADVISORY,
        "TOOL": State.NOT_CLAIMED,
        "GEN": State.PASSED,
    }
    assert cell(row, "RESP").in_words == f"red: 2 failed, 1 blocked, {len(of_area('RESP')) - 3} passed"


@pytest.mark.parametrize("ruling", [ruling for ruling in Ruling if ruling not in DECIDED])
def test_what_was_not_decided_is_never_green(ruling: Ruling) -> None:
    """Not one of an area's cases decided: whatever the reason, nothing is promised."""
    row = only_row(whole("alpha", *ruled(ruling, *of_area("IMG"), reason="why")))
    state = cell(row, "IMG").state
    assert state is not State.PASSED
    assert state.tone != "good"


@pytest.mark.parametrize("ruling", [Ruling.UNTESTABLE, Ruling.NOT_RUN, Ruling.KIT_FAULT])
def test_one_case_that_applies_and_is_open_keeps_a_cell_from_being_green(ruling: Ruling) -> None:
    found = cell(only_row(whole("alpha", *ruled(ruling, "IMG-01/a"))), "IMG")
    assert (found.state, found.note) == (State.UNTESTED, "1 case could not be decided")
    assert found.undecided == 1


def test_a_failure_that_a_baseline_expects_is_red() -> None:
    assert cell(only_row(whole("alpha", *ruled(Ruling.EXPECTED, "IMG-01/a"))), "IMG").state is State.RED


def test_a_failure_is_told_before_all_that_is_open() -> None:
    verdicts = [failed("IMG-01/a"), *ruled(Ruling.NOT_RUN, "IMG-02/a"), *ruled(Ruling.ADVISORY, "IMG-03/a")]
    assert cell(only_row(whole("alpha", *verdicts)), "IMG").state is State.RED


def test_a_clause_that_the_run_does_not_know_keeps_a_cell_from_being_green() -> None:
    run = whole("alpha")
    older = replace(run, verdicts=tuple(v for v in run.verdicts if v.clause != "IMG-02"))
    found = cell(only_row(older), "IMG")
    assert found.state is State.UNTESTED
    assert found.missing == ("IMG-02",)
    assert found.note == "nothing is known of IMG-02: the run is of a kit that did not have it"


@pytest.mark.parametrize("how", [{"profile": "quick"}, {"narrowed": True, "selection": "--case 'IMG-01'"}])
def test_a_run_of_a_part_of_the_cases_has_no_green_cell(how: dict[str, object]) -> None:
    row = only_row(whole("alpha", **how))
    assert {view.cell.state for view in row.areas} == {State.UNTESTED}
    assert (row.level, row.badge) == (None, None)


def test_an_area_without_any_verdict_is_untested() -> None:
    assert cell_of(AREA["IMG"], []).state is State.UNTESTED
    assert cell_of(AREA["IMG"], []).in_words == "untested: no case; no case of it was run"


def test_what_is_only_recorded_or_not_judged_here_is_no_pass() -> None:
    recorded = [verdict(case, Ruling.RECORDED) for case in of_area("IMG")]
    elsewhere = [verdict(case, Ruling.NOT_HERE) for case in of_area("IMG")]
    for verdicts in (recorded, elsewhere):
        found = cell_of(AREA["IMG"], verdicts)
        assert (found.state, found.note) == (State.UNTESTED, "nothing that applies was judged in this run")


def test_what_a_client_was_tried_with_stands_beside_what_the_suite_has() -> None:
    run_wide = verdict("IMG-01/run-wide")
    found = cell(
        only_row(whole("alpha", *ruled(Ruling.NOT_APPLICABLE, *of_area("IMG")[:4]), run_wide)), "IMG"
    )
    clauses, cases = len(AREA["IMG"].clauses), len(AREA["IMG"].cases)
    assert (found.tried_clauses, found.tried_cases) == (clauses - 1, cases - 4), (
        "a run-wide ruling is no case"
    )
    assert found.passed == cases - 4 + 1


def test_a_test_of_a_users_own_has_a_column_of_its_own() -> None:
    own = Verdict(case="own/test", clause="own", ruling=Ruling.FAILED, backend="alpha", area="")
    assert "OTHER" not in {area.name for area in board(whole("alpha")).columns}
    row = only_row(whole("alpha", own))
    assert cell(row, "OTHER").state is State.RED
    both = board(whole("alpha", own), whole("beta"))
    assert [len(row.areas) for row in both.rows] == [len(both.columns), len(SUITE.areas)]


# --- level and badge


def test_level_and_badge_are_those_of_the_run() -> None:
    green, red = only_row(whole("alpha")), only_row(whole("alpha", failed("STREAM-12/a")))
    assert green.level is not None
    assert (green.level.id, green.badge and green.badge.message) == ("exemplary", "exemplary")
    assert red.level is None
    assert red.badge is not None
    assert red.badge.message == "21 of 22 keys"


def test_a_badge_names_a_server_that_is_not_the_usual_one() -> None:
    (row,) = board_of([given(whole("alpha"), "tgi-2")], SUITE, KIT).rows
    assert row.badge is not None
    assert row.badge.message == "exemplary on tgi-2"


# --- rows, their order and their names


def test_the_order_of_the_inputs_and_one_that_is_given_twice_change_nothing() -> None:
    inputs = inputs_to_look_at()
    first = site_of(inputs, SUITE, KIT)
    again = site_of([*reversed(inputs), inputs[0]], SUITE, KIT)
    assert first.files == again.files
    assert first.rows == again.rows == len(inputs)


def test_two_runs_of_one_name_are_both_shown() -> None:
    runs = [whole("alpha", seed=1), whole("alpha", seed=2), whole("ALPHA"), whole("alpha", version="2.0")]
    made = board(*runs)
    assert len(made.rows) == 4
    assert [row.page for row in made.rows] == [
        "ALPHA.1.2.2026-12-01",
        "alpha.1.2.2026-12-01.2",
        "alpha.1.2.2026-12-01.3",
        "alpha.2.0",
    ]


def test_a_page_keeps_its_name_when_an_earlier_run_is_given_too() -> None:
    now, then = whole("alpha"), whole("alpha", day="2026-11-01")
    assert board(now).rows[0].page == board(now, then).rows[0].page == "alpha"
    assert board(now, then).earlier[0].page == "alpha.1.2.2026-11-01"


def test_a_client_has_a_row_for_each_server() -> None:
    inputs = [given(whole("alpha"), server) for server in ("tgi-2", "tgi-3.3", "hosted-router")]
    rows = board_of(inputs, SUITE, KIT).rows
    assert [(row.entry.server, row.page) for row in rows] == [
        ("tgi-3.3", "alpha"),
        ("hosted-router", "alpha.hosted-router"),
        ("tgi-2", "alpha.tgi-2"),
    ]
    assert all(row.trend is None for row in rows)


def test_each_backend_of_a_run_is_a_row() -> None:
    run = whole("alpha")
    both = Run(
        replace(run.info, backends=(*run.info.backends, *whole("beta").info.backends)),
        (*run.verdicts, *whole("beta", failed("IMG-01/a", "beta")).verdicts),
    )
    assert [(row.entry.name, cell(row, "IMG").state) for row in board(both).rows] == [
        ("alpha", State.PASSED),
        ("beta", State.RED),
    ]


# --- trend


def test_the_trend_says_what_broke_and_what_is_fixed_by_case_and_area() -> None:
    then = whole("alpha", failed("IMG-01/a"), failed("SEC-01/a"), day="2026-11-01", version="1.1")
    now = whole("alpha", failed("SEC-01/a"), failed("GEN-01/b"))
    made = board(now, then)
    (row,), (earlier,) = made.rows, made.earlier
    assert row.trend is not None
    assert [v.case for v in row.trend.broken] == ["GEN-01/b"]
    assert [v.case for v in row.trend.fixed] == ["IMG-01/a"]
    assert row.trend.headline == "1 broken, 1 fixed, 1 still red"
    assert {v.area.name: (v.broken, v.fixed) for v in row.areas if v.broken or v.fixed} == {
        "GEN": (1, 0),
        "IMG": (0, 1),
    }
    assert [each.in_words for each in row.trend.conditions] == ["version of alpha: 1.1 before, 1.2 now"]
    assert row.trend_page == earlier.page
    assert earlier.trend is None


def test_what_was_not_judged_is_neither_broken_nor_fixed() -> None:
    then = whole("alpha", failed("IMG-01/a"), *ruled(Ruling.NOT_RUN, "GEN-01/a"), day="2026-11-01")
    now = whole("alpha", *ruled(Ruling.NOT_APPLICABLE, "IMG-01/a"), failed("GEN-01/a"))
    trend = board(now, then).rows[0].trend
    assert trend is not None
    assert (trend.broken, trend.fixed) == ((), ())
    assert [v.case for v in trend.new_red] == ["GEN-01/a"]
    assert [v.case for v in trend.gone_red] == ["IMG-01/a"]


def test_only_runs_of_another_day_and_the_same_server_are_compared() -> None:
    same_day = board(whole("alpha", version="1.1"), whole("alpha"))
    assert [row.trend for row in same_day.rows] == [None, None]
    servers = board_of([given(whole("alpha"), "tgi-2"), given(whole("alpha", day="2026-11-01"))], SUITE, KIT)
    assert [row.trend for row in servers.rows] == [None, None]


def test_of_earlier_runs_the_last_of_the_same_version_is_taken() -> None:
    old = [whole("alpha", day="2026-10-01"), whole("alpha", day="2026-11-01", seed=5)]
    other = whole("alpha", day="2026-11-20", version="9.9")
    made = board(*old, other, whole("alpha"))
    row = next(row for row in made.rows if row.entry.day.month == 12)
    assert row.trend is not None
    assert row.trend.before.day.isoformat() == "2026-11-01"


# --- files


def test_the_files_are_valid_and_pages_say_what_the_json_says() -> None:
    site = site_of(inputs_to_look_at(), SUITE, KIT)
    value = json.loads(site.files["board.json"])
    assert problems("board", value) == []
    row_schema = validator("board").evolve(schema={"$ref": "urn:tgi-conformance:schema:board#/$defs/Row"})
    rows = [*value["rows"], *value["earlier"]]
    assert len(rows) == site.rows
    for row in rows:
        alone = json.loads(site.files[row["page"].replace(".html", ".json")])
        assert alone == row
        assert [*row_schema.iter_errors(alone)] == []
        page = site.files[row["page"]]
        for area, found in row["areas"].items():
            part = page.partition(f'<h3 id="area-{area}">')[2][:300]
            assert found["state"] in part
        for cause in row["causes"]:
            assert f'id="cause-{cause["id"]}"' in page


def test_an_untested_cell_is_of_no_good_class() -> None:
    index = site_of(inputs_to_look_at(), SUITE, KIT).files["index.html"]
    cells = re.findall(r'<td class="cell ([^"]*)">(.*?)</td>', index, re.DOTALL)
    assert len(cells) == 6 * len(SUITE.areas) + 1, "one client has cases of no area"
    for classes, content in cells:
        word = re.search(r'class="word">([^<]*)<', content)
        assert word is not None
        assert ("good" in classes) == (word[1] == "passed")


def test_a_cell_leads_to_its_area_a_cause_and_its_reproducer() -> None:
    site = site_of([given(whole("alpha", failed("STREAM-12/a")))], SUITE, KIT)
    assert 'href="clients/alpha.html#area-STREAM"' in site.files["index.html"]
    page = site.files["clients/alpha.html"]
    area = page.partition('<h3 id="area-STREAM">')[2].partition("</section>")[0]
    link = re.search(r'href="#(cause-[^"]+)"', area)
    assert link is not None
    article = page.partition(f'<article class="cause bad" id="{link[1]}">')[2].partition("</article>")[0]
    for text in (">x<", ">y<", "tgi-conformance run --backend alpha:A --case STREAM-12/a --seed 7"):
        assert text in article
    assert "tgi-conformance reproduce STREAM-12/a" in article
    assert "Evidence" not in article


def test_evidence_is_taken_along_where_the_input_has_it_and_nowhere_else() -> None:
    name = "evidence/alpha/STREAM-12__a.json"
    run = whole("alpha", failed("STREAM-12/a", evidence=name))
    site = site_of([given(run, evidence=[name])], SUITE, KIT)
    assert site.copies == {name: (0, name)}
    assert f'href="../{name}"' in site.files["clients/alpha.html"]
    outside = whole("alpha", failed("STREAM-12/a", evidence="../../secret.json"))
    assert site_of([given(outside, evidence=[name])], SUITE, KIT).copies == {}


def test_hostile_texts_do_not_become_markup() -> None:
    site = site_of([given(hostile(), "<i>server</i>")], SUITE, KIT)
    for name, text in site.files.items():
        assert re.fullmatch(r"[A-Za-z0-9._=+,@/-]+", name)
        assert ".." not in name
        if name.endswith(".html"):
            assert not re.search(r"<(script|img|style>|i>|iframe)", text.partition("</style>")[2])
            assert "\x1b" not in text
            assert "{{ 7*7 }}" in text or name == "index.html"  # which cuts names
            assert not re.search(
                r'href="(?!#|\.\./|clients/|badges/|evidence/|board\.json|[A-Za-z0-9._%-]+\.)', text
            )
        if name.endswith(".json"):
            json.loads(text)
        if name.endswith(".svg"):
            ET.fromstring(text)  # noqa: S314 - our own file, which is what is tested


def test_no_time_of_making_and_no_place_is_in_a_page() -> None:
    texts = "".join(site_of(inputs_to_look_at(), SUITE, KIT).files.values())
    assert "somewhere" not in texts
    assert set(re.findall(r"20\d\d-\d\d-\d\d", texts)) == {"2026-12-01", "2026-11-01", "2026-01-02"}


def test_the_suite_counts_clauses_and_cases_by_area() -> None:
    assert SUITE.cases == len(CASES) == 2 * SUITE.clauses
    assert [area.name for area in SUITE.areas][:3] == ["INIT", "REQ", "RESP"]
