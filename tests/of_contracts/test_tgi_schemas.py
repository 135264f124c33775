"""TGI's JSON Schemas against the recordings of a genuine router."""

import copy
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest
from recorded import Instance, Recording, load_recordings
from schema_mutants import Freedom, Mutant, mutants, shape

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema import registry as schema_registry
from tgi_conformance.contracts.schema.registry import (
    Schema,
    UnknownSchemaError,
    build_validator,
    problems,
    schema,
    validator,
)

RECORDINGS = load_recordings()
INSTANCES = [instance for recording in RECORDINGS for instance in recording.instances()]
TGI_SCHEMAS = [
    name for name in schema_registry.names() if name.startswith("tgi/") and name != "tgi/definitions"
]

# -- what TGI may leave out, null, or fill with anything, after its structs ------------------------

_LOGPROB = ("logprob", "*.logprob")
_DETAILS = Freedom(
    optional=("*details", "*top_tokens", "*best_of_sequences"),
    nullable=("*.logprob", "*.seed"),
    floats=_LOGPROB,
)
_PARAMETERS_FLOATS = (
    "*temperature",
    "*_penalty",
    "*top_p",
    "*typical_p",
)
_PARAMETERS_NULLABLE = tuple(
    f"parameters.{name}"
    for name in (
        *("best_of", "temperature", "repetition_penalty", "frequency_penalty", "top_k", "top_p"),
        *("typical_p", "max_new_tokens", "return_full_text", "truncate", "seed", "top_n_tokens"),
        *("grammar", "adapter_id"),
    )
)
_PARAMETERS_OPTIONAL = (
    *_PARAMETERS_NULLABLE,
    *("parameters.do_sample", "parameters.stop", "parameters.watermark", "parameters.details"),
    "parameters.decoder_input_details",
)
_GENERATE = Freedom(
    optional=("parameters", "stream", *_PARAMETERS_OPTIONAL),
    nullable=_PARAMETERS_NULLABLE,
    free=("*grammar.value",),
    ignored=("foo", "add_special_tokens", "parameters.bogus"),
    floats=_PARAMETERS_FLOATS,
    also=(("parameters", "dict"),),  # an array by position, or an object
    closed=False,
)
_CHAT_KEYS_WITH_NULL = (
    *("model", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "max_tokens"),
    *("max_completion_tokens", "n", "presence_penalty", "stop", "seed", "temperature", "top_p"),
    *("tools", "tool_prompt", "tool_choice", "response_format"),
)
_CHAT = Freedom(
    optional=(
        *_CHAT_KEYS_WITH_NULL,
        *("stream", "stream_options", "stream_options.include_usage", "messages.*.name"),
        "*.function.description",
    ),
    nullable=(*_CHAT_KEYS_WITH_NULL, "messages.*.name", "*.function.description"),
    free=("*.function.parameters", "*.function.arguments", "response_format.value"),
    ignored=(
        *("messages.*.tool_call_id", "messages.*.content.*.image_url.detail"),
        *("user", "service_tier", "parallel_tool_calls", "metadata"),
    ),
    floats=_PARAMETERS_FLOATS,
    also=(("messages.*.content", "str"), ("tool_choice", "str")),
    closed=False,
)
_COMPLETION_KEYS_WITH_NULL = (
    *("model", "max_tokens", "temperature", "top_p", "seed", "suffix", "repetition_penalty"),
    *("frequency_penalty", "stop"),
)
_COMPLETION = Freedom(
    optional=(*_COMPLETION_KEYS_WITH_NULL, "stream"),
    nullable=_COMPLETION_KEYS_WITH_NULL,
    ignored=("logprobs", "echo", "n", "best_of", "user", "stream_options"),
    floats=_PARAMETERS_FLOATS,
    also=(("prompt", "str"),),
    closed=False,
)

