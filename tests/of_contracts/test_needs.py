"""What clauses need: the words exist, each clause has some, the suites agree, and the page shows them."""

import ast
import dataclasses
import importlib.util
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from types import ModuleType

import pytest

from tgi_conformance.backends.driver.events import Census
from tgi_conformance.contracts.adapter import Description
from tgi_conformance.contracts.catalogue.clauses import CatalogueError, Clause, load_catalogue, read_catalogue
from tgi_conformance.contracts.catalogue.needs import BESIDE, FIELDS, GAPS, METHODS, SCRIPT
from tgi_conformance.contracts.script import Script

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalogue()


def needs_of(clause: Clause) -> tuple[str, ...]:
    return (*clause.methods, *clause.fields, *clause.script)


@pytest.mark.parametrize("clause", CATALOGUE, ids=lambda clause: clause.id)
def test_a_clause_calls_something_reads_something_and_is_brought_about_by_something(clause: Clause) -> None:
    assert clause.methods
    assert clause.fields
    assert clause.script


def test_a_clause_of_a_capability_calls_a_method_that_offers_it() -> None:
    obliged = {
        "chat": "chat",
        "native": "generate",
        "completions": "completions",
        "stats": "get_stats",
        "probe": "test_endpoint",
        "close": "close",
    }
    missing = [
        (clause.id, obliged[capability])
        for clause in CATALOGUE
        for capability in clause.capabilities
        if obliged.get(capability, clause.methods[0]) not in clause.methods
    ]
    # STAT-05 judges the request that asks for counts, not the counts.
    assert missing == [("STAT-05", "get_stats")]


def test_words_of_dataclasses_are_their_fields_and_the_census_is_the_hosts() -> None:
    described = {f"description.{field.name}" for field in dataclasses.fields(Description)}
    scripted = {f"script.{field.name}" for field in dataclasses.fields(Script)}
    census = {f"census.{field.name}" for field in dataclasses.fields(Census)} - {"census.id", "census.at"}
    assert {word for word in FIELDS - set(GAPS) if word.startswith("description.")} == described
    assert {word for word in SCRIPT - set(GAPS) if word.startswith("script.")} == scripted
    assert {word for word in FIELDS if word.startswith("census.")} == census


def test_statistics_are_those_that_the_guide_names() -> None:
    guide = (ROOT / "docs" / "adapter-contract.md").read_text(encoding="utf-8")
    (row,) = [line for line in guide.splitlines() if line.startswith("| statistics |")]
    named = {f"stats.{name}" for name in row.split("`")[1::2]}
    assert {word for word in FIELDS - set(GAPS) if word.startswith("stats.")} == named


def test_each_gap_and_each_stimulus_beside_the_script_is_needed_by_a_clause() -> None:
    needed = {word for clause in CATALOGUE for word in needs_of(clause)}
    assert set(GAPS) <= needed
    assert set(BESIDE) <= needed


def test_the_word_of_a_gap_is_no_field_yet() -> None:
    existing = {f"description.{field.name}" for field in dataclasses.fields(Description)}
    existing |= {f"script.{field.name}" for field in dataclasses.fields(Script)}
    assert not existing & set(GAPS), "the gap is closed: take it out of clause_needs.GAPS"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('methods = ["', 'methods = ["shout", "', "MUX-01: field 'methods'.*'shout'"),
        ('fields = ["', 'fields = ["answer.txt", "', "MUX-01: field 'fields'.*'answer.txt'"),
        ('script = ["', 'script = ["tgi.txt", "', "MUX-01: field 'script'.*'tgi.txt'"),
    ],
)
def test_a_word_that_nobody_knows_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with resources.as_file(
        resources.files("tgi_conformance.contracts.catalogue").joinpath("areas")
    ) as clauses:
        folder = Path(shutil.copytree(clauses, tmp_path / "clauses"))
    text = (folder / "mux.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "mux.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueError, match=message):
        read_catalogue(folder)


@pytest.mark.parametrize("field", ["methods", "fields", "script"])
def test_a_clause_that_needs_nothing_is_refused(tmp_path: Path, field: str) -> None:
    with resources.as_file(
        resources.files("tgi_conformance.contracts.catalogue").joinpath("areas")
    ) as clauses:
        folder = Path(shutil.copytree(clauses, tmp_path / "clauses"))
    lines = (folder / "decl.toml").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(f"{field} = ")]
    start = next(at for at, line in enumerate(lines) if line.startswith(f"{field} = "))
    if lines[start].endswith("["):
        kept = lines[:start] + lines[lines.index("]", start) + 1 :]
    (folder / "decl.toml").write_text("\n".join([*kept, f"{field} = []"]), encoding="utf-8")
    with pytest.raises(CatalogueError, match=f"DECL-01: field '{field}'.*at least one word"):
        read_catalogue(folder)


# -- the suites ------------------------------------------------------------------------------------


def marked_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Each test of the suites with the clause that its marker names."""
    for file in sorted((ROOT / "suites").glob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "clause":
                        assert isinstance(mark.args[0], ast.Constant)
                        yield str(mark.args[0].value), node


def asked_by(test: ast.FunctionDef) -> set[str]:
    """The methods that a test's own body asks for by name."""
    found = set()
    for node in ast.walk(test):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "statistics":
                found.add("get_stats")
            elif node.func.attr == "ask" and isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
    return found


def test_what_a_test_asks_for_stands_in_its_clause() -> None:
    tests = list(marked_functions())
    assert len(tests) > 150
    unsaid = {
        f"{clause} ({test.name}): {method}"
        for clause, test in tests
        for method in asked_by(test) - set(CATALOGUE[clause].methods)
    }
    assert not unsaid


# -- the page --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generate_tables() -> ModuleType:
    file = ROOT / "docs" / "generate_tables.py"
    spec = importlib.util.spec_from_file_location("generate_tables", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(generate_tables: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_tables.main(["--check"]) == 0, capsys.readouterr().out


def test_the_table_has_a_row_for_each_clause_and_a_line_for_each_gap(generate_tables: ModuleType) -> None:
    table = generate_tables.clause_table()
    assert all(table.count(f"\n| {clause.id} |") == 1 for clause in CATALOGUE)
    assert all(table.count(f"\n- gap: `{word}`") == 1 for word in GAPS)
    assert set(METHODS) >= {word for clause in CATALOGUE for word in clause.methods}


def test_a_page_without_its_marks_is_refused(generate_tables: ModuleType) -> None:
    with pytest.raises(ValueError, match="once each"):
        generate_tables.with_table("# The adapter\n")
