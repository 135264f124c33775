"""What stands between TGI and the model: tool output, grammars, images, stopping, tokens, the toy model."""

import json

import pytest

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.examples import example
from tgi_conformance.contracts.schema.registry import build_validator
from tgi_conformance.contracts.script import Generation, Server
from tgi_conformance.contracts.tgi.answers.bodies import Stamp, plain_answer
from tgi_conformance.contracts.tgi.answers.streams import stream_data
from tgi_conformance.contracts.tgi.answers.tool_output import (
    ToolOutputError,
    argument_pieces,
    call_text,
    parse_call,
    picks_no_tool,
)
from tgi_conformance.contracts.tgi.answers.toy import toy_generation
from tgi_conformance.contracts.tgi.info import ROUTES
from tgi_conformance.contracts.tgi.metrics import METRICS, exposition, number_text, observed
from tgi_conformance.contracts.tgi.openapi import openapi
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest, request_of
from tgi_conformance.contracts.tgi.requests.decoding import decode
from tgi_conformance.contracts.tgi.requests.grammar import grammar_problem
from tgi_conformance.contracts.tgi.requests.images import base64_problem, image_problem
from tgi_conformance.contracts.tgi.requests.validation import refusal
from tgi_conformance.contracts.tgi.stopping import stopped
from tgi_conformance.contracts.tgi.tokens import count_tokens, tokenize

STAMP = Stamp(0, "m")
TOOL: JSON = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}},
}


def asked(**fields: JSON) -> GenerationRequest:
    body = {"messages": [{"role": "user", "content": "Hi"}], **fields}
    return request_of("chat", decode("chat", json.dumps(body).encode(), "application/json"))


# --- tool output --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (" Deep", 'expected value at line 1 column 2 " Deep"'),
        ('{"function": {"_name": "f",', 'EOF while parsing a value at line 1 column 27 "{\\"function\\"'),
        ("", 'EOF while parsing a value at line 1 column 0 ""'),
        ("{}", 'missing field `function` at line 1 column 2 "{}"'),
        ('{"function": {}}', "missing field `_name` at line 1 column 15"),
        ("[]", "invalid length 0, expected struct Call with 1 element"),
        ('{"function": {"_name": "f"}} x', "trailing characters at line 1 column 30"),
    ],
)
def test_a_text_that_is_no_call_is_refused_in_serdes_words(text: str, problem: str) -> None:
    with pytest.raises(ToolOutputError) as caught:
        parse_call(text)
    assert caught.value.error.status == 422
    assert caught.value.error.message.startswith(f"Tool error: Failed to parse generated text: {problem}")


@pytest.mark.parametrize("arguments", [{}, {"a": 1}, {"a": {"b": "}}"}, "c": [1, "x y"]}])
def test_a_call_survives_its_text_and_its_stream(arguments: dict[str, JSON]) -> None:
    tokens = call_text("f", arguments)
    assert parse_call("".join(tokens)).arguments == arguments
    pieces = list(argument_pieces(tokens))
    assert [piece.name for piece in pieces] == ["f"] + [None] * (len(pieces) - 1)
    assert json.loads("".join(piece.text for piece in pieces)) == arguments


def test_a_stream_says_nothing_of_a_text_that_is_no_call() -> None:
    assert list(argument_pieces((" Deep", " learning"))) == []
    generation = Generation(tokens=(" Deep",), tool_output=True)
    assert stream_data(generation, asked(tools=[TOOL], stream=True), STAMP) == ["[DONE]"]


def test_no_tool_is_asked_again_without_tools() -> None:
    assert picks_no_tool(call_text("no_tool", {}))
    request = asked(tools=[TOOL], logprobs=True)
    body = plain_answer(Generation(text=" two words"), request, STAMP)
    choice = body["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": " two words"}
    # Logprobs and completion_tokens are the first generation's, prompt_tokens the second's.
    assert "".join(item["token"] for item in choice["logprobs"]["content"]).startswith('{"function"')
    assert body["usage"]["completion_tokens"] == len(choice["logprobs"]["content"])
    assert body["usage"]["prompt_tokens"] == count_tokens(request.plain_prompt, special=False)


