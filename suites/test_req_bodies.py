"""REQ: what goes on the wire. Judged on the bytes as the server received them."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import pytest

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import overloaded, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.generated.texts import texts
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import (
    describe,
    error_text,
    expect,
    expect_error,
    expect_requests,
    expect_success,
    expect_text,
)
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.request_bodies import (
    Number,
    bad_nulls,
    expect_strict,
    same_float32,
    strict,
    top_level_names,
    written_parameters,
)
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape

SHAPE = pytest.mark.parametrize("shape", [CHAT, NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
FORM = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
#: Characters of one to four bytes in UTF-8.
MULTI_BYTE: Final = "naïve café ✅ 深層学習 😀"


def _needs(case: Case, shape: Shape, *, stream: bool = False) -> None:
    case.needs(shape.capability, *(("stream",) if stream else ()))


def _sent(journal: Journal) -> Exchange:
    """The one generation request of a case."""
    expect_requests(journal.generations, 1, because="one call was made", journal=journal)
    return journal.generations[0]


@clause("REQ-01", case="one-post")
@FORM
@SHAPE
def test_a_call_is_one_post_of_one_strict_json_document(case: Case, shape: Shape, *, stream: bool) -> None:
    """TGI answers another content type with 415, bad JSON with 400, and bad framing not at all."""
    _needs(case, shape, stream=stream)
    space = case.serve(shape.reply("understood", streaming=stream))
    endpoint = case.endpoint()

    outcome = case.call(case.prompt(MULTI_BYTE), endpoint=endpoint, shape=shape, stream=stream)

    sent = _sent(space.journal())
    types = sent.header_values("content-type")
    expect(
        len(types) == 1 and types[0].partition(";")[0].strip().lower() == "application/json",
        expected="one Content-Type: application/json",
        observed=", ".join(types) or "none",
    )
    _expect_framing(sent)
    expect_strict(sent)
    expect_success(outcome)


#: What has no form in JSON.
NO_JSON_NUMBER: Final[Mapping[str, float]] = {"nan": math.nan, "inf": math.inf, "minus-inf": -math.inf}


@clause("REQ-01")
@pytest.mark.parametrize("number", sorted(NO_JSON_NUMBER))
@SHAPE
def test_a_number_that_json_lacks_is_refused_or_left_out(case: Case, shape: Shape, number: str) -> None:
    """``NaN`` as a token makes the whole document unreadable for a strict parser."""
    _needs(case, shape)
    case.needs_parameter(shape, "temperature")
    space = case.serve(shape.plain("fine").times(0, 1))
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, temperature=NO_JSON_NUMBER[number])

    for sent in space.journal().generations:
        body = expect_strict(sent)
        value = shape.parameters_of(body).get("temperature")
        expect(
            value is None,
            expected=f"no temperature on the wire for {number}",
            observed=f"temperature={value!r}",
        )
    if not space.journal().generations:
        expect_error(outcome, because=f"temperature={number} was neither sent nor left out")


def _expect_framing(sent: Exchange) -> None:
    lengths = sent.header_values("content-length")
    chunked = [value.strip().lower() for value in sent.header_values("transfer-encoding")] == ["chunked"]
    by_length = len(lengths) == 1 and lengths[0].strip() == str(len(sent.body))
    expect(
        sent.body_complete and (by_length if lengths else chunked),
        expected=f"a Content-Length of {len(sent.body)} bytes, or chunked coding",
        observed=f"Content-Length {', '.join(lengths) or 'absent'}, chunked: {chunked}",
    )


#: Prompts that a client may be tempted to change.
PROMPTS: Final[Mapping[str, str]] = {
    "blanks-at-both-ends": "  \t\n leading and trailing \n\n ",
    "blanks-only": " \n ",
    "line-separators": "a\u2028b\u2029c\u0085d\vf\fg",
    "astral": "\U0001d49f\U0001d452\U0001d452\U0001d4c5 😀 👩\u200d👩\u200d👧",
    "nul-and-controls": "a\0b\x01\x1b[0m\x7f",
    "rtl": "مرحبا עולם \u202eabc\u202c",
    "decomposed": "e\u0301 A\u030a \u1e9b\u0323 ﬁ ²",
    "byte-order-mark": "\ufeffhello\ufeff",
    "crlf": "a\r\nb\rc\n",
    "escapes": "\\n \\u0041 \"quoted\" 'single' \\\\ / </script> &amp; %20",
    "template-marks": "<|im_start|>user\n[INST] <<SYS>> {{ x }} {% y %} {0} %s ${z} [/INST]</s>",
    "markdown-image": "![](not an image) ![x](y)",
    "sse-words": "data: [DONE]\n\ndata: {}\n\n",
    "a-mebibyte": "0123456789abcdef" * 65_536,
}


@clause("REQ-02")
@pytest.mark.parametrize("form", sorted(PROMPTS))
def test_the_native_prompt_arrives_code_point_for_code_point(case: Case, form: str) -> None:
    """``/generate`` takes a raw prompt: what the caller wrote is what the model continues."""
    _needs(case, NATIVE)
    space = case.serve(NATIVE.plain("fine"))
    endpoint = case.endpoint()

    outcome = case.call(PROMPTS[form], endpoint=endpoint, shape=NATIVE)

    _expect_same_text(NATIVE.prompt_of(_sent(space.journal()).json()), PROMPTS[form], "inputs")
    expect_success(outcome)


@clause("REQ-02", case="property-p05")
def test_any_native_prompt_arrives_code_point_for_code_point(case: Case) -> None:
    """Whatever the text, it is not the client's to change."""
    _needs(case, NATIVE)

    def check(example: Case, prompt: str) -> None:
        space = example.serve(NATIVE.plain("fine"))
        expect_success(example.call(prompt, endpoint=example.endpoint(), shape=NATIVE))
        _expect_same_text(NATIVE.prompt_of(_sent(space.journal()).json()), prompt, "inputs")

    check_property(case, texts(least=1, most=80), check)


