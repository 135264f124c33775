"""``baseline update``: today's failures are added, what is mended goes, what stands there is kept."""

import tomllib
from dataclasses import replace
from datetime import date

import pytest
from causes_measured import recorded
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.verdict import Ruling, Sign, Verdict
from tgi_conformance.reports.baseline.entry import BaselineError
from tgi_conformance.reports.baseline.judging import hold_against
from tgi_conformance.reports.baseline.reading import read_baseline
from tgi_conformance.reports.baseline.updating import Updated, updated, word_of
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.run import BackendInfo, Run, RunInfo

FILE = "expected_failures.toml"
TODAY = date(2026, 12, 1)
LATER = date(2026, 12, 24)
HANG = Sign(outcome="hang")
KEY = Sign(exception="KeyError", place="my_client/core.py:7 in read", outcome="unexpected error")


def failed(name: str, sign: Sign = HANG, **fields: object) -> Verdict:
    given = {"reason": "expected an error", "observed": "hang: silence", "expected": "an error", **fields}
    return verdict(name, Ruling.FAILED, sign=sign, **given)


RED = run_of(failed("STREAM-12/a"), failed("STREAM-12/b"), failed("RESP-01/a", KEY), verdict("STREAM-01/a"))


def filled_in(text: str) -> str:
    reasons = text.replace('reason = ""', 'reason = "known"')
    return reasons.replace('link = ""', 'link = "https://example.org/1"')


def first(run: Run = RED) -> Updated:
    return updated(None, FILE, run, TODAY)


def test_a_new_file_has_the_claims_and_an_entry_a_cause() -> None:
    made = first()
    tables = tomllib.loads(made.text)
    assert tables["claims"] == {"alpha": ["core", "stream"]}
    assert [(row["cases"], row["failure"]) for row in tables["expected"]] == [
        (["RESP-01/a"], "KeyError"),
        (["STREAM-12/a", "STREAM-12/b"], "hang"),
    ]
    row = tables["expected"][0]
    assert (row["since"], row["expires"]) == (TODAY, date(2027, 3, 1))
    assert (made.added, made.removed, made.narrowed) == (2, 0, 0)
    assert [made.text.splitlines()[line - 1] for line in made.drafts] == ["[[expected]]"] * 2


def test_it_is_refused_until_reasons_and_links_are_filled_in_and_then_holds() -> None:
    text = first().text
    with pytest.raises(BaselineError, match="reason is missing"):
        read_baseline(text, FILE)
    judged = hold_against(read_baseline(filled_in(text), FILE), RED, TODAY)
    assert judged.problems == ()
    assert not [v for v in judged.run.verdicts if v.red]


def test_a_second_update_changes_nothing_also_after_a_run_with_the_baseline() -> None:
    text = filled_in(first().text)
    judged = hold_against(read_baseline(text, FILE), RED, TODAY)
    for run in (RED, judged.run):
        again = updated(text, FILE, run, LATER)
        assert (again.text, again.added, again.drafts) == (text, 0, ())


def test_a_new_failure_is_added_and_what_stands_there_keeps_its_words() -> None:
    text = filled_in(first().text).replace("[[expected]]\n", "# ask Kim\n[[expected]]  # really\n", 1)
    run = run_of(*RED.verdicts, failed("ERR-07/a"))
    more = updated(text, FILE, run, LATER)
    assert more.text.startswith(text.rstrip("\n"))
    assert (more.added, more.removed) == (1, 0)
    added = tomllib.loads(more.text)["expected"][-1]
    assert (added["cases"], added["since"], added["reason"]) == (["ERR-07/a"], LATER, "")


def test_an_entry_goes_when_all_of_it_passes_and_shrinks_when_a_part_does() -> None:
    text = filled_in(first().text)
    run = run_of(failed("STREAM-12/a"), verdict("STREAM-12/b"), verdict("RESP-01/a"))
    less = updated(text, FILE, run, LATER)
    assert (less.added, less.removed, less.narrowed) == (0, 1, 1)
    (row,) = tomllib.loads(less.text)["expected"]
    assert (row["cases"], row["reason"], row["since"]) == (["STREAM-12/a"], "known", TODAY)
    assert "(cause " in less.text