def test_a_cut_call_carries_its_finish_on_the_last_chunk() -> None:
    generation = Generation(tokens=call_text("f", {"a": 1})[:4], finish_reason="length", tool_output=True)
    frames = stream_data(generation, asked(tools=[TOOL], stream=True), STAMP)
    assert json.loads(frames[-2])["choices"][0]["finish_reason"] == "length"


def test_a_grammar_and_tools_exclude_one_another() -> None:
    grammar: JSON = {"type": "json", "value": {"properties": {}}}
    for tools, choice in (([TOOL], "auto"), ([TOOL], "none"), ([], "required")):
        refused = refusal(asked(tools=tools, tool_choice=choice, response_format=grammar), Server())
        assert refused is not None
        assert refused.error_type == "tool_error"
    assert refusal(asked(tools=None, response_format=grammar), Server()) is None


@pytest.mark.parametrize(
    ("tools", "choice", "offered"),
    [
        ([], "auto", True),
        ([], "required", False),
        ([], "none", False),
        (None, "auto", False),
        ([TOOL], "required", True),
        ([TOOL], "none", False),
    ],
)
def test_of_an_empty_list_of_tools_no_tool_can_be_chosen(
    tools: JSON,
    choice: str,
    offered: bool,  # noqa: FBT001
) -> None:
    request = asked(tools=tools, tool_choice=choice)
    assert request.has_tools is offered
    assert ("no_tool" in request.prompts[0]) is (offered and choice == "auto")


# --- the toy model ------------------------------------------------------------------------------------


def test_the_toy_calls_the_tool_with_arguments_that_fit() -> None:
    request = asked(tools=[TOOL], max_tokens=20)
    call = plain_answer(toy_generation(Generation(toy=True), request), request, STAMP)
    function = call["choices"][0]["message"]["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == ("f", {"a": 1})


def test_the_toy_obeys_limits_and_stop_sequences() -> None:
    for fields, text, reason in (
        ({"max_tokens": 2}, " Deep learning", "length"),
        ({"stop": ["ning"]}, " Deep learning", "stop_sequence"),
    ):
        request = asked(**fields)
        body = plain_answer(toy_generation(Generation(toy=True), request), request, STAMP)
        choice = body["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (text, reason)


def test_the_toy_fits_a_json_grammar() -> None:
    schema: JSON = {"type": "object", "properties": {"a": {"type": "integer"}}}
    request = asked(response_format={"type": "json", "value": schema})
    body = plain_answer(toy_generation(Generation(toy=True), request), request, STAMP)
    assert json.loads(body["choices"][0]["message"]["content"]) == {"a": 1}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 3}}, "required": ["a"]},
        {"type": "array", "items": {"type": "number", "minimum": 7}, "minItems": 2},
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
        {"$defs": {"x": {"enum": ["p", "q"]}}, "properties": {"a": {"$ref": "#/$defs/x"}}, "type": "object"},
        {"type": ["integer", "null"], "exclusiveMinimum": 4},
        {"const": {"a": [1]}},
        {"type": "object", "properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}, "v": {"type": "integer"}}},
        {
            "$defs": {"n": {"properties": {"k": {"$ref": "#/$defs/n"}}}},
            "properties": {"t": {"$ref": "#/$defs/n"}},
        },
    ],
)
def test_an_example_fits_its_schema(schema: JSON) -> None:
    build_validator(schema).validate(example(schema))  # type: ignore[arg-type]


def _doubling(times: int) -> JSON:
    schema: JSON = {"type": "integer"}
    for _ in range(times):
        schema = {"type": "object", "properties": {"a": schema, "b": schema}}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}}, "required": ["l", "r"]},
        {"type": "string", "minLength": 10**12},
        {"type": "array", "minItems": 10**12, "items": {"type": "array", "minItems": 10**12}},
        _doubling(30),
        {"properties": {"a": {"$ref": ["not", "a", "reference"]}}},
        {"type": "integer", "minimum": float("inf")},
    ],
    ids=["in itself", "long text", "long lists", "doubling", "odd reference", "infinite"],
)
def test_an_example_of_any_schema_is_small(schema: JSON) -> None:
    assert len(json.dumps(example(schema))) < 200_000


