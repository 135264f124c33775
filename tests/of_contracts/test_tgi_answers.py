"""TGI's answer forms as pure functions: what the recordings do not show one by one."""

import json

import pytest

from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Generation, ScriptedToolCall, Server, StreamError
from tgi_conformance.contracts.tgi.answers.bodies import Stamp, plain_answer
from tgi_conformance.contracts.tgi.answers.generated import made, split_tokens
from tgi_conformance.contracts.tgi.answers.streams import next_tool_id, stream_data
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest, RouteKind, request_of
from tgi_conformance.contracts.tgi.requests.decoding import BodyError, decode
from tgi_conformance.contracts.tgi.requests.validation import refusal, validate

STAMP = Stamp(created=7, model="m")


def asked(route: RouteKind, **fields: JSON) -> GenerationRequest:
    body: dict[str, JSON] = {
        "chat": {"messages": [{"role": "user", "content": "Say it"}]},
        "completions": {"prompt": "Say it"},
    }.get(route, {"inputs": "Say it"})
    return request_of(route, decode(route, json.dumps({**body, **fields}).encode(), "application/json"))


def events(generation: Generation, request: GenerationRequest) -> list[JSON]:
    frames = stream_data(generation, request, STAMP)
    return [frame if frame == "[DONE]" else json.loads(frame) for frame in frames]


@pytest.mark.parametrize("text", ["", " ", "a", " a  b\n\nc ", "é\u2028 x", "data: [DONE]\n\n"])
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text


def test_the_end_token_is_counted_and_special_and_not_in_the_text() -> None:
    one = made(Generation(text=" a b"), asked("generate"))
    assert [token.text for token in one.tokens] == [" a", " b", "</s>"]
    assert (one.text, one.completion_tokens, one.tokens[-1].special) == (" a b", 3, True)


def test_without_the_end_token_the_last_token_carries_the_text() -> None:
    last = events(Generation(text=" a b", finish_reason="length"), asked("generate_stream"))[-1]
    assert isinstance(last, dict)
    assert last["generated_text"] == " a b"
    assert last["token"]["text"] == " b"


@pytest.mark.parametrize(
    ("route", "plain", "streamed"),
    [("chat", "stop", "stop"), ("completions", "stop", "eos_token"), ("generate", "eos_token", "eos_token")],
)
def test_each_route_has_its_own_names_for_the_end(route: RouteKind, plain: str, streamed: str) -> None:
    generation = Generation(text="x")
    if route == "generate":
        request = asked("generate", parameters={"details": True})
        assert plain_answer(generation, request, STAMP)["details"]["finish_reason"] == plain
        return
    body = plain_answer(generation, asked(route), STAMP)
    assert body["choices"][0]["finish_reason"] == plain
    assert events(generation, asked(route, stream=True))[-2]["choices"][0]["finish_reason"] == streamed


def test_a_stop_string_keeps_its_native_name_on_chat() -> None:
    body = plain_answer(Generation(text="x", finish_reason="stop_sequence"), asked("chat"), STAMP)
    assert body["choices"][0]["finish_reason"] == "stop_sequence"


def test_usage_is_what_the_script_says() -> None:
    body = plain_answer(Generation(text="x", prompt_tokens=0, completion_tokens=9), asked("chat"), STAMP)
    assert body["usage"] == {"prompt_tokens": 0, "completion_tokens": 9, "total_tokens": 9}


def test_chat_streams_usage_only_when_asked_and_completions_always() -> None:
    generation = Generation(text="x")
    assert all(event["usage"] is None for event in events(generation, asked("chat", stream=True))[:-1])
    wanted = asked("chat", stream=True, stream_options={"include_usage": True})
    assert events(generation, wanted)[-2]["choices"] == []
    assert "usage" in events(generation, asked("completions", stream=True))[-2]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_error_in_a_stream_comes_after_its_tokens_in_the_form_of_the_route(at: int) -> None:
    generation = Generation(text=" a b c", error=StreamError(message="boom", at=at))
    native = events(generation, asked("generate_stream"))
    assert len(native) == at + 1
    assert native[-1] == {"error": "boom", "error_type": "generation"}
    chat = events(generation, asked("chat", stream=True))
    assert chat[at:] == [{"error": {"message": "boom", "http_status_code": 422}}, "[DONE]"]


def test_the_root_route_wraps_its_plain_answer_and_gives_the_prompt_back() -> None:
    generation = Generation(text=" yes")
    assert plain_answer(generation, asked("compat"), STAMP) == [{"generated_text": "Say it yes"}]
    bare = asked("compat", parameters={"return_full_text": False})
    assert plain_answer(generation, bare, STAMP) == [{"generated_text": " yes"}]
    assert isinstance(events(generation, asked("compat", stream=True))[0], dict)


