"""What ``list --real`` prints: how many clauses a real endpoint decides; the table names real cases."""

import contextlib
import io
import json

import pytest

from tgi_conformance.cli import main
from tgi_conformance.cli.case_listing import list_cases
from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.suites.real.table import forwarded_cases

#: What a backend claims that does no more than chats, native calls and their streams.
SMALL = {"core", "chat", "native", "stream"}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["list", "--real", "--json"]) == 0
    made: list[dict[str, object]] = json.loads(out.getvalue())
    return made


def test_enough_clauses_are_decided_by_a_real_endpoint(rows: list[dict[str, object]]) -> None:
    forwarded = {str(row["clause"]) for row in rows if row["forwarded"]}
    small = {clause for clause in forwarded if set(load_catalogue()[clause].capabilities) <= SMALL}
    assert len(forwarded) >= 75
    assert len(small) >= 45


def test_each_clause_says_why_it_is_embedded_where_it_is(rows: list[dict[str, object]]) -> None:
    assert len(rows) == len(load_catalogue())
    assert all(row["why"] for row in rows if row["embedded"])


def test_the_table_names_cases_that_there_are_and_none_that_puts_load_on_a_server() -> None:
    cases = {each.case: each for each in list_cases()}
    assert forwarded_cases() - cases.keys() == frozenset()
    assert [case for case in forwarded_cases() if cases[case].load] == []


def test_one_case_a_clause_and_call_shape_is_forwarded() -> None:
    cases = {each.case: each for each in list_cases()}
    seen: dict[tuple[str, frozenset[str]], str] = {}
    for case in sorted(forwarded_cases()):
        key = (cases[case].clause, frozenset(way.route for way in cases[case].ways))
        assert key not in seen, (case, seen[key])
        seen[key] = case
