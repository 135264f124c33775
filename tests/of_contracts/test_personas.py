"""The personas: what each server generation does differently from TGI 3.3."""

import json
from collections.abc import Iterator
from typing import Final, get_args

import pytest
from raw_http import Answered, ask

from tgi_conformance.contracts.journal import generates, route_of
from tgi_conformance.contracts.script import (
    Chaos,
    Fate,
    Generation,
    Limits,
    Persona,
    Reply,
    Script,
    ScriptedToolCall,
    Server,
    TokenBucket,
    always,
    answer,
    failing,
)
from tgi_conformance.contracts.sse import SSEDecoder
from tgi_conformance.contracts.tgi.info import ROUTES
from tgi_conformance.contracts.tgi.personas import PERSONAS
from tgi_conformance.fake_server.client import FakeServer, Space, received
from tgi_conformance.suites.shapes.calls import NATIVE
from tgi_conformance.suites.shapes.personas import dressed, model_served

MODEL: Final = "lab/tiny"
CHAT: Final = {"messages": [{"role": "user", "content": "Hi"}]}
CALL: Final = Reply(tgi=Generation(tool_calls=(ScriptedToolCall(name="get_time", arguments={"tz": "UTC"}),)))
TOOLS: Final = {
    "tools": [{"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}]
}


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeServer]:
    with FakeServer.start() as server:
        yield server


def opened(fake: FakeServer, persona: Persona, *replies: Reply, **settings: object) -> Space:
    server = Server(model_id=MODEL, **settings)  # type: ignore[arg-type]
    return fake.space(Script(persona=persona, server=server, replies=replies), keys={"A": "hf_key"})


def chat(space: Space, **fields: object) -> Answered:
    return ask(space.base_url, "/v1/chat/completions", {**CHAT, **fields})


def events(got: Answered) -> list[str]:
    return [event.data for event in SSEDecoder().feed(got.body)]


def values(got: Answered) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(event) for event in events(got) if event != "[DONE]"]


def test_each_persona_of_the_script_is_a_row_of_the_table() -> None:
    assert set(PERSONAS) == set(get_args(Persona))


@pytest.mark.parametrize("persona", get_args(Persona))
def test_each_persona_answers_a_chat_and_a_stream(fake: FakeServer, persona: Persona) -> None:
    with opened(fake, persona, always(answer(" one two"))) as space:
        assert json.loads(chat(space).body)["choices"][0]["message"]["content"] == " one two"
        text = "".join(
            choice["delta"].get("content") or ""
            for value in values(chat(space, stream=True))
            for choice in value["choices"]
        )
        assert text.removesuffix("</s>") == " one two"


# --- TGI 1.4 ------------------------------------------------------------------------------------------


def test_tgi_1_4_writes_data_without_a_blank_and_ends_without_done(fake: FakeServer) -> None:
    with opened(fake, "tgi-1.4", always(answer(" one"))) as space:
        got = chat(space, stream=True)
        assert got.body.startswith(b'data:{"id":"","object":"text_completion"')
        assert "[DONE]" not in events(got)
        last = values(got)[-1]
        assert last["choices"][0] == {
            "index": 0,
            "delta": {"role": "assistant", "content": "</s>"},
            "logprobs": None,
            "finish_reason": "eos_token",
        }
        assert "usage" not in last


def test_tgi_1_4_calls_a_chat_a_text_completion_that_ends_with_eos_token(fake: FakeServer) -> None:
    with opened(fake, "tgi-1.4", always(answer(" one"))) as space:
        body = json.loads(chat(space).body)
        assert list(body)[:2] == ["id", "object"]
        assert body["object"] == "text_completion"
        assert body["choices"][0]["finish_reason"] == "eos_token"
        assert body["system_fingerprint"] == "1.4.2-native"


def test_tgi_1_4_has_not_the_later_routes_and_details(fake: FakeServer) -> None:
    with opened(fake, "tgi-1.4") as space:
        assert ask(space.base_url, "/v1/completions", {"prompt": "x"}).status == 404
        assert ask(space.base_url, "/v1/models", method="GET").status == 404
        info = json.loads(ask(space.base_url, "/info", method="GET").body)
        assert "max_input_length" in info
        assert "max_input_tokens" not in info
        asked = {"inputs": "x", "parameters": {"details": True}}
        last = values(ask(space.base_url, "/generate_stream", asked))[-1]
        assert "input_length" not in last["details"]


# --- TGI 2.x ------------------------------------------------------------------------------------------


def test_tgi_2_has_tool_arguments_as_an_object(fake: FakeServer) -> None:
    with opened(fake, "tgi-2", always(CALL)) as space:
        message = json.loads(chat(space, **TOOLS).body)["choices"][0]["message"]
        assert message["tool_calls"][0]["function"]["arguments"] == {"tz": "UTC"}


def test_tgi_2_streams_a_call_as_one_unnamed_object_of_raw_text(fake: FakeServer) -> None:
    with opened(fake, "tgi-2", always(CALL)) as space:
        got = chat(space, stream=True, **TOOLS)
        deltas = [value["choices"][0]["delta"]["tool_calls"] for value in values(got)]
        assert {(delta["id"], delta["function"]["name"]) for delta in deltas} == {("", None)}
        raw = "".join(delta["function"]["arguments"] for delta in deltas)
        assert json.loads(raw.removesuffix("</s>")) == {"function": {"_name": "get_time", "tz": "UTC"}}
        assert events(got)[-1] == "[DONE]"


# --- a proxy of OpenAI's form -------------------------------------------------------------------------


def test_the_proxy_has_openais_routes_only_and_no_tgi_headers(fake: FakeServer) -> None:
    with opened(fake, "openai-proxy") as space:
        for path in set(ROUTES) - {"/v1/chat/completions", "/v1/completions", "/v1/models", "/health"}:
            assert ask(space.base_url, path).status == 404
        assert not [name for name in chat(space).names if name.startswith("x-")]


