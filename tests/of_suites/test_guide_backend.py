"""The to-do list of docs/ipfs-accelerate.md on a stand-in: each change turns its keys, all turn the map."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from kill_runs import Told, run_quick

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS

STAND_IN = Path(__file__).parents[1] / "stand_ins" / "guide_backend"
ADAPTERS = "tgi_conformance.backends.published.hf_tgi_adapter"
AS_IT_IS, CHATS, ENDPOINTS = (f"{ADAPTERS}:{face}" for face in ("Adapter", "ChatAdapter", "EndpointsAdapter"))
MENDED = f"{STAND_IN / 'mended_adapter.py'}:Mended"
RED = ("failed", "blocked", "untestable", "kit-fault")
#: Key -> the mistakes of the stand-in that are to be mended for it, as the page names them.
CHANGES = {
    "multiplexing_endpoint_creation": ("key", "unknown", "retries"),
    "usage_statistics": ("stats", "answers", "events"),
    "queue_enabled": (),
    "request_queue": ("bound", "errors"),
    "max_concurrent_requests": ("slots",),
    "current_requests": ("count", "answers", "events"),
    "max_retries": (),
    "initial_retry_delay": (),
    "backoff_factor": (),
    "queue_processing": ("answers", "errors"),
    "endpoint_handler": ("host",),
    "test_endpoint": ("probe", "answers"),
    "test_endpoint_params": ("probe", "key", "body", "events", "errors"),
    "post_request": ("body", "answers", "events", "errors"),
    "post_request_headers": ("key",),
    "request_id_tracking": ("ids", "errors"),
    "chat_method": ("chat",),
    "streaming": ("events", "errors", "answers", "retries"),
    "error_handling_auth": ("errors",),
    "error_handling_rate_limit": ("retries", "errors", "events"),
    "error_handling_400": ("retries", "errors", "answers", "events"),
    "image_processing": ("chat", "errors", "retries"),
}
#: Keys that are ``Success`` as the backend is.
RIGHT = ("queue_enabled", "max_retries", "initial_retry_delay", "backoff_factor")
#: What the guide gives to ``create_endpoint`` has no effect; the clauses that say so.
SETTINGS = ("--case", "MUX-06", "--case", "RETRY-01/always-0-429")


def run(backend: str, folder: Path, mended: str, *words: str) -> Told:
    given = [f"PYTHONPATH={STAND_IN}{os.pathsep}", f"HF_TGI_MENDED={mended}"]
    options = [word for each in given for word in ("--backend-env", each)]
    return run_quick(backend, folder, "--server", "hosted-router", *options, *words, narrowed=bool(words))


def reds(told: Told, keys: Iterable[str] = RESULTS_KEYS) -> dict[str, str]:
    """What fails these keys, and why."""
    return {
        str(verdict["case"]): str(verdict.get("reason"))
        for verdict in told.verdicts
        if verdict["ruling"] in RED
        and verdict.get("level", "MUST") == "MUST"
        and verdict["results_key"] in keys
    }


def cases_of(key: str) -> list[str]:
    """The options that name the clauses of a key."""
    clauses = [clause.id for clause in load_catalogue() if clause.results_key == key]
    return [word for clause in clauses for word in ("--case", clause)]


def test_the_list_has_all_keys() -> None:
    assert tuple(CHANGES) == RESULTS_KEYS


def test_as_it_is_most_keys_are_failed(tmp_path: Path) -> None:
    told = run(AS_IT_IS, tmp_path / "results", "")

    right = [key for key in RESULTS_KEYS if told.results.get(key) == "Success"]
    assert told.code == 1, told.out
    # One case for a clause: what a property alone would find is not found, and what is demanded is not asked.
    assert set(RIGHT) <= set(right) <= {*RIGHT, "chat_method", "queue_processing"}
    assert "kit-fault" not in {verdict["ruling"] for verdict in told.verdicts}


def test_with_all_changes_the_map_is_green(tmp_path: Path) -> None:
    told = run(MENDED, tmp_path / "results", "all")

    assert reds(told) == {}
    assert {key: told.results.get(key) for key in RESULTS_KEYS} == dict.fromkeys(RESULTS_KEYS, "Success")


@pytest.mark.parametrize("key", [key for key in RESULTS_KEYS if CHANGES[key]])
def test_the_changes_of_a_key_turn_it(key: str, tmp_path: Path) -> None:
    told = run(MENDED, tmp_path / "results", ",".join(CHANGES[key]), *cases_of(key))

    assert reds(told, [key]) == {}
    ruled = {str(verdict["clause"]) for verdict in told.verdicts if verdict["ruling"] == "passed"}
    assert ruled & {clause.id for clause in load_catalogue() if clause.results_key == key}


def test_settings_that_are_given_to_an_endpoint_have_no_effect_until_they_are_mended(tmp_path: Path) -> None:
    told = run(ENDPOINTS, tmp_path / "wrong", "", *SETTINGS)
    assert "max_retries" in {verdict["results_key"] for verdict in told.verdicts if verdict["ruling"] in RED}

    mended = run(ENDPOINTS, tmp_path / "right", "settings,errors,retries", *SETTINGS)
    assert reds(mended, ["max_retries"]) == {}


def test_a_chat_that_is_a_native_call_is_told_as_that(tmp_path: Path) -> None:
    told = run(CHATS, tmp_path / "results", "", "--case", "REQ-03", "--case", "IMG-01")

    blocked = {str(verdict["reason"]) for verdict in told.verdicts if verdict["ruling"] == "blocked"}
    sent = "it was sent to /models/google/t5-efficient-tiny, the route of a native call"
    assert blocked
    assert [reason for reason in blocked if sent not in reason] == []
