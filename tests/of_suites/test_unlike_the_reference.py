"""Correct clients that differ from the reference in one respect are right in the cases that it touches."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from kill_runs import run_quick

ADAPTERS = Path(__file__).parents[1] / "adapters"

#: Client -> the cases that it was once wrongly red in.
TOUCHED: dict[str, tuple[str, ...]] = {
    "small_clients.py:Numbered": ("MUX-11", "INIT-06", "SEC-06"),
    "small_clients.py:AsksHealth": (
        "ERR-01/refused-chat",
        "ERR-06/transport",
        "ERR-08",
        "SEC-01",
        "SEC-07",
        "RES-05",
    ),
    "small_clients.py:KeepsTheBody": ("ERR-04",),
    "small_clients.py:Persistent": ("RETRY-*", "ERR-06/status-503", "ERR-03"),
    "../strangers/adapters.py:reference_asks_info": ("ERR-07/connect",),
    "../strangers/adapters.py:reference_default_temperature": ("GEN-11",),
    "whole_seconds.py:WholeSeconds": (
        "ERR-06/timeout",
        "ERR-07",
        "STREAM-25",
        "RES-03/*",
        "RES-04/*",
        "RETRY-15/read-timeout",
    ),
    "other_model.py:OtherModel": ("REAL-02", "REAL-04", "*/persona-hosted-router"),
}


@pytest.mark.parametrize(("name", "cases"), TOUCHED.items())
def test_no_case_that_the_difference_touches_is_red(name: str, cases: Sequence[str], tmp_path: Path) -> None:
    chosen = [part for pattern in cases for part in ("--case", pattern)]
    told = run_quick(f"{ADAPTERS / name}", tmp_path / "results", *chosen)
    assert told.code == 0, told.out