def test_the_proxy_streams_like_openai_after_a_comment(fake: FakeServer) -> None:
    with opened(fake, "openai-proxy", always(answer(" one"))) as space:
        got = chat(space, stream=True)
        assert got.body.startswith(b": PROCESSING\n\n")
        deltas = [value["choices"][0]["delta"] for value in values(got)]
        assert deltas == [{"role": "assistant", "content": ""}, {"content": " one"}, {}]
        assert values(got)[-1]["choices"][0]["finish_reason"] == "stop"
        assert values(got)[0]["id"].startswith("chatcmpl-")


def test_the_proxy_takes_what_openai_takes(fake: FakeServer) -> None:
    with opened(fake, "openai-proxy") as space:
        fields = {"stop": "x", "temperature": 0, "top_p": 1.0, "response_format": {"type": "text"}}
        assert chat(space, **fields).status == 200


@pytest.mark.parametrize(
    ("error_type", "status"), [("conflict", 409), ("timeout", 408), ("overloaded", 429), ("validation", 400)]
)
def test_the_proxy_tells_errors_in_openais_form(fake: FakeServer, error_type: str, status: int) -> None:
    with opened(fake, "openai-proxy", always(failing("no", error_type))) as space:
        got = chat(space)
        assert got.status == status
        assert set(json.loads(got.body)["error"]) == {"message", "type", "param", "code"}


def test_the_proxy_hides_a_failing_server_behind_a_page(fake: FakeServer) -> None:
    with opened(fake, "openai-proxy", always(failing("no memory"))) as space:
        got = chat(space)
        assert (got.status, got.header("content-type")) == (502, "text/html; charset=utf-8")
        assert b"<h1>502 Bad Gateway</h1>" in got.body


def test_the_proxy_says_401_in_json(fake: FakeServer) -> None:
    with opened(fake, "openai-proxy", check_key=True) as space:
        got = chat(space)
        assert (got.status, json.loads(got.body)["error"]["code"]) == (401, "invalid_api_key")


# --- the hosted router --------------------------------------------------------------------------------


def test_limits_chaos_and_conditions_hold_for_the_route_of_a_model(fake: FakeServer) -> None:
    busy = Limits(bucket=TokenBucket(capacity=1, per_second=0.01))
    script = Script(persona="hosted-router", server=Server(model_id=MODEL), limits=busy)
    with fake.space(script) as space:
        statuses = [ask(space.base_url, f"/models/{MODEL}", {"inputs": "Hi"}).status for _ in range(2)]
        assert statuses == [200, 429]
        assert space.wait(received(2), timeout=5).exchanges[-1].reply == "limit:bucket"
        assert len(space.journal().generations) == 2
    torn = Chaos(fates=(Fate(name="always", weight=1.0, reply=failing("no")),))
    script = Script(persona="hosted-router", server=Server(model_id=MODEL), chaos=torn)
    with fake.space(script) as space:
        assert ask(space.base_url, f"/models/{MODEL}", {"inputs": "Hi"}).status == 424
        assert space.journal().exchanges[-1].reply == "chaos:always"


def test_the_router_serves_the_native_form_under_the_models_name(fake: FakeServer) -> None:
    with opened(fake, "hosted-router", always(answer(" yes"))) as space:
        got = ask(space.base_url, f"/models/{MODEL}", {"inputs": "Say it"})
        assert json.loads(got.body) == [{"generated_text": "Say it yes"}]
        assert ask(space.base_url, "/models/other/one", {"inputs": "x"}).status == 404
    with opened(fake, "hosted-router") as space:
        for path in ("/", "/generate", "/generate_stream"):
            assert ask(space.base_url, path, {"inputs": "x"}).status == 404


def test_the_router_routes_by_model(fake: FakeServer) -> None:
    with opened(fake, "hosted-router") as space:
        assert chat(space, model=MODEL).status == 200
        got = chat(space, model="other/one")
        assert (got.status, json.loads(got.body)) == (404, {"error": "Model other/one not found"})


def test_the_router_says_how_long_a_model_will_load(fake: FakeServer) -> None:
    loading = failing(f"Model {MODEL} is currently loading", "loading")
    with opened(fake, "hosted-router", always(loading)) as space:
        got = ask(space.base_url, f"/models/{MODEL}", {"inputs": "x"})
        assert got.status == 503
        told = {"error": f"Model {MODEL} is currently loading", "estimated_time": 20.0}
        assert json.loads(got.body) == told
        assert chat(space, stream=True).status == 503


def test_each_answer_of_the_router_has_a_request_id_of_its_own(fake: FakeServer) -> None:
    with opened(fake, "hosted-router") as space:
        ids = {chat(space).header("x-request-id") for _ in range(5)}
        assert len(ids) == 5
        assert None not in ids


def test_tgi_3_3_has_none_of_it(fake: FakeServer) -> None:
    with opened(fake, "tgi-3.3") as space:
        assert chat(space).header("x-request-id") is None
        assert ask(space.base_url, f"/models/{MODEL}", {"inputs": "x"}).status == 404


def test_the_place_of_a_model_is_the_root_route_to_whoever_reads_a_request() -> None:
    assert generates("/models/lab/tiny")
    assert [route_of(path) for path in ("/models/lab/tiny", "/", "/generate/", "/v1/models")] == [
        "/",
        "/",
        "/generate",
        "/v1/models",
    ]
    place = f"/models/{model_served('hosted-router')}"
    assert dressed(NATIVE, "hosted-router").plain_paths == (place,)
    assert dressed(NATIVE, "tgi-2").plain_paths == NATIVE.plain_paths