FREEDOMS: Final[dict[str, Freedom]] = {
    "tgi/generate-response": _DETAILS,
    "tgi/compat-response": _DETAILS,
    "tgi/chat-completion": Freedom(nullable=("*.logprobs", "*.logprob", "*.description"), floats=_LOGPROB),
    "tgi/completion": Freedom(nullable=("*.logprobs",)),
    "tgi/info": Freedom(nullable=("model_sha", "model_pipeline_tag", "sha", "docker_label")),
    "tgi/native-token-event": Freedom(
        optional=("top_tokens",),
        nullable=("generated_text", "details", "*.seed", "*.logprob"),
        floats=_LOGPROB,
    ),
    "tgi/chat-chunk": Freedom(
        nullable=("*.logprobs", "*.logprob", "*.finish_reason", "*.function.name"),
        floats=_LOGPROB,
    ),
    "tgi/completion-chunk": Freedom(nullable=("*.logprobs",)),
    "tgi/generate-request": _GENERATE | Freedom(ignored=("stream",)),
    "tgi/generate-stream-request": _GENERATE | Freedom(ignored=("stream",)),
    "tgi/compat-request": _GENERATE,
    "tgi/tokenize-request": _GENERATE,
    "tgi/chat-request": _CHAT,
    "tgi/chat-tokenize-request": _CHAT,
    "tgi/completion-request": _COMPLETION,
    "tgi/sagemaker-request": _GENERATE | _CHAT,
    "tgi/vertex-request": (_GENERATE | Freedom(nullable=("parameters",)) | _CHAT).under("instances.*."),
}
CLOSED: Final = Freedom()
"""For schemas without an entry: every key is required, nothing is null."""


def one_of_each_shape(name: str) -> list[Instance]:
    """Return the recorded values of a schema, one for each set of keys and types."""
    return list({shape(i.value): i for i in INSTANCES if i.schema == name}.values())


def tried(name: str) -> Iterator[tuple[Instance, Mutant]]:
    for instance in one_of_each_shape(name):
        for mutant in mutants(instance.value, FREEDOMS.get(name, CLOSED)):
            yield instance, mutant


def survivors(name: str, document: Schema) -> tuple[int, list[str]]:
    """Return how many mutants there are, and those that the document lets pass."""
    check = build_validator(document)
    total, passed = 0, []
    for instance, mutant in tried(name):
        total += 1
        if check.is_valid(mutant.value):
            passed.append(f"{instance.case}: {mutant.path}: {mutant.change}")
    return total, passed


# -- acceptance ------------------------------------------------------------------------------------


def test_all_363_recordings_are_read() -> None:
    assert len(RECORDINGS) == 363
    assert len({recording.case for recording in RECORDINGS}) == 363
    assert sum(recording.response is None for recording in RECORDINGS) == 9


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: f"{i.case}-{i.schema}")
def test_recorded_value_is_accepted(instance: Instance) -> None:
    assert problems(instance.schema, instance.value) == []


def test_every_schema_has_a_recorded_value() -> None:
    assert set(TGI_SCHEMAS) == {instance.schema for instance in INSTANCES}


def test_json_answers_and_events_are_all_looked_at() -> None:
    answers = Counter(
        recording.case
        for recording in RECORDINGS
        if recording.response is not None
        and recording.response.body
        and recording.response.header("content-type") == "application/json"
    )
    looked_at = {i.case for i in INSTANCES if not i.schema.endswith("-request")}
    assert set(answers) <= looked_at
    streams = [r for r in RECORDINGS if r.response is not None and r.response.frames is not None]
    assert len(streams) == 68
    for recording in streams:
        assert recording.response is not None
        frames = [f.raw for f in recording.response.frames or () if f.raw.startswith("data: {")]
        events = [i for i in recording.instances() if i.schema.endswith(("-event", "-chunk"))]
        assert len(events) == len(frames), recording.case


# -- refusal of requests ---------------------------------------------------------------------------

NO_SCHEMA_CAN_KNOW: Final = (
    r"tokens \+ `max_new_tokens` must be <=",  # counts tokens
    r"`inputs` must have less than",
    r"`truncate` must be strictly positive and less than 64\. Given: 65",  # flags
    r"`best_of` must be > 0 and <= 2",
    r"`best_of` != 1 is not allowed for this endpoint",
    r"`stop` supports up to 0",
    r"`top_n_tokens` must be >= 0 and <= 5",
    r"maximum allowed batch size",
    r"grammar is not supported",
    r"Template error",  # the model's template
    r"cannot compile regex from schema",  # what stands in a grammar
    r"is not valid under any of the schemas",
    r"invalid image",  # what stands in a URL
    r"base64 encoding is invalid",
    r"Tool with name nope not found",
    r"Failed to parse generated text",  # what the model made of it
    r"Model is overloaded",  # the server's state
    r"Request failed during generation",
    r"ncomplete generation",
)


def refused() -> Iterator[Recording]:
    """Yield the recordings whose JSON request the router found fault with."""
    parse_errors = {400, 401, 413, 415}
    for recording in RECORDINGS:
        message, response = recording.error_message(), recording.response
        if recording.kind is None or recording.kind.request is None or message is None:
            continue
        if response is None or response.status in parse_errors:
            continue
        if not any(re.search(known, message) for known in NO_SCHEMA_CAN_KNOW):
            yield recording


