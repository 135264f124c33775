"""Case ids: clause and slug, never a node id."""

import pytest

from tgi_conformance.plugin.ids import Marked, case_id, doubled, find_clause
from tgi_conformance.plugin.selection import Selection
from tgi_conformance.suites.harness.session import CaseId


@pytest.mark.parametrize(
    ("marked", "function", "parameters", "expected"),
    [
        (Marked(clause="RETRY-03"), "test_sent_once", "", "RETRY-03/sent-once"),
        (Marked(clause="RETRY-03"), "test_sent_once", "json-400", "RETRY-03/json-400"),
        (Marked(clause="RETRY-03", case="always"), "test_sent_once", "json-400", "RETRY-03/always-json-400"),
        (Marked(clause="RETRY-03", case="always"), "test_sent_once", "", "RETRY-03/always"),
        (Marked(clause="REQ-02"), "test_x", "a b/c\u2028d", "REQ-02/a-b-c-d"),
        (Marked(clause="REQ-02"), "test_x", "\u2028", "REQ-02/case"),
    ],
)
def test_slug_is_case_and_parameters_else_the_function(
    marked: Marked, function: str, parameters: str, expected: str
) -> None:
    assert case_id(marked, function=function, parameters=parameters).text == expected


def test_doubled_ids_name_both_tests_and_spare_other_backends() -> None:
    cases = [
        ("RETRY-03/x", "one", "a.py::t"),
        ("RETRY-03/x", "two", "a.py::t2"),
        ("RETRY-03/x", "one", "b.py::t"),
    ]
    (problem,) = doubled(cases)
    assert "a.py::t and b.py::t" in problem


@pytest.mark.parametrize(
    ("pattern", "hit"),
    [
        ("RETRY-03", True),
        ("RETRY-03/json-400", True),
        ("RETRY-*", True),
        ("RETRY-03/json-*", True),
        ("RETRY-0", False),
        ("RETRY-03/json", False),
        ("STREAM-*", False),
    ],
)
def test_patterns_name_a_case_by_its_id_or_its_clause(pattern: str, *, hit: bool) -> None:
    assert Selection([pattern]).takes(CaseId(clause="RETRY-03", slug="json-400")) is hit


def test_unknown_clause_is_found_to_be_none() -> None:
    assert find_clause("RETRY-99") is None
    assert find_clause("RETRY-03") is not None
