"""RES-10 and RES-11 on correct clients that the reference is unlike; the wrong ones are in ``mutants/``."""

from pathlib import Path

import pytest
from kill_runs import run_quick

TESTS = Path(__file__).parents[1]
#: Client, clause -> the ruling of its cases.
RULED = {
    ("adapters/loops.py:RefusesAnotherLoop", "RES-11"): "passed",
    ("second_client/second.py:Second", "RES-11"): "not applicable",
    ("second_client/second.py:Second", "RES-10"): "passed",
}


@pytest.mark.parametrize(("client", "clause"), RULED, ids=[" ".join(pair) for pair in RULED])
def test_each_client_gets_the_ruling_that_it_deserves(client: str, clause: str, tmp_path: Path) -> None:
    told = run_quick(f"{TESTS / client}", tmp_path / "results", "--case", clause, narrowed=True)

    ruled = {v["ruling"] for v in told.verdicts if str(v["case"]).startswith(f"{clause}/")}
    assert ruled == {RULED[client, clause]}, told.out
