"""The order that cases run in."""

import json
from pathlib import Path

import pytest
from mini_backend import MINI, run_cli

CASES = ("INIT-01/journal-native", "INIT-02/native", "INIT-04/native")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mini.py").write_text(MINI)
    return tmp_path


def order(project: Path, *words: str) -> list[str]:
    chosen = [word for case in CASES for word in ("--case", case)]
    done = run_cli(project, "run", "-v", "-n", "0", "--backend", "mini:Mini", *chosen, *words)
    lines = [line.split() for line in done.out.splitlines()]
    return [words[2] for words in lines if words[:2] == ["✓", "passed"] and words[2] in CASES]


def test_a_run_opens_with_its_shortest_case_and_goes_on_with_the_longest(project: Path) -> None:
    assert order(project) == list(CASES)
    took = dict(zip(CASES, (1.0, 5.0, 0.1), strict=True))
    (project / "collected_results" / "durations.json").write_text(json.dumps(took))
    assert order(project) == ["INIT-04/native", "INIT-02/native", "INIT-01/journal-native"]