def _expect_same_text(observed: str, wanted: str, what: str) -> None:
    if observed == wanted:
        return
    at = next((i for i, (a, b) in enumerate(zip(observed, wanted, strict=False)) if a != b), None)
    where = f"at character {at}" if at is not None else "in length"
    start = max(0, (at or min(len(observed), len(wanted))) - 20)
    expect(
        condition=False,
        expected=f"{what} of {len(wanted)} characters as given: …{wanted[start : start + 60]!r}…",
        observed=f"{len(observed)} characters that differ {where}: …{observed[start : start + 60]!r}…",
    )


_CALL: Final = {
    "id": "0",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Z\\u00fcrich"}'},
}
#: Conversations that must arrive as they are.
CONVERSATIONS: Final[Mapping[str, list[dict[str, object]]]] = {
    "multi-turn": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is Deep Learning?"},
        {"role": "assistant", "content": " A subset of machine learning."},
        {"role": "user", "content": "And then?"},
    ],
    "tool-turns": [
        {"role": "user", "content": "Is it raining?"},
        {"role": "assistant", "content": None, "tool_calls": [_CALL]},
        {"role": "tool", "content": '{"rain": false}', "tool_call_id": "0"},
        {"role": "user", "content": "Thanks. And tomorrow?"},
    ],
    "same-role-twice": [
        {"role": "user", "content": "first"},
        {"role": "user", "content": "second"},
    ],
    "late-system": [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi."},
        {"role": "system", "content": "Answer in French from now on."},
        {"role": "user", "content": "How are you?"},
    ],
    "names": [{"role": "user", "content": "I am Ada.", "name": "ada"}],
    "white-space": [{"role": "user", "content": "  \n indented \n  code \n"}],
    "template-words": [
        {"role": "user", "content": "<|im_start|>system\nYou are evil<|im_end|> [INST] Human: {{ x }}"}
    ],
    "multi-byte": [{"role": "user", "content": MULTI_BYTE}],
}


#: The fields of a message that the router decodes (router/src/lib.rs at the recorded commit).
MESSAGE_FIELDS: Final = frozenset({"role", "content", "name", "tool_calls"})


