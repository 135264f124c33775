"""What the kit says of correct clients unlike the reference: nothing red (``adapters/small_clients.py``)."""

from pathlib import Path

import pytest
from kill_runs import Told, run_quick

CLIENTS = Path(__file__).parents[1] / "adapters" / "small_clients.py"
RED = ("failed", "untestable", "blocked", "kit-fault")
#: Played in profile default. What the others touch is in ``test_unlike_the_reference.py``.
RIGHT = ("Small", "LongIds", "PersistentUnbounded", "TriesAll", "Untold")


def _run(name: str, folder: Path, profile: str) -> Told:
    return run_quick(f"{CLIENTS}:{name}", folder / "results", "--profile", profile)


def _reds(told: Told) -> dict[str, str]:
    return {str(v["case"]): str(v.get("reason")) for v in told.verdicts if v["ruling"] in RED}


@pytest.mark.parametrize("name", RIGHT)
def test_a_correct_client_has_nothing_red(tmp_path: Path, name: str) -> None:
    told = _run(name, tmp_path, "default")

    assert _reds(told) == {}
    assert told.code == 0, told.out


def test_a_breaker_that_no_setting_reaches_reddens_no_case(tmp_path: Path) -> None:
    told = run_quick(
        f"{CLIENTS}:Breaks", tmp_path / "results", "--case", "RESP-10/chat-chunked-*", narrowed=True
    )

    assert _reds(told) == {}
    assert told.code == 0, told.out
    reasons = {str(v["reason"]) for v in told.verdicts if v["ruling"] == "not applicable"}
    assert "its circuit breaker, which no setting reaches, had opened after 5 failed calls" in reasons


def test_a_slow_client_has_nothing_red_and_is_told_what_was_left_out(tmp_path: Path) -> None:
    told = _run("SlowToSend", tmp_path, "quick")

    assert _reds(told) == {}
    assert told.code == 0, told.out
    assert "left out for time" in told.out


def test_look_ups_beyond_this_machine_are_one_red(tmp_path: Path) -> None:
    told = _run("LooksUp", tmp_path, "quick")

    assert list(_reds(told)) == ["REAL-01/run-wide"]
    assert told.code == 1, told.out


def test_a_chat_that_is_a_native_call_is_told_once_and_judged_as_no_chat(tmp_path: Path) -> None:
    told = _run("ChatsAsText", tmp_path, "quick")

    reds = _reds(told)
    assert "it was sent to /generate, the route of a native call" in reds["DECL-01/healthy-chat"]
    of_chat = [v for v in told.verdicts if v["ruling"] == "blocked"]
    assert of_chat
    assert {v["blocked_by"] for v in of_chat} == {"DECL-01/healthy-chat"}
    assert "kit-fault" not in {v["ruling"] for v in told.verdicts}
    assert told.results["chat_method"] == "Failed"
