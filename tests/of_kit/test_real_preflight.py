"""What a look at an endpoint says of it: in words, before any case is run."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.plugin.real.preflight import Ask, Looked, Said, look

INFO = {"model_id": "google/t5-efficient-tiny", "version": "3.3.6-dev0"}
NOT_FOUND = Said(404, "text/plain", b"")


def said(value: JSON, status: int = 200) -> Said:
    return Said(status, "application/json", json.dumps(value).encode())


def asking(answers: Mapping[str, Said]) -> tuple[Ask, list[str]]:
    """What asks a server with these answers, by path; and what it was asked."""
    asked: list[str] = []

    def ask(method: str, path: str, body: JSON) -> Said:
        del body
        asked.append(f"{method} {path}")
        return answers.get(path, NOT_FOUND)

    return ask, asked


HEALTHY = {"/health": Said(200, "", b"")}


def looked(answers: Mapping[str, Said], model: str = "") -> tuple[Looked, list[str]]:
    ask, asked = asking(answers)
    return look(ask, model=model), asked


def test_a_tgi_tells_its_model_and_version_and_generates_nothing() -> None:
    found, asked = looked({**HEALTHY, "/info": said(INFO)})
    assert (found.problem, found.model, found.version) == ("", INFO["model_id"], INFO["version"])
    assert asked == ["GET /health", "GET /info"]


def test_another_model_than_the_one_that_was_named_is_a_remark() -> None:
    found, _ = looked({**HEALTHY, "/info": said(INFO)}, model="meta/other")
    assert found.problem == ""
    assert found.remarks == (f"the endpoint serves {INFO['model_id']}, and HF_MODEL_ID says meta/other",)


def test_behind_a_hosted_endpoint_one_generation_shows_that_it_is_one() -> None:
    found, asked = looked({"/generate": said([{"generated_text": "x"}])})
    assert found.problem == ""
    assert "POST /generate answers" in found.remarks[0]
    assert sum(line.startswith("POST") for line in asked) == 1


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (
            {"/health": Said(502, "text/plain", b"x cannot be reached: nobody listens there", "refused")},
            "nobody listens",
        ),
        (
            {"/health": Said(502, "text/plain", b"x: the name has no address", "name")},
            "the name has no address",
        ),
        ({"/health": Said(502, "text/plain", b"its certificate is not accepted", "tls")}, "certificate"),
        ({**HEALTHY, "/info": said({"error": "no"}, 401)}, "401: the key is not accepted (HF_API_KEY)"),
        ({**HEALTHY, "/info": said({"error": "no"}, 403)}, "403: the key is not accepted (HF_API_KEY)"),
        (
            {"/health": said({"error": "loading"}, 503)},
            "the model is still loading; --wait-ready S waits for it",
        ),
        (
            {"/health": Said(200, "text/html", b"<!doctype html>")},
            "a page for people (200): this is a gateway",
        ),
        ({"/health": Said(200, "", b"<html>")}, "a page for people (200)"),
        ({}, "nothing of TGI is at this path"),
        ({**HEALTHY, "/version": said({"version": "0.32.0"})}, "this looks like vLLM"),
        ({**HEALTHY, "/get_server_info": said({"model_path": "x"})}, "this looks like SGLang"),
        ({**HEALTHY, "/props": said({"default_generation_settings": {}})}, "this looks like llama.cpp"),
        (
            {**HEALTHY, "/v1/models": said({"object": "list", "data": [{"owned_by": "vllm"}]})},
            "this looks like vLLM",
        ),
        ({**HEALTHY, "/generate": said({"detail": "no"}, 422)}, "this is no TGI: GET /health (200)"),
        ({**HEALTHY, "/generate": said({"error": "no"}, 401)}, "POST /generate was answered 401"),
    ],
)
def test_what_is_in_the_way_is_said_in_words(answers: Mapping[str, Said], words: str) -> None:
    found, _ = looked(answers)
    assert words in found.problem


VLLM = {**HEALTHY, "/version": said({"version": "0.32.0"})}


def test_another_server_that_answers_chats_is_taken_where_that_is_asked_for() -> None:
    chats = {"/v1/chat/completions": said({"choices": [{"index": 0}]})}
    ask, asked = asking({**VLLM, **chats})
    refused, taken = look(ask), look(ask, any_server=True)
    assert "this looks like vLLM" in refused.problem
    assert "--any-server" in refused.problem
    assert (taken.problem, len(taken.remarks)) == ("", 1)
    assert "this looks like vLLM" in taken.remarks[0]
    assert [line for line in asked if line.startswith("POST")] == ["POST /v1/chat/completions"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (said({"message": "The model `tgi` does not exist."}, 404), "for the model tgi was answered 404"),
        (said({"message": "no"}, 401), "401: the key is not accepted"),
        (said({"object": "list"}), "for the model tgi was answered 200"),
    ],
)
def test_a_server_that_does_not_answer_chats_is_never_taken(answer: Said, words: str) -> None:
    ask, _ = asking({**VLLM, "/v1/chat/completions": answer})
    found = look(ask, any_server=True)
    assert words in found.problem
    assert "this looks like vLLM" in found.problem


def test_a_model_that_is_loading_is_waited_for_as_long_as_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    health = [said({}, 503), said({}, 503), Said(200, "", b"")]

    def ask(method: str, path: str, body: JSON) -> Said:
        del method, body
        return health.pop(0) if path == "/health" else said(INFO)

    assert look(ask, wait_ready=60.0).problem == ""
    assert len(slept) == 2


#: Recorded from genuine servers: vLLM 0.32.0, SGLang 0.5.23, llama-server b11434, and TGI's own routers.
SERVERS = json.loads(Path(__file__).with_name("other_servers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("server", "problem", "version"),
    [
        ("vllm", "this looks like vLLM, not like TGI", ""),
        ("sglang", "this looks like SGLang, not like TGI", ""),
        ("llama.cpp", "this looks like llama.cpp, not like TGI", ""),
        ("tgi-2.4.1", "", "2.4.1"),
        ("tgi-1.4.5", "", "1.4.5"),
        ("tgi-1.4.2", "", "1.4.2"),
    ],
)
def test_genuine_servers_are_told_apart(server: str, problem: str, version: str) -> None:
    recorded = SERVERS[server]

    def ask(method: str, path: str, body: JSON) -> Said:
        del body
        status, content_type, text = recorded.get(f"{method} {path}", [404, "", ""])
        return Said(status, content_type, text.encode())

    found = look(ask)
    assert found.problem.startswith(problem)
    assert bool(found.problem) == bool(problem)
    assert found.version.startswith(version)
