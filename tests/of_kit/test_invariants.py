"""``list --invariants``: each property of the catalogue has its cases, and each number in a slug is right."""

import json
from pathlib import Path

import pytest
from mini_backend import run_cli

from tgi_conformance.cli.case_listing import list_cases
from tgi_conformance.cli.invariants import held, invariant_of
from tgi_conformance.contracts.catalogue.notes import load_invariants


@pytest.mark.parametrize(
    ("case", "invariant"),
    [
        ("RETRY-05/property-p12", "P-12"),
        ("STREAM-19/property-p04-forms", "P-04"),
        ("RESP-02/property-chat", None),
        ("QUEUE-01/property-model", None),
        ("STREAM-12/fin", None),
        ("GEN-01/property-p055", None),
    ],
)
def test_the_number_stands_at_the_head_of_the_slug(case: str, invariant: str | None) -> None:
    assert invariant_of(case) == invariant


def test_each_invariant_has_cases_for_all_of_its_clauses() -> None:
    cases = list_cases()
    for row in held(cases):
        assert row.cases, row.id
        by_cases = {case.partition("/")[0] for case in row.cases if invariant_of(case) == row.id}
        assert by_cases | set(row.by_model) == set(row.clauses), row.id


def test_each_number_in_a_slug_is_an_invariant_that_names_the_clause() -> None:
    named = {listed.case: invariant_of(listed.case) for listed in list_cases()}
    wrong = [
        case
        for case, invariant in named.items()
        if invariant is not None and case.partition("/")[0] not in load_invariants()[invariant].clauses
    ]
    assert wrong == []


def test_the_command_lists_all_of_them_and_takes_an_area(tmp_path: Path) -> None:
    rows = json.loads(run_cli(tmp_path, "list", "--invariants", "--json").out)
    assert [row["id"] for row in rows] == list(load_invariants())
    told = run_cli(tmp_path, "list", "--invariants", "--area", "TOOL").out
    assert "P-23  Tool algebra: TOOL-05, TOOL-07" in told
    assert "    TOOL-07/property-p23\n" in told
    assert "P-12" not in told