def test_choices_of_several_prompts_carry_their_index_in_whatever_order() -> None:
    request = asked("completions", prompt=["one", "two", "three"])
    choices = plain_answer(Generation(echo=True), request, STAMP)["choices"]
    assert {choice["index"]: choice["text"] for choice in choices} == {
        0: "echo: one",
        1: "echo: two",
        2: "echo: three",
    }
    assert [choice["index"] for choice in choices] != [0, 1, 2]


def test_an_echo_says_the_last_user_message() -> None:
    turns: JSON = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "so"},
        {"role": "user", "content": [{"type": "text", "text": "last"}]},
    ]
    body = plain_answer(Generation(echo=True), asked("chat", messages=turns), STAMP)
    assert body["choices"][0]["message"]["content"] == "echo: last"


def test_fragments_of_a_tool_call_join_to_its_arguments() -> None:
    call = ScriptedToolCall(name="f", arguments={"a": "x y", "b": [1, {"c": None}], "é": "ü"})
    stream = events(Generation(tool_calls=(call,)), asked("chat", stream=True))
    deltas = [event["choices"][0]["delta"]["tool_calls"][0] for event in stream[:-1]]
    assert json.loads("".join(delta["function"]["arguments"] for delta in deltas)) == call.arguments
    assert [delta["function"]["name"] for delta in deltas] == ["f", *[None] * (len(deltas) - 1)]
    assert {delta["id"] for delta in deltas} == {"0"}
    assert all(event["choices"][0]["finish_reason"] is None for event in stream[:-1])


@pytest.mark.parametrize(("earlier", "expected"), [((), "0"), (("0",), "1"), (("3", "1"), "4")])
def test_ids_of_streamed_calls_count_on(earlier: tuple[str, ...], expected: str) -> None:
    assert next_tool_id(earlier, 0, "f") == expected


def test_an_earlier_id_that_does_not_count_makes_a_uuid() -> None:
    assert len(next_tool_id(("call_abc",), 0, "f")) == 36


def test_a_lone_surrogate_is_escaped() -> None:
    assert dumps({"a": "\ud800é"}) == '{"a":"\\ud800\\u00e9"}'
    assert dumps({"a": "é"}) == '{"a":"é"}'


def test_several_mistakes_are_reported_in_the_routers_order() -> None:
    request = asked("generate", inputs="", parameters={"temperature": -1, "top_p": 2, "stop": ["a"] * 9})
    error = validate(request, Server())
    assert error is not None
    assert error.message == "Input validation error: `temperature` must be strictly positive"


def test_temperature_zero_is_refused_natively_and_greedy_on_the_openai_routes() -> None:
    assert validate(asked("generate", parameters={"temperature": 0}), Server()) is not None
    for route in ("chat", "completions"):
        request = asked(route, temperature=0)
        assert validate(request, Server()) is None
        assert not request.parameters.samples


def test_an_unknown_forced_function_is_refused_before_the_stream() -> None:
    tool: JSON = {"type": "function", "function": {"name": "f", "parameters": {}}}
    choice = {"type": "function", "function": {"name": "nope"}}
    request = asked("chat", stream=True, tools=[tool], tool_choice=choice)
    error = refusal(request, Server())
    assert error is not None
    assert (error.message, error.in_stream) == ("Tool error: Tool with name nope not found", False)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b'{"inputs":', 400),
        (b'{"inputs":"\\ud83d"}', 400),
        (b'{"inputs":"\xff"}', 400),
        (b'{"inputs":"a","parameters":{"temperature":Infinity}}', 400),
        (b'{"inputs":"a\nb"}', 400),
        (b'{"inputs":"x","inputs":"y"', 422),
        (b"[]", 422),
        (b"7", 422),
        (b'{"inputs":"a","parameters":null}', 422),
        (b'{"inputs":"a","parameters":{"seed":18446744073709551616}}', 422),
    ],
)
def test_bad_bodies_are_refused_in_plain_text(body: bytes, status: int) -> None:
    with pytest.raises(BodyError) as refused:
        decode("generate", body, "application/json")
    assert (refused.value.error.status, refused.value.error.error_type) == (status, None)


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-ndjson", "application/jsonp"]
)
def test_another_content_type_is_415(content_type: str | None) -> None:
    with pytest.raises(BodyError) as refused:
        decode("generate", b'{"inputs":"x"}', content_type)
    assert refused.value.error.status == 415


def test_a_seed_beyond_double_precision_is_kept() -> None:
    value = decode(
        "generate", b'{"inputs":"x","parameters":{"seed":18446744073709551615}}', "application/json"
    )
    assert request_of("generate", value).parameters.seed == 2**64 - 1
