"""Names of cases and clauses: what they take, and what is said of a name that takes nothing."""

import pytest

from tgi_conformance.plugin.selection import Selection, unknown_case, unknown_clause
from tgi_conformance.suites.harness.session import CaseId

CASES = ["RETRY-03/json-400", "RETRY-03/json-422", "STREAM-12/chat"]


def takes(pattern: str, clause: str, slug: str) -> bool:
    return Selection([pattern]).takes(CaseId(clause=clause, slug=slug))


@pytest.mark.parametrize(
    "pattern", ["RETRY-03", "retry-03", "RETRY-03/json-400", "Retry-03/JSON-400", "retry-*", "*json*"]
)
def test_a_name_takes_a_case_by_clause_or_id_whatever_its_case(pattern: str) -> None:
    assert takes(pattern, "RETRY-03", "json-400")
    assert not takes(pattern, "STREAM-12", "chat")


def test_what_took_nothing_is_told_as_it_was_written() -> None:
    selection = Selection(["Retry-03", "NOPE", "Nope-*"])
    assert selection.takes(CaseId(clause="RETRY-03", slug="json-400"))
    assert selection.unused == ["NOPE", "Nope-*"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("STREAM-12", ""),
        ("stream-1?", ""),
        ("STRAEM-12", "there is no clause STRAEM-12; did you mean STREAM-12?"),
        ("RETRY-3", "there is no clause RETRY-3; did you mean RETRY-03? RETRY-01 to RETRY-21 exist"),
        ("RETYR", "there is no clause RETYR; did you mean an area RETRY?"),
    ],
)
def test_an_unknown_clause_is_told_with_what_is_near(word: str, said: str) -> None:
    told = unknown_clause(word)
    assert told.startswith(said)
    assert bool(told) == bool(said)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("retry-03/json-40", "near it: RETRY-03/json-400"),
        ("RETRY-03/other", "near it: RETRY-03/json-400, RETRY-03/json-422"),
        ("STRAEM-12/chat", "did you mean STREAM-12?"),
        ("RETRY-03/run-wide", "the last run in this folder was not red in it"),
        ("RETRY-04/x", "RETRY-04 has no case of its own"),
        ("RETRY-04", "no case has the name RETRY-04"),
    ],
)
def test_an_unknown_case_is_told_with_what_is_near(word: str, said: str) -> None:
    assert said in unknown_case(word, CASES)
