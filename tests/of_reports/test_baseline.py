"""A baseline: what may stand in it, what it expects, and every way in which a run can differ from it."""

from dataclasses import replace
from datetime import date

import pytest
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.verdict import Ruling, Sign, Verdict
from tgi_conformance.reports.baseline.blocks import blocks_of
from tgi_conformance.reports.baseline.entry import BaselineError
from tgi_conformance.reports.baseline.judging import Judged, hold_against, is_known
from tgi_conformance.reports.baseline.reading import read_baseline
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.gate import Exit, judge
from tgi_conformance.reports.run import Debt, Run

FILE = "expected_failures.toml"
TODAY = date(2026, 12, 1)
HEAD = '[claims]\nalpha = ["core", "stream"]\n\n'
#: The entry stands on line 4 of the file, behind the three of ``HEAD``.
ENTRY = """[[expected]]
cases = ["STREAM-12/a", "STREAM-12/b"]
failure = "no error"
reason = "upstream cuts streams"
link = "https://example.org/1"
expires = 2027-03-31
since = 2026-09-01
"""


def entry(**changes: str | None) -> str:
    """The entry with some of its lines changed, added or, with None, left out."""
    lines = dict(line.split(" = ", 1) for line in ENTRY.splitlines()[1:])
    kept = {key: value for key, value in (lines | changes).items() if value is not None}
    return "\n".join(["[[expected]]", *(f"{key} = {value}" for key, value in kept.items()), ""])


def failed(name: str, observed: str = "no error: the text 'hel'", **fields: object) -> Verdict:
    return verdict(name, Ruling.FAILED, reason="expected an error", observed=observed, **fields)


def held(run: Run, text: str = ENTRY, *, today: date = TODAY) -> Judged:
    return hold_against(read_baseline(HEAD + text, FILE), run, today)


def rulings(judged: Judged) -> dict[str, Ruling]:
    return {verdict.case: verdict.ruling for verdict in judged.run.verdicts}


BOTH = run_of(failed("STREAM-12/a"), failed("STREAM-12/b"), verdict("STREAM-01/a"))