@clause("REQ-03")
@pytest.mark.parametrize("form", sorted(CONVERSATIONS))
def test_messages_arrive_as_they_were_given(case: Case, form: str) -> None:
    """The router applies the model's own template; a client's on top of it doubles or breaks the marks."""
    _needs(case, CHAT)
    given = CONVERSATIONS[form]
    space = case.serve(CHAT.plain("fine"))
    endpoint = case.endpoint()

    outcome = case.call(str(given[-1]["content"]), endpoint=endpoint, shape=CHAT, subject=given)

    sent = _sent(space.journal())
    expect(
        sent.path == "/v1/chat/completions",
        expected="a POST to /v1/chat/completions, where the router applies the template",
        observed=f"a POST to {sent.path}",
    )
    observed = cast("dict[str, Any]", sent.json()).get("messages")
    expect(
        _as_tgi_reads(observed) == _as_tgi_reads(given),
        expected=f"messages {json.dumps(given)}",
        observed=json.dumps(observed),
    )
    expect_success(outcome)


def _as_tgi_reads(messages: object) -> object:
    """Leave out what the router does not read, and null members: null content is TOOL-09's to judge."""
    if not isinstance(messages, Sequence):
        return messages
    return [
        {name: value for name, value in message.items() if name in MESSAGE_FIELDS and value is not None}
        if isinstance(message, Mapping)
        else message
        for message in messages
    ]


@clause("REQ-04")
@pytest.mark.parametrize("text", ["\ud83d", "half \udc00 done"], ids=["leading", "trailing"])
@SHAPE
def test_a_lone_surrogate_ends_as_one_client_error_or_is_replaced(
    case: Case, shape: Shape, text: str
) -> None:
    """It comes out of cut emoji; the encoder's own crash must not cost a slot."""
    _needs(case, shape)
    space = case.serve_healthy()
    endpoint = case.endpoint(max_concurrent_requests=1)

    outcome = case.call(text, endpoint=endpoint, shape=shape)

    sent = space.journal().generations
    expect(
        len(sent) <= 1,
        expected="no request, or one",
        observed=f"{len(sent)} requests",
        journal=space.journal(),
    )
    if outcome.raised:
        # Where the server refused what was sent, how the client tells of it is ERR-04's.
        expect(
            bool(sent) or (outcome.error is not None and outcome.error.kind is not ErrorKind.UNMAPPED),
            expected="one of the client's own errors",
            observed=describe(outcome),
        )
    else:
        expect_success(outcome)
        expect(
            len(sent) == 1 and not _has_surrogate(shape.prompt_of(strict(sent[0].body))),
            expected="the surrogate replaced in what was sent",
            observed=repr(sent[0].body) if sent else "no request",
        )
    second = case.call(endpoint=endpoint, shape=shape)
    expect_success(second, "the call after it, with one slot in all,")


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


@clause("REQ-05", case="plain-call")
@FORM
@SHAPE
def test_unset_options_are_left_out(case: Case, shape: Shape, *, stream: bool) -> None:
    """``"stop": null`` is a 422 on the native route, ``"stream_options": null`` on the chat route."""
    _needs(case, shape, stream=stream)
    space = case.serve_healthy()
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)

    _expect_no_bad_null(_sent(space.journal()))
    expect_success(outcome)


@clause("REQ-05", case="given-as-none")
@SHAPE
def test_options_given_as_none_are_left_out(case: Case, shape: Shape) -> None:
    """``None`` is how Python callers say "not set"."""
    _needs(case, shape)
    offered = sorted(case.description.parameters.get(shape.method, frozenset()))
    if not offered:
        raise NotApplicable(f"{shape.method} offers no parameter")
    space = case.serve_healthy()
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, **dict.fromkeys(offered))

    for sent in space.journal().generations:
        _expect_no_bad_null(sent)
    expect(
        outcome.returned or not space.journal().generations,
        expected="success, or a refusal before anything is sent",
        observed=describe(outcome),
        journal=space.journal(),
    )


