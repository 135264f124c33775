"""The policy matrix's own parts: its rows are valid, a sample can be repeated, the table is plain."""

import json
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import strangers
from strangers import FOLDER, STRANGERS, Row, main, sample, table
from suite_runs import rows_in

sys.path.append(str(FOLDER.parent / "second_client"))

from described import described, hidden_methods, own_settings
from rows import CLIENTS, KNOBS
from second import Second

from tgi_conformance.backends.driver.driver import read_description
from tgi_conformance.backends.driver.events import Hello
from tgi_conformance.backends.reference.adapter import AsyncReferenceAdapter, ReferenceAdapter
from tgi_conformance.contracts.adapter import SETTINGS, Description, RetryPolicy
from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.codec import to_json

BASES: dict[str, Any] = {
    "reference": to_json(ReferenceAdapter().describe()),
    "second": Second().describe(),
    "async": to_json(AsyncReferenceAdapter().describe()),
}
BY_ID = {stranger.id: stranger for stranger in STRANGERS}
ROW = Row(
    "second-x", "digest", (9, 1, 0, 0, 2), ("REQ-01/x",), ("failed REQ-01/x: expected 1; observed 2",), 60.0
)


def description_of(name: str) -> Description:
    """The description as the driver reads it."""
    stranger = BY_ID[name]
    told = described(BASES[stranger.client], stranger)
    implemented = ("describe", "create_endpoint", "classify")
    hello = Hello(id=1, protocol=1, language="python", description=told, implemented=implemented)

    def fail(problem: str) -> Exception:
        return AssertionError(problem)

    return read_description(hello, fail)  # type: ignore[arg-type]


def test_each_client_has_at_least_24_rows_and_each_name_stands_once() -> None:
    counts = Counter(s.client for s in STRANGERS)
    assert min(counts["reference"], counts["second"]) >= 24
    assert {s.client for s in STRANGERS} == set(CLIENTS)
    assert len(BY_ID) == len({s.attribute for s in STRANGERS}) == len(STRANGERS)
    assert all(s.attribute.isidentifier() for s in STRANGERS)


@pytest.mark.parametrize("name", BY_ID)
def test_the_description_of_each_row_is_valid_and_says_what_the_row_changes(name: str) -> None:
    row, told = BY_ID[name].row, description_of(name)
    assert not told.capabilities & set(row.without)
    assert not told.parameters.keys() & hidden_methods(BY_ID[name])
    assert not told.settings & set(row.pinned)
    assert set(row.without) <= CAPABILITIES.keys()
    assert set(row.pinned) <= {*SETTINGS, "*"}
    if "retry" in row.undeclared:
        assert told.retry is None
        return
    assert told.retry is not None
    for field in RetryPolicy.__slots__:
        value, there = getattr(told.retry, field), row.policy.get(field)
        if field in row.undeclared:
            assert value is None
        elif there is not None:
            assert value == (frozenset(there) if field in ("statuses", "faults") else there)


@pytest.mark.parametrize("name", BY_ID)
def test_what_is_declared_of_the_waits_is_what_endpoints_are_made_with(name: str) -> None:
    own, told = own_settings(BY_ID[name]), description_of(name).retry
    for field, setting in KNOBS.items():
        if told is not None and setting in own:
            assert getattr(told, field) in (own[setting], None)


def test_some_row_changes_each_field_of_the_policy_and_some_row_leaves_it_open() -> None:
    rows = [stranger.row for stranger in STRANGERS]
    assert {name for row in rows for name in row.policy} == set(RetryPolicy.__slots__)
    assert {name for row in rows for name in row.undeclared} == {
        *RetryPolicy.__slots__,
        "retry",
        "defaults",
    }


def test_a_sample_depends_on_its_seed_alone_and_has_no_long_run() -> None:
    drawn = [tuple(s.id for s in sample(STRANGERS, 2, f"2026-12-{day:02}")) for day in range(1, 31)]
    assert drawn[0] == tuple(s.id for s in sample(STRANGERS, 2, "2026-12-01"))
    assert len(set(drawn)) > 20
    assert not [name for names in drawn for name in names if BY_ID[name].row.long]


def test_rows_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(asdict(ROW)) + "\n", encoding="utf-8")
    assert [Row(**fields) for fields in rows_in(tmp_path / "rows.jsonl")] == [ROW]
    assert rows_in(tmp_path / "none.jsonl") == []


def test_the_table_counts_the_verdicts_and_names_the_red_ones() -> None:
    assert not ROW.clean
    head, line = table([ROW])
    assert head.split() == [
        "stranger",
        "passed",
        "failed",
        "blocked",
        "untestable",
        "not",
        "applicable",
        "seconds",
        "red",
    ]
    assert line.split() == ["second-x", "9", "1", "0", "0", "2", "60.0", "REQ-01/x"]


def test_of_a_stranger_that_is_broken_the_first_red_cases_are_named_and_the_others_counted() -> None:
    broken = replace(ROW, red=tuple(f"REQ-01/{number}" for number in range(2000)))
    assert table([broken])[1].split()[-5:] == ["REQ-01/8", "REQ-01/9", "and", "1990", "more"]


def test_a_red_verdict_fails_the_matrix_and_what_has_a_row_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs: list[str] = []

    def canned(stranger: strangers.Stranger, folder: Path, sources: str, workers: int) -> Row:
        del folder, workers
        runs.append(stranger.id)
        red = stranger.id == "second-no-jitter"
        return replace(ROW, stranger=stranger.id, sources=sources, red=ROW.red if red else ())

    monkeypatch.setattr(strangers, "run", canned)
    words = ["--state", str(tmp_path), "--only"]
    assert main([*words, "second-no-faults"]) == 0
    assert main([*words, "second-no-*"]) == 1
    assert len(runs) == len(set(runs)) > 3
    assert main([*words, "second-no-faults", "--again"]) == 0
    assert runs[-1] == "second-no-faults"
    assert main([*words, "*", "--sample", "1", "--seed", "x"]) in (0, 1)
    assert f"--only {sample(STRANGERS, 1, 'x')[0].id}" in capsys.readouterr().out
    assert main([*words, "nobody"]) == 1
