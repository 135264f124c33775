"""What the kit says of correct clients unlike the reference: nothing red (``adapters/small_clients.py``)."""

from pathlib import Path

import pytest
from kill_runs import Told, run_quick

CLIENTS = Path(__file__).parents[1] / "adapters" / "small_clients.py"
RED = ("failed", "untestable", "blocked", "kit-fault")
#: Played in profile default; the slow ones would take minutes.
QUICK_ENOUGH = (
    "Small",
    "Numbered",
    "LongIds",
    "Persistent",
    "PersistentUnbounded",
    "TriesAll",
    "Untold",
    "AsksHealth",
)
SLOW = ("SlowToSend", "SlowToStart", "SlowToReturn")


def _run(name: str, folder: Path, profile: str) -> Told:
    return run_quick(f"{CLIENTS}:{name}", folder / "results", "--profile", profile)


def _reds(told: Told) -> dict[str, str]:
    return {str(v["case"]): str(v.get("reason")) for v in told.verdicts if v["ruling"] in RED}


@pytest.mark.parametrize("name", QUICK_ENOUGH)
def test_a_correct_client_has_nothing_red(tmp_path: Path, name: str) -> None:
    told = _run(name, tmp_path, "default")

    assert _reds(told) == {}
    assert told.code == 0, told.out


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_client_has_nothing_red(tmp_path: Path, name: str) -> None:
    told = _run(name, tmp_path, "quick")

    assert _reds(told) == {}
    assert told.code == 0, told.out