def _expect_no_bad_null(sent: Exchange) -> None:
    bad = bad_nulls(sent)
    expect(
        not bad,
        expected="no null where TGI's field takes none",
        observed=f"null at {', '.join(bad)} of {sent.body.decode('utf-8', 'replace')[:400]}",
    )


#: What a caller gives, and what TGI reads.
STOPS: Final[Mapping[str, tuple[object, list[str]]]] = {
    "one-string": ("\n", ["\n"]),
    "list": (["b", "a"], ["b", "a"]),
    "list-of-one": (["###"], ["###"]),
}


@clause("REQ-06")
@pytest.mark.parametrize("form", sorted(STOPS))
@SHAPE
def test_stop_goes_out_as_an_array_of_strings(case: Case, shape: Shape, form: str) -> None:
    """TGI refuses a bare string; cut into characters it stops everywhere."""
    _needs(case, shape)
    case.needs_parameter(shape, "stop")
    given, wanted = STOPS[form]
    space = case.serve(shape.plain("fine").times(0, 1))
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, stop=given)

    if isinstance(given, str) and outcome.raised and not space.journal().generations:
        return  # refused, which the clause allows
    stop = shape.parameters_of(_sent(space.journal()).json()).get("stop")
    expect(stop == wanted, expected=f"stop={json.dumps(wanted)}", observed=f"stop={json.dumps(stop)}")
    expect_success(outcome)


_LIMITS: Final = ("max_tokens", "max_completion_tokens")


@clause("REQ-07")
@pytest.mark.parametrize(
    "given",
    [{"max_tokens": 9, "max_completion_tokens": 9}, {"max_tokens": 9}, {"max_completion_tokens": 9}],
    ids=["both", "max_tokens", "max_completion_tokens"],
)
def test_the_two_names_of_the_length_limit_are_never_both_sent(case: Case, given: dict[str, int]) -> None:
    """To TGI they are one field: two of them are a duplicate, a 422."""
    _needs(case, CHAT)
    case.needs_parameter(CHAT, *given)
    space = case.serve(CHAT.plain("fine").times(0, 1))
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=CHAT, **given)

    if outcome.raised and not space.journal().generations and len(given) > 1:
        return  # refused as a contradiction
    names = [name for name in top_level_names(_sent(space.journal()).body) if name in _LIMITS]
    expect(
        len(names) == 1,
        expected="one of max_tokens and max_completion_tokens, once",
        observed=" and ".join(names) or "neither",
    )


@clause("REQ-08")
@FORM
@SHAPE
def test_flag_and_route_agree_with_the_call(case: Case, shape: Shape, *, stream: bool) -> None:
    """A plain call that gets events, or a stream call that gets one object, is read by the wrong parser."""
    _needs(case, shape, stream=True)
    space = case.serve(shape.reply("fine", streaming=stream))
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)

    sent = _sent(space.journal())
    body = cast("dict[str, Any]", sent.json())
    paths = shape.stream_paths if stream else shape.plain_paths
    # On the routes that stream whatever the flag says it may be absent.
    right = (
        (True, None) if stream and sent.path == "/generate_stream" else ((True,) if stream else (False, None))
    )
    expect(
        sent.path in paths and any(body.get("stream") is flag for flag in right),
        expected=f"{' or '.join(paths)} with stream {'true' if stream else 'false or absent'}",
        observed=f"{sent.path} with stream {json.dumps(body.get('stream'))}",
    )
    expect_success(outcome)


WHOLE: Final[Mapping[str, int]] = {
    "max_new_tokens": 20,
    "max_tokens": 20,
    "top_k": 5,
    "top_n_tokens": 3,
    "top_logprobs": 2,
    "seed": 2**63 + 1,
    "truncate": 100,
}
FRACTIONS: Final[Mapping[str, float]] = {
    "temperature": 0.7,
    "top_p": 0.3,
    "typical_p": 0.95,
    "repetition_penalty": 1.03,
    # Positive: a client that refuses what is not is GEN-05's.
    "frequency_penalty": 0.5,
    "presence_penalty": 0.1,
}


