"""A bad argument ends a call by a refusal or an answer, as the client likes: neither takes another reply."""

from pathlib import Path

import pytest
from kill_runs import run_quick

TESTS = Path(__file__).parents[1]
CLIENTS = {"refuses": "second_client/second.py:Second", "escapes": "adapters/escapes_halves.py:Escaping"}


@pytest.mark.parametrize("name", CLIENTS)
def test_half_a_character_may_be_refused_or_sent_escaped(name: str, tmp_path: Path) -> None:
    case = "QUEUE-05/bad-argument"
    told = run_quick(f"{TESTS}/{CLIENTS[name]}", tmp_path / "results", "--case", case, narrowed=True)
    assert told.code == 0, told.out
    assert {verdict["case"]: verdict["ruling"] for verdict in told.verdicts}[case] == "passed"
