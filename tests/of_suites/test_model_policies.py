"""Correct clients with retry policies that no setting changes: no program of the model blames them."""

from pathlib import Path

import pytest
from kill_runs import run_quick

ADAPTERS = Path(__file__).parents[1] / "adapters" / "retries_by_itself.py"
CASES = ("QUEUE-01/property-model", "MUX-03/property-model", "QUEUE-09/property-load")


@pytest.mark.parametrize("name", ["Eager", "Keeping", "Silent"])
def test_a_client_that_retries_as_it_declares_is_right(name: str, tmp_path: Path) -> None:
    wanted = [part for case in CASES for part in ("--case", case)]
    told = run_quick(f"{ADAPTERS}:{name}", tmp_path / "results", *wanted, narrowed=True)
    assert told.code == 0, told.out
    rulings = {verdict["case"]: verdict["ruling"] for verdict in told.verdicts}
    assert {rulings[case] for case in CASES} == {"passed"}