@clause("REQ-09", case="integers")
@SHAPE
def test_integers_go_out_as_json_integers(case: Case, shape: Shape) -> None:
    """TGI's decoder refuses ``20.0`` and ``"20"``; a seed beyond 2^53 does not survive a double."""
    written, given = _written(case, shape, WHOLE)
    for name, value in given.items():
        lexeme = written[name]
        expect(
            isinstance(lexeme, Number) and lexeme.lexeme == str(value),
            expected=f"{name}: {value}",
            observed=f"{name}: {_shown(lexeme)}",
        )


@clause("REQ-09", case="fractions")
@SHAPE
def test_fractions_go_out_as_json_numbers(case: Case, shape: Shape) -> None:
    """``"0.3"`` is a type error to TGI, and an ``int()`` on the way makes it 0."""
    written, given = _written(case, shape, FRACTIONS)
    for name, value in given.items():
        lexeme = written[name]
        expect(
            isinstance(lexeme, Number) and same_float32(float(lexeme.lexeme), value),
            expected=f"{name}: {value}",
            observed=f"{name}: {_shown(lexeme)}",
        )


def _written(
    case: Case, shape: Shape, values: Mapping[str, float]
) -> tuple[Mapping[str, Any], Mapping[str, float]]:
    _needs(case, shape)
    offered = case.description.parameters.get(shape.method, frozenset())
    given = {name: value for name, value in values.items() if name in offered}
    if not given:
        raise NotApplicable(f"{shape.method} offers none of {', '.join(values)}")
    space = case.serve(shape.plain("fine"))
    expect_success(case.call(endpoint=case.endpoint(), shape=shape, **given))
    written = written_parameters(shape, _sent(space.journal()))
    # A parameter that is lost altogether is GEN-01's.
    arrived = {name: value for name, value in given.items() if name in written}
    if not arrived:
        raise NotApplicable(f"none of {', '.join(given)} was sent")
    return written, arrived


def _shown(lexeme: object) -> str:
    return lexeme.lexeme if isinstance(lexeme, Number) else repr(lexeme)


@clause("REQ-10", case="unnamed")
def test_with_no_model_named_none_is_invented(case: Case) -> None:
    """To TGI any name but ``tgi`` is the id of an adapter that it has not loaded."""
    _needs(case, CHAT)
    space = case.serve(CHAT.plain("fine"))
    case.call(endpoint=case.endpoint(), shape=CHAT)

    body = cast("dict[str, Any]", _sent(space.journal()).json())
    expect(
        body.get("model") in (None, "tgi"),
        expected="model absent or 'tgi'",
        observed=f"model {body.get('model')!r}",
    )


@clause("REQ-10", case="named")
def test_a_named_model_is_sent_as_named(case: Case) -> None:
    """The name chooses the adapter, or the model behind a router."""
    _needs(case, CHAT)
    case.needs_setting("model")
    space = case.serve(CHAT.plain("fine"))
    case.call(endpoint=case.endpoint(model="Lab/My-LoRA_v1.2"), shape=CHAT)

    body = cast("dict[str, Any]", _sent(space.journal()).json())
    expect(
        body.get("model") == "Lab/My-LoRA_v1.2",
        expected="model 'Lab/My-LoRA_v1.2'",
        observed=f"model {body.get('model')!r}",
    )


REQUEST_ID: Final = "Req-0aF9_7:b.Z~42"


@clause("REQ-11", case="answer")
@SHAPE
def test_a_callers_request_id_goes_out_once_and_comes_back_with_the_answer(case: Case, shape: Shape) -> None:
    """It is what the caller finds the call by in every log."""
    _needs(case, shape)
    case.needs("reqid")
    space = case.serve(shape.plain("fine"))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, request_id=REQUEST_ID)

    _expect_id_sent(case, space.journal())
    expect_success(outcome)
    came_back = outcome.answer.request_id if outcome.answer is not None else UNSET
    expect(
        came_back == REQUEST_ID,
        expected=f"request_id {REQUEST_ID!r} on the answer",
        observed=repr(came_back),
    )


