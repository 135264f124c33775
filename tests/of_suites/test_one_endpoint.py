"""A backend that holds one endpoint at a time is judged on its own, not on what a probe left behind."""

from pathlib import Path

from kill_runs import run_quick

ADAPTER = Path(__file__).parents[1] / "adapters" / "one_endpoint.py"


def test_a_probe_does_not_take_the_cases_endpoint_away(tmp_path: Path) -> None:
    # The first case of a process is the one that would meet the probe between its endpoint and its call.
    told = run_quick(f"{ADAPTER}:OneEndpoint", tmp_path / "results", "--case", "INIT-04/chat")
    assert told.code == 0, told.out
    assert "Conforms" in told.out