# --- what may stand in it ---


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (entry(reason=None), 4, "reason is missing: write why the failure is accepted"),
        (entry(reason='""'), 7, "reason is missing"),
        (entry(link=None), 4, 'link is missing: write where it is tracked, as link = "https://..."'),
        (entry(link='"soon"'), 8, "link is missing"),
        (entry(expires=None), 4, "expires is missing: write a date without quotes, as expires = 2027-03-31"),
        (entry(expires='"2027-03-31"'), 9, "expires must be a date"),
        (entry(failure=None), 4, "failure is missing: write a part of what is observed"),
        (entry(pattern='"x"'), 11, "write failure or pattern, not both"),
        (entry(failure=None, pattern='"("'), 10, "pattern is no regular expression"),
        (entry(cases=None), 4, "write either cases"),
        (entry(cause='"x-1"'), 5, "write either cases"),
        (entry(cases=None, cause='"x-1"'), 4, "count is missing: write how many cases of the cause fail"),
        (entry(count="2"), 11, "count goes with cause"),
        (entry(reasn='"x"'), 11, "'reasn' is not known; an entry has cases, cause"),
        (entry(reason="3"), 7, 'reason must be a text: write reason = "..."'),
        (entry(backend='"beta"'), 11, "backend 'beta' is not in [claims], which has alpha"),
        ("expected = [{}]\n", 1, "write each expected failure as a table of its own"),
        ("[typo]\n", 4, "'typo' is not known: a baseline has [claims] and [[expected]]"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_what_to_write(text: str, line: int, said: str) -> None:
    whole = text + HEAD if text.startswith("expected") else HEAD + text
    with pytest.raises(BaselineError) as caught:
        read_baseline(whole, FILE)
    assert any(problem.startswith(f"{FILE}:{line}: {said}") for problem in caught.value.problems), (
        caught.value.problems
    )


def test_every_mistake_of_a_file_is_told_in_the_order_of_its_lines() -> None:
    with pytest.raises(BaselineError) as caught:
        read_baseline(f"{HEAD}{entry(link=None, expires=None)}\n{entry(reason=None)}", FILE)
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["4", "4", "10"]


def test_claims_must_be_there_and_be_capabilities() -> None:
    with pytest.raises(BaselineError, match=r"expected_failures.toml:1: \[claims\] is missing"):
        read_baseline(ENTRY, FILE)
    with pytest.raises(BaselineError, match=r":3: beta claims 'steam'; the capabilities are core, stream"):
        read_baseline('[claims]\nalpha = ["core"]\nbeta = ["steam"]\n', FILE)
    with pytest.raises(BaselineError, match=r"expected_failures.toml: not TOML: .*line 1"):
        read_baseline("[claims\n", FILE)


def test_a_draft_may_lack_reason_and_link_and_nothing_else() -> None:
    (only,) = read_baseline(HEAD + entry(reason='""', link='""'), FILE, drafts=True).entries
    assert (only.line, only.reason, only.link) == (4, "", "")
    with pytest.raises(BaselineError, match="failure is missing"):
        read_baseline(HEAD + entry(failure=None), FILE, drafts=True)


def test_a_header_inside_a_text_or_a_list_begins_no_table() -> None:
    text = f'{HEAD}# why\n[[expected]]\nreason = """\n[[expected]]\n"""\ncases = [\n  "x",\n]\n[[expected]]\n'
    blocks = blocks_of(text)
    assert [(block.name, block.line, block.comment) for block in blocks] == [
        ("", 1, ""),
        ("claims", 1, ""),
        ("expected", 5, "# why"),
        ("expected", 12, ""),
    ]
    assert "\n".join(block.text for block in blocks if block.lines) == text
    assert blocks[2].line_of("cases") == 9
    assert [block.text for block in blocks_of("no table")] == ["no table"]


# --- what it expects ---


def test_an_expected_failure_is_neither_red_nor_behind_a_cause() -> None:
    judged = held(BOTH)
    assert judged.problems == ()
    assert rulings(judged) == {
        "STREAM-12/a": Ruling.EXPECTED,
        "STREAM-12/b": Ruling.EXPECTED,
        "STREAM-01/a": Ruling.PASSED,
    }
    first = judged.run.verdicts[0]
    assert is_known(first)
    assert first.reason == (
        f"known failure ({FILE}:4): upstream cuts streams (https://example.org/1), until 2027-03-31: "
        "expected an error"
    )
    assert len(causes_of(judged.run, "alpha")) == 0
    assert judge(judged.run, baseline=judged.problems).code == Exit.OK


def test_what_an_expected_failure_blocks_is_expected_with_it() -> None:
    blocked = verdict("STREAM-02/a", Ruling.BLOCKED, blocked_by="STREAM-12/a")
    other = verdict("STREAM-02/b", Ruling.BLOCKED, blocked_by="STREAM-01/a")
    judged = held(run_of(*BOTH.verdicts, blocked, other))
    assert rulings(judged)["STREAM-02/a"] is Ruling.EXPECTED
    assert rulings(judged)["STREAM-02/b"] is Ruling.BLOCKED


@pytest.mark.parametrize(
    "changes",
    [
        {"cases": '"stream-12/*"'},
        {"cases": '"STREAM-12"'},
        {"failure": None, "pattern": '"text .hel"'},
        {"failure": '"no   error"'},
        {"failure": '"silent end"'},
    ],
)
def test_cases_and_failures_can_be_told_in_several_ways(changes: dict[str, str | None]) -> None:
    run = run_of(*(replace(v, sign=Sign(outcome="silent end")) for v in BOTH.verdicts))
    assert held(run, entry(**changes)).problems == ()


def test_a_cause_is_named_by_its_id_or_its_sentence() -> None:
    (cause,) = causes_of(BOTH, "alpha")
    for name in (cause.id, cause.sentence):
        judged = held(BOTH, entry(cases=None, failure=None, cause=repr(name).replace("'", '"'), count="2"))
        assert judged.problems == ()
        assert rulings(judged)["STREAM-12/a"] is Ruling.EXPECTED


def test_the_debt_is_counted_with_its_age() -> None:
    debt = held(BOTH).run.info.debt
    assert debt == Debt(
        file=FILE, entries=1, cases=2, oldest="2026-09-01", next_expiry="2027-03-31", day="2026-12-01"
    )
    assert debt.in_words == (
        f"2 known failures (1 entry of {FILE}), the oldest 91 days old; the first expires on 2027-03-31"
    )
    assert Debt(file=FILE).in_words == f"no known failure: nothing in {FILE} is needed"


# --- how a run can differ ---


def other(name: str) -> Verdict:
    return failed(name, "hang: silence for 10 s")


@pytest.mark.parametrize(
    ("verdicts", "changes", "said"),
    [
        (
            (verdict("STREAM-12/a"), verdict("STREAM-12/b")),
            {},
            "unexpected pass: STREAM-12/a, STREAM-12/b pass (alpha); remove the entry",
        ),
        (
            (failed("STREAM-12/a"), verdict("STREAM-12/b")),
            {},
            "only a part still fails, 1 of 2 cases: STREAM-12/b passes (alpha); name the cases",
        ),
        (
            (verdict("STREAM-01/a"),),
            {"cases": '"STREAM-99/*"'},
            "unmatched: no case of this run is named STREAM-99/*",
        ),
        (
            (failed("STREAM-12/a"),),
            {},
            "unmatched: no case of this run is named STREAM-12/b; remove it",
        ),
        (
            tuple(verdict(f"STREAM-12/{slug}", Ruling.NOT_APPLICABLE) for slug in "ab"),
            {},
            "unmatched: not applicable any more: STREAM-12/a, STREAM-12/b; remove the entry",
        ),
        (
            (failed("STREAM-12/a"), other("STREAM-12/b")),
            {},
            "another failure than the expected one: STREAM-12/b: expected 'no error', observed hang: ",
        ),
        (
            BOTH.verdicts,
            {"expires": "2026-11-30"},
            "expired on 2026-11-30: mend the failure, or give it a new",
        ),
        (
            tuple(failed(f"STREAM-12/{number}") for number in range(21)),
            {"cases": '"STREAM-12/*"'},
            "too wide: its patterns name 21 cases, 20 are the most",
        ),
        (
            BOTH.verdicts,
            {"cases": None, "cause": '"gone-123456"', "count": "2"},
            "unmatched: no case fails of the cause gone-123456; remove the entry",
        ),
    ],
)
def test_each_difference_is_told_with_the_line_and_is_ten(
    verdicts: tuple[Verdict, ...], changes: dict[str, str | None], said: str
) -> None:
    judged = held(run_of(*verdicts), entry(**changes))
    (problem,) = judged.problems
    assert problem.startswith(f"{FILE}:4: {said}")
    assert judge(judged.run, baseline=judged.problems).code == Exit.BASELINE


@pytest.mark.parametrize(
    ("count", "said"),
    [("1", "2 cases of the cause fail, and 1 are expected"), ("3", "only a part still fails, 2 of 3 cases")],
)
def test_a_cause_has_as_many_cases_as_were_counted(count: str, said: str) -> None:
    (cause,) = causes_of(BOTH, "alpha")
    (problem,) = held(BOTH, entry(cases=None, failure=None, cause=f'"{cause.id}"', count=count)).problems
    assert problem.startswith(f"{FILE}:4: {said}")


def test_what_expired_or_fails_otherwise_stays_red() -> None:
    assert rulings(held(BOTH, entry(expires="2026-11-30")))["STREAM-12/a"] is Ruling.FAILED
    assert rulings(held(BOTH, entry(expires="2026-12-01")))["STREAM-12/a"] is Ruling.EXPECTED
    judged = held(run_of(failed("STREAM-12/a"), other("STREAM-12/b")))
    assert rulings(judged)["STREAM-12/b"] is Ruling.FAILED


def test_another_entry_may_expect_the_other_failure_of_a_case() -> None:
    second = entry(cases='["STREAM-12/a", "STREAM-12/b"]', failure='"hang"')
    judged = held(run_of(failed("STREAM-12/a"), other("STREAM-12/b")), f"{ENTRY}\n{second}")
    assert judged.problems == ()
    assert "expected_failures.toml:12" in judged.run.verdicts[1].reason


@pytest.mark.parametrize("info", [{"narrowed": True}, {"profile": "quick"}])
def test_a_run_of_some_cases_misses_none_and_still_sees_a_pass(info: dict[str, object]) -> None:
    assert held(run_of(verdict("STREAM-01/a"), **info)).problems == ()
    (problem,) = held(run_of(verdict("STREAM-12/a"), **info)).problems
    assert "unexpected pass" in problem


def test_a_case_that_could_not_be_decided_says_nothing_of_its_entry() -> None:
    unclear = verdict("STREAM-12/b", Ruling.UNTESTABLE)
    judged = held(run_of(failed("STREAM-12/a"), unclear))
    assert judged.problems == ()
    assert rulings(judged)["STREAM-12/b"] is Ruling.UNTESTABLE


def test_smaller_claims_are_told_with_the_line_of_the_claims() -> None:
    text = HEAD.replace('"stream"', '"stream", "keys"') + ENTRY
    (problem,) = hold_against(read_baseline(text, FILE), BOTH, TODAY).problems
    assert problem.startswith(
        f"{FILE}:2: alpha claims no keys any more, and what is not claimed is not judged"
    )


def test_a_backend_that_the_file_does_not_speak_of_is_judged_without_it() -> None:
    run = run_of(failed("STREAM-12/a", backend="beta"))
    judged = held(run)
    assert (judged.run, judged.problems) == (run, ())
    assert judged.remarks == (f"{FILE} is not applied: it speaks of alpha, and the run is of beta",)


def test_an_entry_of_one_backend_leaves_the_other_alone() -> None:
    only_alpha = entry(backend='"alpha"')
    text = f'[claims]\nalpha = ["core"]\nbeta = ["core"]\n\n{only_alpha}'
    run = run_of(
        *BOTH.verdicts, failed("STREAM-12/a", backend="beta"), verdict("STREAM-12/b", backend="beta")
    )
    judged = hold_against(read_baseline(text, FILE), run, TODAY)
    assert judged.problems == ()
    assert [v.ruling for v in judged.run.of("beta")] == [Ruling.FAILED, Ruling.PASSED]