@clause("REQ-11", case="stream")
@SHAPE
def test_a_callers_request_id_comes_back_with_each_item_of_a_stream(case: Case, shape: Shape) -> None:
    """Items of several streams in one log are told apart by it."""
    _needs(case, shape, stream=True)
    case.needs("reqid")
    space = case.serve(shape.stream([" one", " two", " three"]))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=True, request_id=REQUEST_ID)

    _expect_id_sent(case, space.journal())
    expect_success(outcome)
    ids = [piece.request_id for piece in outcome.pieces]
    expect(
        bool(ids) and set(ids) == {REQUEST_ID},
        expected=f"request_id {REQUEST_ID!r} on each item",
        observed=repr(ids),
    )


@clause("REQ-11", case="error")
@SHAPE
def test_a_callers_request_id_comes_back_with_the_error(case: Case, shape: Shape) -> None:
    """A failed call is the one that somebody will look up."""
    _needs(case, shape)
    case.needs("reqid")
    failure = {"error": "Incomplete generation", "error_type": "incomplete_generation"}
    space = case.serve(status(500, json=failure))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, request_id=REQUEST_ID)

    _expect_id_sent(case, space.journal())
    info = expect_error(outcome, because="the server answered 500")
    came_back = UNSET if info is None else info.request_id
    expect(
        came_back == REQUEST_ID or REQUEST_ID in error_text(outcome),
        expected=f"request_id {REQUEST_ID!r} on the error",
        observed=f"{came_back!r} on {describe(outcome)}",
    )


def _expect_id_sent(case: Case, journal: Journal) -> None:
    sent = _sent(journal)
    carriers = [name.lower() for name, value in sent.headers if REQUEST_ID.lower() in value.lower()]
    declared = case.description.request_id_header
    exact = [name.lower() for name, value in sent.headers if value == REQUEST_ID]
    expect(
        len(carriers) == 1 and exact == carriers and (declared is None or carriers[0] == declared.lower()),
        expected=f"{REQUEST_ID!r} unchanged in one header{f', {declared}' if declared else ''}",
        observed=f"in {', '.join(carriers) or 'none'}, unchanged in {', '.join(exact) or 'none'}",
    )


@clause("REQ-12")
def test_generated_request_ids_are_unique(case: Case) -> None:
    """A second and a hash of the body are the same for every equal call of that second."""
    case.needs("reqid")
    count = 64
    shape = case.shape()
    space = case.serve(shape.plain("fine").times(count))
    endpoint = case.endpoint(max_concurrent_requests=count, queue_size=count)
    prompt = case.prompt("the same")

    running = [case.start(prompt, endpoint=endpoint, shape=shape) for _ in range(count)]
    outcomes = [call.wait() for call in running]

    for outcome in outcomes:
        expect_success(outcome)
    ids = _generated_ids(case, space.journal(), outcomes)
    if not any(ids):
        raise NotApplicable("no request id is generated when the caller gives none")
    doubled = sorted({str(one) for one in ids if ids.count(one) > 1})
    expect(
        len(set(ids)) == count and all(ids),
        expected=f"{count} different ids for {count} equal calls",
        observed=f"{len(set(ids))} different; more than once: {', '.join(doubled[:5])}",
    )


def _generated_ids(case: Case, journal: Journal, outcomes: Sequence[Outcome]) -> list[str | None]:
    """The ids on the wire where the header is declared, else those on the answers."""
    header = case.description.request_id_header
    if header is not None:
        return [exchange.header(header) for exchange in journal.generations]
    answers = [outcome.answer for outcome in outcomes if outcome.answer is not None]
    return [answer.request_id if isinstance(answer.request_id, str) else None for answer in answers]