@pytest.mark.parametrize("recording", list(refused()), ids=lambda r: r.case)
def test_request_that_the_router_refused_is_refused(recording: Recording) -> None:
    assert recording.kind is not None
    assert recording.kind.request is not None
    assert problems(recording.kind.request, recording.request_value())


def test_enough_refused_requests_are_tried() -> None:
    assert len(list(refused())) >= 60


# -- mutants ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TGI_SCHEMAS)
def test_every_mutant_of_a_recorded_value_is_refused(name: str) -> None:
    total, passed = survivors(name, schema(name))
    print(f"{name}: {total - len(passed)} of {total} mutants killed")
    assert total >= 2
    assert passed == []


def test_requests_may_have_unknown_keys_and_answers_may_not() -> None:
    """Serde ignores what it does not know; of an answer every key is TGI's own."""
    for instance in INSTANCES:
        if isinstance(instance.value, dict):
            passes = not problems(instance.schema, {**instance.value, "unheard_of": 1})
            assert passes is instance.schema.endswith("-request"), instance


def test_a_chat_chunk_has_either_a_choice_or_usage() -> None:
    chunks = [i.value for i in INSTANCES if i.schema == "tgi/chat-chunk" and isinstance(i.value, dict)]
    usage = next(chunk["usage"] for chunk in chunks if chunk["usage"] is not None)
    assert usage
    for chunk in chunks:
        if chunk["choices"]:
            assert problems("tgi/chat-chunk", {**chunk, "usage": usage})
            assert problems("tgi/chat-chunk", {**chunk, "choices": []})


def test_a_text_ends_a_native_stream_so_details_never_stand_without_it() -> None:
    events = [
        i.value for i in INSTANCES if i.schema == "tgi/native-token-event" and isinstance(i.value, dict)
    ]
    last = [event for event in events if event["details"] is not None]
    assert last
    for event in last:
        assert problems("tgi/native-token-event", {**event, "generated_text": None})


WEAKENINGS: Final = [
    ("tgi/generate-response", ("required",), []),
    ("tgi/info", ("properties", "model_sha"), True),
    ("tgi/info", ("additionalProperties",), True),
    ("tgi/native-token-event", ("properties", "index"), {"type": "number"}),
    ("tgi/native-token-event", ("properties", "index"), {"type": ["integer", "null"]}),
    ("tgi/chat-completion", ("properties", "choices", "items", "required"), ["index"]),
    ("tgi/chat-chunk", ("then",), True),
    ("tgi/completion-chunk", ("anyOf", 0, "required"), ["object"]),
    ("tgi/error-response", ("properties", "error"), True),
    ("tgi/chat-tokenize-request", ("properties", "messages"), True),
    ("tgi/completion-request", ("properties", "stop"), True),
    ("tgi/vertex-request", ("required",), []),
]


@pytest.mark.parametrize(("name", "where", "weaker"), WEAKENINGS)
def test_a_weakened_schema_lets_a_mutant_pass(name: str, where: tuple[str | int, ...], weaker: JSON) -> None:
    """The kill test can fail: without one rule, a mutant survives."""
    document = copy.deepcopy(schema(name))
    target = document
    for step in where[:-1]:
        target = target[step]  # type: ignore[index]
    assert where[-1] in target
    target[where[-1]] = weaker
    assert survivors(name, document)[1]


# -- the registry ----------------------------------------------------------------------------------


def test_every_schema_is_a_valid_one_and_all_references_resolve() -> None:
    for name in schema_registry.names():
        validator(name).is_valid({"messages": [{}], "inputs": 1, "choices": [{}], "details": {}})


def test_unknown_schema_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownSchemaError, match=r"tgi/generate-requst.*tgi/generate-request"):
        schema("tgi/generate-requst")


def test_problems_say_where_and_what() -> None:
    value = {"inputs": "x", "parameters": {"top_p": 1, "stop": "a", "max_new_tokens": 10.0}}
    assert problems("tgi/generate-request", value) == [
        "/parameters/max_new_tokens: 10.0 is not of type 'integer', 'null'",
        "/parameters/stop: 'a' is not of type 'array'",
        "/parameters/top_p: 1 is greater than or equal to the maximum of 1",
    ]


def test_problem_in_a_choice_quotes_the_branch_that_fits_best() -> None:
    value = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}
    (problem,) = problems("tgi/chat-request", value)
    assert problem.startswith("/messages/0/")


def test_long_messages_are_cut() -> None:
    (problem,) = problems("tgi/error-response", "x" * 5000)
    assert len(problem) < schema_registry.MAX_MESSAGE + 20
