"""``list --coverage``: what is counted, what is missing is said plainly, and that nothing is missing."""

import json
from pathlib import Path

import pytest
from mini_backend import run_cli

from tgi_conformance.cli.case_listing import Listed
from tgi_conformance.cli.coverage import (
    MUTANTS,
    NO_BACKEND,
    count_mutants,
    measure,
    model_clauses,
    show_coverage,
    source_tree,
)
from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.suites.ways.words import Way

CATALOGUE = load_catalogue()
CLAUSES = [CATALOGUE["STREAM-12"], CATALOGUE["TOOL-01"]]


def listed(case: str) -> Listed:
    return Listed(case=case, clause=case.partition("/")[0], nodeid="x", doc="")


CASES = [listed("STREAM-12/chat-fin"), listed("STREAM-12/property"), listed("STREAM-12/property-chat")]


def tree_with_mutants(root: Path) -> Path:
    folder = root / MUTANTS
    folder.mkdir(parents=True)
    (folder / "stream.py").write_text(
        'class Base:\n    breaks: "str"\n\n'
        'class Cuts(Base):\n    breaks = "STREAM-12"\n    key = "streaming"\n\n'
        'class CutsMore(Cuts):\n    breaks = "STREAM-12"\n\n'
        'breaks = "STREAM-01"\nraise SystemExit("nothing here is run")\n',
        encoding="utf-8",
    )
    return root


def test_mutants_are_counted_by_their_clause_without_running_them(tmp_path: Path) -> None:
    assert count_mutants(tree_with_mutants(tmp_path)) == {"STREAM-12": 2}


def test_properties_are_cases_too(tmp_path: Path) -> None:
    stream, tool = measure(CLAUSES, CASES, tree_with_mutants(tmp_path))
    assert (stream.cases, stream.properties, stream.mutants) == (3, 2, 2)
    assert (tool.cases, tool.properties, tool.mutants) == (0, 0, 0)


def test_outside_a_source_tree_mutants_are_unknown() -> None:
    assert [row.mutants for row in measure(CLAUSES, CASES, None)] == [None, None]


def test_this_is_a_source_tree_and_each_mutant_names_a_clause() -> None:
    root = source_tree()
    assert root == Path(__file__).parents[2]
    assert set(count_mutants(root)) <= {clause.id for clause in CATALOGUE}


def test_a_clause_without_a_case_is_named_in_its_line_and_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_coverage(CLAUSES, CASES, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "no case" in line and "no case:" not in line] == [
        line for line in lines if line.startswith("TOOL-01")
    ]
    assert "2 clauses: 1 with cases (3 cases, 2 of them properties), 1 without" in lines
    assert "no case: TOOL-01" in lines


def test_the_command_counts_the_cases_that_list_names(tmp_path: Path) -> None:
    words = ("list", "--area", "RES", "--json")
    rows, clauses = (json.loads(run_cli(tmp_path, *words, flag).out) for flag in ("--coverage", "--cases"))
    assert [(row["clause"], row["cases"]) for row in rows] == [
        (clause["id"], len(clause["cases"])) for clause in clauses
    ]
    assert all(row["mutants"] for row in rows)


def test_what_is_missing_is_said_by_level_and_invariant(tmp_path: Path) -> None:
    root = tree_with_mutants(tmp_path)
    clauses = [
        CATALOGUE[name] for name in ("STREAM-12", "TOOL-01", "STREAM-28", "QUEUE-12", "REQ-07", "INIT-02")
    ]
    cases = [listed("STREAM-12/property"), listed("STREAM-28/x"), listed("INIT-02/x")]
    assert {row.clause: row.missing for row in measure(clauses, cases, root)} == {
        "STREAM-12": (),
        "TOOL-01": ("no case", "no property", "no mutant"),
        "STREAM-28": ("no property",),  # a MAY: none can break it, but an invariant names it
        "QUEUE-12": ("no case",),
        "REQ-07": ("no case", "no property", "no mutant"),
        "INIT-02": ("no mutant",),
    }


def test_the_model_counts_where_it_names_a_clause() -> None:
    assert {"QUEUE-02", "STAT-07"} <= model_clauses()
    (row,) = measure([CATALOGUE["STAT-07"]], [listed("STAT-07/x")], None)
    assert (row.model, row.missing) == (True, ())


def test_a_clause_that_no_backend_can_break_is_a_duty_of_the_suite() -> None:
    assert all(CATALOGUE[name].statement.startswith("(suite)") for name in NO_BACKEND)


def test_nothing_is_missing(tmp_path: Path) -> None:
    rows = json.loads(run_cli(tmp_path, "list", "--coverage", "--json").out)
    assert [row["clause"] for row in rows] == [clause.id for clause in CATALOGUE]
    assert {row["clause"]: row["missing"] for row in rows if row["missing"]} == {}
    assert {row["clause"]: row["missing_ways"] for row in rows if row["missing_ways"]} == {}


def test_a_way_that_binds_and_has_no_case_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    chat, native = (Way(route=route, form="stream") for route in ("chat", "native"))
    cases = [
        Listed(case="STREAM-12/x", clause="STREAM-12", nodeid="x", doc="", ways=frozenset({chat, native}))
    ]
    (row,) = measure([CATALOGUE["STREAM-12"]], cases, None)
    assert row.ways == {"native stream": True, "chat stream": True, "completions stream": False}
    assert row.missing_ways == ("completions stream",)
    show_coverage([CATALOGUE["STREAM-12"]], cases, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert ".+ .+ .-" in lines[1]
    assert "a way that binds has no case: STREAM-12 (completions stream)" in lines


def test_a_route_that_another_stands_for_is_no_gap() -> None:
    chat = Way(route="chat", form="plain")
    cases = [Listed(case="RETRY-03/x", clause="RETRY-03", nodeid="x", doc="", ways=frozenset({chat}))]
    (row,) = measure([CATALOGUE["RETRY-03"]], cases, None)
    assert row.missing_ways == ("stream (any route)",)
