"""The reference client's request bodies: what goes out for what the caller gave."""

import base64
import copy
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_conformance.backends.reference import InvalidArgumentError, image_markdown, image_part
from tgi_conformance.backends.reference.calls import prepare
from tgi_conformance.backends.reference.images import image_url, mime_type
from tgi_conformance.backends.reference.messages import chat_messages
from tgi_conformance.backends.reference.settings import EndpointSettings

SETTINGS = EndpointSettings(base_url="http://h")
PNG = b"\x89PNG\r\n\x1a\n0000"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
HI = [{"role": "user", "content": "hi"}]


def sent(kind, subject, *, settings=SETTINGS, stream=False, **parameters):
    call = prepare(kind, subject, settings, stream=stream, parameters=parameters)
    return json.loads(call.outgoing.body)


def test_a_native_call_sends_the_prompt_and_asks_for_details_only():
    assert sent("generate", " x\u2028 ") == {"inputs": " x\u2028 ", "parameters": {"details": True}}


def test_the_root_route_says_that_it_wants_the_completion_only():
    root = EndpointSettings(base_url="http://h", native_route="/")
    body = sent("generate", "x", settings=root, stream=True)
    assert body["parameters"]["return_full_text"] is False
    assert body["stream"] is True
    assert prepare("generate", "x", root, parameters={}).outgoing.route == "/"


@pytest.mark.parametrize(
    ("kind", "subject", "stream", "route"),
    [
        ("generate", "x", False, "/generate"),
        ("generate", "x", True, "/generate_stream"),
        ("chat", HI, True, "/v1/chat/completions"),
        ("completions", "x", False, "/v1/completions"),
    ],
)
def test_each_kind_has_its_route_and_stream_flag(kind, subject, stream, route):
    call = prepare(kind, subject, SETTINGS, stream=stream, parameters={})
    assert call.outgoing.route == route
    flag = json.loads(call.outgoing.body).get("stream", False)
    assert flag is (stream and kind != "generate")


@pytest.mark.parametrize("value", [0, 0.0, False, "", [], {}])
def test_a_falsy_value_is_sent_and_none_is_left_out(value):
    for kind, subject in (("generate", "x"), ("chat", HI), ("completions", "x")):
        body = sent(kind, subject, some_option=value, other=None)
        home = body["parameters"] if kind == "generate" else body
        assert home["some_option"] == value
        assert "other" not in home


def test_temperature_zero_is_sent_on_chat_and_greedy_on_the_native_route():
    assert sent("chat", HI, temperature=0)["temperature"] == 0
    assert sent("generate", "x", temperature=0)["parameters"] == {"details": True, "do_sample": False}


@pytest.mark.parametrize("sampler", [{"top_p": 0.5}, {"top_k": 3}, {"do_sample": True}])
def test_greedy_and_sampling_together_are_refused_on_the_native_route(sampler):
    with pytest.raises(InvalidArgumentError, match="greedy"):
        sent("generate", "x", temperature=0.0, **sampler)


@pytest.mark.parametrize("value", [0, 64, 10**6])
def test_the_length_limit_takes_the_routes_name(value):
    assert sent("generate", "x", max_tokens=value)["parameters"]["max_new_tokens"] == value
    assert sent("chat", HI, max_new_tokens=value)["max_tokens"] == value
    body = sent("chat", HI, max_completion_tokens=value)
    assert body["max_completion_tokens"] == value
    assert "max_tokens" not in body


def test_two_names_of_one_limit_never_go_out_together():
    body = sent("chat", HI, max_tokens=5, max_completion_tokens=5)
    assert ("max_tokens" in body) + ("max_completion_tokens" in body) == 1
    with pytest.raises(InvalidArgumentError, match="differ"):
        sent("chat", HI, max_tokens=5, max_completion_tokens=6)


def test_stop_is_always_a_list_of_texts():
    assert sent("chat", HI, stop="\n")["stop"] == ["\n"]
    assert sent("generate", "x", stop=("a", "b"))["parameters"]["stop"] == ["a", "b"]
    with pytest.raises(InvalidArgumentError, match="stop"):
        sent("chat", HI, stop=[1])


@pytest.mark.parametrize("value", [math.nan, math.inf, [1, {"a": -math.inf}], b"x", "\ud83d", {1: "\udc00"}])
def test_what_json_cannot_hold_is_refused_before_sending(value):
    with pytest.raises(InvalidArgumentError, match="JSON"):
        sent("chat", HI, option=value)


def test_the_model_is_the_calls_then_the_endpoints_then_tgi():
    named = EndpointSettings(base_url="http://h", model="m")
    assert sent("chat", HI)["model"] == "tgi"
    assert sent("completions", "x", settings=named)["model"] == "m"
    assert sent("chat", HI, settings=named, model="other")["model"] == "other"