# --- stopping -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "stop", "kept", "reason"),
    [
        (None, (), 3, "eos_token"),
        (2, (), 2, "length"),
        (3, (), 3, "length"),
        (4, (), 3, "eos_token"),
        (None, ("b",), 2, "stop_sequence"),
        (2, ("b",), 2, "length"),
        (None, ("zz",), 3, "eos_token"),
    ],
)
def test_a_generation_ends_at_the_first_of_limit_stop_and_end(
    limit: int | None, stop: tuple[str, ...], kept: int, reason: str
) -> None:
    ended = stopped((" a", " b", " c"), limit, stop)
    assert (len(ended.pieces), ended.finish_reason) == (kept, reason)


@pytest.mark.parametrize(("asked_for", "got"), [(1024, 1024), (1025, 2048), (2048, 2048)])
def test_more_than_a_slice_fills_its_last_slice(asked_for: int, got: int) -> None:
    assert len(stopped(("x",) * 5000, asked_for, ()).pieces) == got


# --- grammars and images ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grammar", "problem"),
    [
        ({"type": "regex", "value": "("}, None),
        ({"type": "json", "value": {"properties": {}}}, None),
        ({"type": "json", "value": '{"properties": {}}'}, None),
        ({"type": "json_schema", "value": {"name": "n", "schema": {"properties": {}}}}, None),
        (
            {"type": "json", "value": "{"},
            "grammar is not valid: EOF while parsing an object at line 1 column 1",
        ),
        ({"type": "json", "value": {}}, "grammar is not valid: Grammar must have a 'properties' field"),
        ({"type": "json", "value": 3}, "grammar is not supported"),
    ],
)
def test_what_is_said_of_a_grammar(grammar: dict[str, JSON], problem: str | None) -> None:
    assert grammar_problem(grammar) == problem


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://example.test/a.png", None),
        ("data:image/png;base64,iVBORw0KGgo=", None),
        ("data:image/png,xx", "invalid image content: image/png,xx"),
        ("data:image/png;utf8,xx", "invalid image content: utf8,xx"),
        ("ftp://x/y", "invalid image content: ![](ftp://x/y)"),
        ("data:image/x;base64,eHh4", "invalid image: The image format could not be determined"),
    ],
)
def test_what_is_said_of_an_image(url: str, problem: str | None) -> None:
    assert image_problem(f"look ![]({url}) there") == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("aGk=", None),
        ("aGk", "Invalid padding"),
        ("a", "Invalid input length: 1"),
        ("a-b=", "Invalid symbol 45, offset 1."),
    ],
)
def test_what_is_said_of_base64(text: str, problem: str | None) -> None:
    assert base64_problem(text) == problem


# --- tokens, metrics, openapi -------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "What is Deep Learning?", "naïve  café\n\t<|user|>", "x" * 9000])
def test_tokens_join_to_their_text_and_are_as_many_as_counted(text: str) -> None:
    pieces = tokenize(text)
    assert "".join(piece.text for piece in pieces) == text
    assert len(pieces) == count_tokens(text)
    assert all(text[piece.start : piece.stop] == piece.text for piece in pieces)


def test_a_metric_without_a_value_is_left_out() -> None:
    assert exposition({}, {}) == ""


def test_a_histogram_counts_up_to_each_bound() -> None:
    metric = next(metric for metric in METRICS if metric.name == "tgi_request_input_length")
    found = observed(metric, 100, 200)
    found.add(2.5)
    found.add(1000)
    text = exposition({}, {(metric.name, ""): found})
    assert 'tgi_request_input_length_bucket{le="2"} 0' in text
    assert 'tgi_request_input_length_bucket{le="3"} 1' in text
    assert 'tgi_request_input_length_bucket{le="+Inf"} 2' in text
    assert "tgi_request_input_length_sum 1002.5" in text


def test_numbers_are_written_without_an_exponent() -> None:
    assert [number_text(value) for value in (1.0, 0.96, 1e-7)] == ["1", "0.96", "0.0000001"]


def test_the_openapi_document_has_every_route_and_resolves() -> None:
    document = openapi()
    assert set(document["paths"]) == set(ROUTES) - {"/docs", "/docs/", "/api-doc/openapi.json"}
    text = json.dumps(document)
    assert "urn:" not in text
    schemas = document["components"]["schemas"]
    for part in text.split('"$ref": "#/components/schemas/')[1:]:
        name, *pointer = part.partition('"')[0].split("/")
        found = schemas[name]
        for step in pointer:
            found = found[step]
