"""A client that makes one call at a time and has no setting for it is not asked for more."""

import json
from pathlib import Path

import pytest
from kill_runs import run_quick

CASES = ("RES-05/held*", "STAT-07/*", "REQ-12/*", "STREAM-27/c*", "MUX-03/no*")
ADAPTERS = Path(__file__).parents[1] / "strangers" / "adapters.py"


@pytest.mark.parametrize("face", ["second_serial", "second_serial_undeclared"])
def test_calls_at_one_time_are_as_many_as_the_client_takes(tmp_path: Path, face: str) -> None:
    words = [word for case in CASES for word in ("--case", case)]
    told = run_quick(f"{ADAPTERS}:{face}", tmp_path / "results", *words, narrowed=True)
    assert told.code == 0, told.out
    lines = (tmp_path / "results" / "narrowed" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    verdicts = [value for value in map(json.loads, lines) if "ruling" in value]
    passed = {value["clause"] for value in verdicts if value["ruling"] == "passed"}
    assert passed >= {"RES-05", "STAT-07", "REQ-12", "STREAM-27", "MUX-03"}