def test_a_stream_asks_for_usage_unless_the_caller_decides():
    assert sent("chat", HI, stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in sent("chat", HI)
    own = {"include_usage": False}
    assert sent("chat", HI, stream=True, stream_options=own)["stream_options"] == own


def test_empty_tools_are_left_out_and_tools_without_parameters_get_an_object():
    assert "tools" not in sent("chat", HI, tools=[])
    bare = {"type": "function", "function": {"name": "g"}}
    body = sent("chat", HI, tools=[TOOL, bare])
    assert body["tools"][0] == TOOL
    assert body["tools"][1]["function"]["parameters"] == {"type": "object", "properties": {}}
    with pytest.raises(InvalidArgumentError, match="response_format"):
        sent("chat", HI, tools=[TOOL], response_format={"type": "json_object", "value": {}})


def test_response_format_keeps_its_constraint_for_tgi():
    schema = {"name": "n", "schema": {"type": "object"}}
    body = sent("chat", HI, response_format={"type": "json_schema", "json_schema": schema})
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["value"] == schema
    assert "response_format" not in sent("chat", HI, response_format={"type": "text"})
    own = {"type": "json_object", "value": {"$defs": {"é": {}}}}
    assert sent("chat", HI, response_format=own)["response_format"] == own


def test_an_assistant_turn_with_tool_calls_has_no_text_beside_them():
    calls = [{"id": "0", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    (turn,) = chat_messages([{"role": "assistant", "content": "", "tool_calls": calls}])
    assert turn == {"role": "assistant", "content": None, "tool_calls": calls}
    text, turn = chat_messages([{"role": "assistant", "content": "first", "tool_calls": calls}])
    assert text == {"role": "assistant", "content": "first"}
    assert turn == {"role": "assistant", "content": None, "tool_calls": calls}


def test_nothing_of_the_callers_is_changed():
    messages = [{"role": "user", "content": [{"type": "image", "image": PNG}, {"type": "text", "text": "t"}]}]
    options = {"tools": [{"type": "function", "function": {"name": "g"}}], "stop": ["a"]}
    before = copy.deepcopy((messages, options))
    sent("chat", messages, **options)
    assert (messages, options) == before


json_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
plain_text = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": plain_text})))
def test_plain_messages_arrive_as_they_are(messages):
    assert sent("chat", messages)["messages"] == messages


@given(st.dictionaries(st.sampled_from(["seed", "top_k", "typical_p", "new_one"]), json_scalars))
def test_parameters_arrive_under_their_names_with_their_values(parameters):
    expected = {name: value for name, value in parameters.items() if value is not None}
    assert sent("generate", "x", **parameters)["parameters"] == {"details": True, **expected}


# images


@given(st.binary(max_size=300))
def test_bytes_become_a_data_url_that_decodes_to_the_same_bytes(image):
    head, _, payload = image_url(image).partition(";base64,")
    assert head.startswith("data:")
    assert ";" not in head
    assert base64.b64decode(payload, validate=True) == image


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_type_follows_the_bytes(image, name):
    assert mime_type(image) == name


def test_a_data_url_passes_and_a_web_url_is_safe_in_markdown(tmp_path):
    assert image_url("data:image/png;base64,AA==") == "data:image/png;base64,AA=="
    assert image_url("http://x/a_(1).png") == "http://x/a_(1%29.png"
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    assert image_url(file) == image_url(str(file)) == image_url(PNG)
    with pytest.raises(InvalidArgumentError, match="readable"):
        image_url(tmp_path / "none.png")


def test_images_keep_their_place_on_both_routes():
    parts = [{"type": "text", "text": "a"}, {"type": "image", "image": PNG}, {"type": "text", "text": "b"}]
    (message,) = sent("chat", [{"role": "user", "content": parts}])["messages"]
    assert message["content"] == [parts[0], image_part(PNG), parts[2]]
    assert sent("generate", ["a", PNG, "b"])["inputs"] == f"a{image_markdown(PNG)}b"
    detailed = {"type": "image_url", "image_url": {"url": "http://x/)", "detail": "low"}}
    (message,) = chat_messages([{"role": "user", "content": [detailed]}])
    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": "http://x/%29", "detail": "low"}}
    ]


# settings and ids


@pytest.mark.parametrize(
    "nonsense",
    [
        {"max_concurrent_requests": 0}, {"max_concurrent_requests": True}, {"queue_size": -1},
        {"max_retries": -1}, {"max_retries": 1.5}, {"initial_retry_delay": math.nan},
        {"initial_retry_delay": -1}, {"backoff_factor": 0}, {"max_retry_delay": math.inf}, {"timeout": 0},
        {"pool_size": 0}, {"queue_enabled": 1}, {"model": ""}, {"native_route": "/x"},
        {"api_key": "a\r\nX: 1"}, {"api_key": "a b"}, {"api_key": "é"}, {"base_url": "ftp://h"},
        {"base_url": "h:80"}, {"base_url": "http://u:p@h"}, {"base_url": "http://h/?q=1"},
    ],
)  # fmt: skip
def test_nonsense_settings_are_refused(nonsense):
    with pytest.raises(ValueError, match=next(iter(nonsense))):
        EndpointSettings(**{"base_url": "http://h", **nonsense})


@pytest.mark.parametrize(
    "given_url", ["http://h:1/gw", "http://h:1/gw/", "http://h:1/gw/v1", "http://h:1/gw/v1/"]
)
def test_every_form_of_a_base_url_reaches_the_same_route(given_url):
    assert EndpointSettings(base_url=given_url).url("/v1/completions") == "http://h:1/gw/v1/completions"


def test_the_key_does_not_show_and_an_empty_one_is_none():
    assert "hf_secret" not in repr(EndpointSettings(base_url="http://h", api_key="hf_secret"))
    assert EndpointSettings(base_url="http://h", api_key=" ").api_key is None


@pytest.mark.parametrize("request_id", ["a\r\nX-Evil: 1", "a\0", "", " a", "é"])
def test_a_request_id_that_no_header_holds_is_refused(request_id):
    with pytest.raises(InvalidArgumentError, match="request_id"):
        prepare("chat", HI, SETTINGS, request_id=request_id, parameters={})
