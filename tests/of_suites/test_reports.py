"""What counts as a report of an event that was passed over (``suites/areas/reports.py``)."""

from pathlib import Path

import pytest
from kill_runs import run_quick

CLIENTS = Path(__file__).parents[1] / "adapters" / "skips_events.py"


@pytest.mark.parametrize(
    ("name", "ruling"),
    [("Silent", "advisory"), ("Logs", "passed"), ("Warns", "passed"), ("Prints", "passed")],
)
def test_a_report_of_any_kind_is_one(tmp_path: Path, name: str, ruling: str) -> None:
    told = run_quick(f"{CLIENTS}:{name}", tmp_path, "--case", "STREAM-32/chat", narrowed=True)

    ruled = {str(verdict["case"]): verdict["ruling"] for verdict in told.verdicts}
    assert ruled["STREAM-32/chat"] == ruling, told.out