def test_a_case_that_fails_in_another_way_gets_an_entry_of_its_own() -> None:
    text = filled_in(first().text)
    run = run_of(
        failed("STREAM-12/a"), failed("STREAM-12/b", KEY, observed="error"), failed("RESP-01/a", KEY)
    )
    changed = updated(text, FILE, run, LATER)
    rows = [(row["cases"], row["failure"]) for row in tomllib.loads(changed.text)["expected"]]
    assert (["STREAM-12/a"], "hang") in rows
    assert (["STREAM-12/b"], "KeyError") in rows


def test_a_cause_of_many_cases_is_one_entry_with_its_count() -> None:
    run = run_of(*(failed(f"STREAM-12/{number}") for number in range(21)))
    text = first(run).text
    (row,) = tomllib.loads(text)["expected"]
    assert (row["count"], "cases" in row, "failure" in row) == (21, False, False)
    assert hold_against(read_baseline(filled_in(text), FILE), run, TODAY).problems == ()
    fewer = updated(text, FILE, run_of(*run.verdicts[:19], verdict("STREAM-12/20")), LATER)
    assert tomllib.loads(fewer.text)["expected"][0]["count"] == 19


def test_entries_of_a_backend_that_was_not_run_stay() -> None:
    text = filled_in(first().text)
    other = run_of(failed("ERR-07/a", backend="beta"))
    both = updated(text, FILE, other, LATER)
    tables = tomllib.loads(both.text)
    assert list(tables["claims"]) == ["alpha", "beta"]
    assert [row.get("backend") for row in tables["expected"]] == [None, None, "beta"]


def test_changed_claims_are_written_anew() -> None:
    info = replace(RED.info, backends=(replace(RED.backends[0], claimed=("core", "chat", "stream")),))
    again = updated(first().text, FILE, Run(info, RED.verdicts), LATER)
    assert tomllib.loads(again.text)["claims"] == {"alpha": ["core", "chat", "stream"]}


def test_what_cannot_be_expected_is_counted() -> None:
    unclear = verdict("STREAM-02/a", Ruling.UNTESTABLE)
    blocked = verdict("STREAM-03/a", Ruling.BLOCKED, blocked_by="STREAM-12/a")
    orphan = verdict("STREAM-03/b", Ruling.BLOCKED, blocked_by="DECL-01/healthy-chat")
    made = first(run_of(*RED.verdicts, unclear, blocked, orphan))
    assert (made.added, made.unexpectable) == (2, 2)


@pytest.mark.parametrize(
    ("sign", "observed", "word"),
    [
        (KEY, "x", "KeyError"),
        (HANG, "x", "hang"),
        (Sign(outcome="other"), "on 127.0.0.1:41234 were 7 sockets open", "sockets open"),
        (Sign(), "first line\nsecond", "first line"),
    ],
)
def test_the_word_of_a_failure_is_the_same_in_the_next_run(sign: Sign, observed: str, word: str) -> None:
    assert word_of(failed("STREAM-12/a", sign, observed=observed)) == word


def test_a_text_of_any_characters_is_toml() -> None:
    odd = failed("STREAM-12/a", Sign(), observed='a "quote" \\ and \x7f \u2028 é')
    text = first(run_of(odd)).text
    assert hold_against(read_baseline(filled_in(text), FILE), run_of(odd), TODAY).problems == ()


@pytest.mark.parametrize("face", ["hub", "text-generation"])
def test_a_real_red_run_is_written_down_whole_and_its_baseline_holds(face: str) -> None:
    backend = BackendInfo(name=face, claimed=("core", "chat"))
    run = Run(RunInfo(started="", ended="", seed=0, backends=(backend,)), recorded(face))
    made = first(run)
    judged = hold_against(read_baseline(filled_in(made.text), FILE), run, TODAY)
    assert judged.problems == ()
    assert sum(verdict.red for verdict in judged.run.verdicts) == made.unexpectable
    assert updated(filled_in(made.text), FILE, judged.run, LATER).text == filled_in(made.text)
    assert made.added < 3 * len(causes_of(run, face))