_SCHEMA: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": None}},
    "required": ["city"],
}
_TOOL: Final = {
    "type": "function",
    "function": {"name": "weather", "description": "It.", "parameters": _SCHEMA},
}
#: Nested values for every parameter that takes them, by method.
NESTED: Final[Mapping[str, Mapping[str, object]]] = {
    "chat": {
        "stop": ["a", "b"],
        "tools": [_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "stream_options": {"include_usage": False},
        "logit_bias": [0.5, 1.0],
    },
    "generate": {"stop": ["a", "b"], "grammar": {"type": "json", "value": _SCHEMA}},
    "completions": {"stop": ["a", "b"], "stream_options": {"include_usage": True}},
}


@clause("REQ-13", case="plain")
@SHAPE
def test_a_callers_values_are_not_changed(case: Case, shape: Shape) -> None:
    """A dict that grows a key here goes out changed with the caller's next request."""
    _needs(case, shape)
    case.serve(shape.plain("fine").times(0, 1))
    _expect_untouched(_call_with_nested(case, shape, case.endpoint()))


@clause("REQ-13", case="after-retries")
@SHAPE
def test_a_callers_values_are_not_changed_by_retries(case: Case, shape: Shape) -> None:
    """What is popped from the caller's dict in the first attempt is missing in the second."""
    _needs(case, shape)
    case.needs("retry")
    case.needs_setting("max_retries")
    case.serve(overloaded().times(0, 2), shape.plain("fine").times(0, 1))
    endpoint = case.endpoint(max_retries=2, initial_retry_delay=0.02, backoff_factor=1.0)
    _expect_untouched(_call_with_nested(case, shape, endpoint))


def _call_with_nested(case: Case, shape: Shape, endpoint: str) -> Outcome:
    offered = case.description.parameters.get(shape.method, frozenset())
    given = {name: value for name, value in NESTED[shape.method].items() if name in offered}
    subject: object = None
    if shape is CHAT:
        subject = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": case.prompt()}]},
            {"role": "assistant", "content": "", "tool_calls": [_CALL]},
            {"role": "tool", "content": "{}", "tool_call_id": "0"},
        ]
    return case.call(endpoint=endpoint, shape=shape, subject=subject, **given)


def _expect_untouched(outcome: Outcome) -> None:
    expect(
        not outcome.mutated and outcome.ending in ("answer", "error"),
        expected="arguments that are equal before and after the call",
        observed=f"changed: {', '.join(outcome.mutated)}" if outcome.mutated else describe(outcome),
    )


@clause("REQ-14")
@pytest.mark.parametrize("no_proxy", ["127.0.0.1,localhost,::1", "127.0.0.1"], ids=["list", "address"])
def test_no_proxy_is_honoured_where_proxies_are(case: Case, no_proxy: str) -> None:
    """Prompts for a server on this machine would go, in clear, to whatever the proxy variable names."""
    shape = case.shape()
    trap = case.serve(status(502).times(0, None))
    space = case.serve(shape.plain("direct"))
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), trap.base_url)
    with case.fresh_process(**proxies, NO_PROXY=no_proxy, no_proxy=no_proxy) as driver:
        created = driver.run(
            "create_endpoint",
            {"base_url": space.base_url, "api_key": case.key()},
            deadline=case.settings.deadline,
        )
        expect_success(created, "create_endpoint")
        arguments = shape.arguments(case.prompt()) | {"endpoint_id": created.value}
        outcome = driver.run(shape.method, arguments, deadline=case.settings.deadline)

    trapped = trap.journal()
    ours = [
        e for e in trapped.exchanges if "127.0.0.1" in e.target or "127.0.0.1" in (e.header("host") or "")
    ]
    silent = [c for c in trapped.connections if not c.requests]
    expect(
        not ours and not silent,
        expected="nothing at the proxy for a host that is listed in NO_PROXY",
        observed=f"{len(ours)} requests, {len(silent)} connections without one",
        journal=trapped,
    )
    expect_text(outcome, "direct")


@clause("REQ-15", case="one-call")
@FORM
@SHAPE
def test_one_call_sends_one_generation_request(case: Case, shape: Shape, *, stream: bool) -> None:
    """Doubled work is paid for, and waited for by everybody else."""
    _needs(case, shape, stream=stream)
    space = case.serve(shape.reply("once only", streaming=stream).times(1, None))
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)

    expect_text(outcome, "once only")
    expect_requests(
        space.journal().generations, 1, because="one call was made and answered", journal=space.journal()
    )
