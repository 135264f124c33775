"""RESP: what is made of an answer. Stimuli are cut from recorded answers, one thing changed at a time."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import pytest

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Body, Reply, Response, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.generated.streams import stratified
from tgi_conformance.suites.generated.texts import texts
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_success, expect_text
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Draft, Shape

SHAPES: Final = (CHAT, NATIVE, COMPLETIONS)
SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


def _answer_to(case: Case, shape: Shape, reply: Reply, prompt: str | None = None) -> Outcome:
    """Make one call that gets this reply."""
    case.needs(shape.capability)
    case.serve(reply)
    return case.call(prompt, endpoint=case.endpoint(), shape=shape)


@clause("RESP-01")
@pytest.mark.parametrize("path", ["/generate", "/"], ids=["object", "list"])
def test_both_native_shapes_parse(case: Case, path: str) -> None:
    """``/generate`` answers with an object, ``/`` with a list of one; each client is given its route's."""
    case.needs("native")
    text = "Deep learning is"
    space = case.serve(NATIVE.plain(text).times(0, None))

    outcome = case.call(endpoint=case.endpoint(), shape=NATIVE)

    sent = space.journal().generations
    if sent and sent[0].path != path:
        raise NotApplicable(f"the backend calls {sent[0].path}")
    expect_success(outcome)
    expect(outcome.text.strip() == text, expected=f"the text {text!r}", observed=repr(outcome.text))


#: Texts that a client may be tempted to clean up.
TEXTS: Final[Mapping[str, str]] = {
    "blanks-and-newlines": "  \n x ",
    "one-leading-blank": " Deep learning",
    "trailing-newlines": "x\n\n",
    "blanks-only": " \n",
    "empty": "",
    "odd-spaces": "\u00a0\u2003x\u3000\u200b",
    "line-separators": "a\u2028b\u2029c\u0085d",
    "nul": "a\0b",
    "byte-order-mark": "\ufeffx",
    "sse-words": "data: [DONE]\n\n",
    "special-tokens": "</s> <|endoftext|> <unk>",
    "markup": "<b>&amp;</b> ```json\n{}\n```",
    "json": '{"a": 1}',
    "number": "42",
    "null-word": "null",
    "astral": "😀 é e\u0301 中",
}


@clause("RESP-02")
@pytest.mark.parametrize("form", sorted(TEXTS))
@SHAPE
def test_the_text_comes_back_exactly(case: Case, shape: Shape, form: str) -> None:
    """Leading blanks are tokens of the answer; a client that joins answers needs them."""
    _expect_exact(case, _answer_to(case, shape, shape.plain(TEXTS[form])), TEXTS[form])


@clause("RESP-02", case="property")
@SHAPE
def test_any_text_comes_back_exactly(case: Case, shape: Shape) -> None:
    """Whatever the model says."""
    case.needs(shape.capability)

    def check(example: Case, text: str) -> None:
        _expect_exact(example, _answer_to(example, shape, shape.plain(text)), text)

    check_property(case, texts(most=60), check)


def _expect_exact(case: Case, outcome: Outcome, text: str) -> None:
    if case.description.trims:
        expect_success(outcome)
        expect(
            outcome.text == text.strip(),
            expected=f"the text, trimmed as declared: {text.strip()!r}",
            observed=repr(outcome.text),
        )
    else:
        expect_text(outcome, text)


_QUESTION: Final = "What is Deep Learning?"
#: Answers that do not begin with the prompt, though some look so.
NO_PREFIX: Final[Mapping[str, str]] = {
    "unlike": " A branch of machine learning, and a longer text than the prompt was.",
    "shorter": " Yes.",
    "half-of-it": "What is Deep Space? I do not know either, to be honest.",
    "without-its-last-mark": "What is Deep Learning, really? A good question.",
    "in-the-middle": " You ask: What is Deep Learning? Well.",
    "other-case": "what is deep learning? You tell me.",
}


@clause("RESP-03")
@pytest.mark.parametrize("form", sorted(NO_PREFIX))
def test_a_text_that_does_not_begin_with_the_prompt_loses_nothing(case: Case, form: str) -> None:
    """Cutting the prompt's length off an answer without it eats the answer."""
    outcome = _answer_to(case, NATIVE, NATIVE.plain(NO_PREFIX[form]), _QUESTION)

    expect_success(outcome)
    expect(
        outcome.text.strip().endswith(NO_PREFIX[form].strip()),
        expected=f"the whole of {NO_PREFIX[form]!r}",
        observed=repr(outcome.text),
    )


def _tool_message(**content: JSON) -> JSON:
    """The recorded tool answer of TGI, whose message has no content, or the content given."""
    body = json.loads(json.dumps(wire_example("chat-tools-auto").json))
    message = body["choices"][0]["message"]
    message.pop("content", None)
    message.update(content)
    return cast("JSON", body)


@clause("RESP-04")
@pytest.mark.parametrize("form", ["absent", "null", "empty"])
def test_a_message_of_tool_calls_without_content_is_an_answer(case: Case, form: str) -> None:
    """TGI leaves the key out altogether; ``message["content"]`` is a crash there."""
    case.needs("chat")
    content: dict[str, dict[str, JSON]] = {"absent": {}, "null": {"content": None}, "empty": {"content": ""}}
    body = _tool_message(**content[form])
    function = cast("Draft", body)["choices"][0]["message"]["tool_calls"][0]["function"]
    offers = "tools" in case.description.parameters.get("chat", frozenset())
    tool = {"type": "function", "function": {"name": function["name"], "parameters": {"type": "object"}}}
    space = case.serve(status(200, json=body))

    outcome = case.call(endpoint=case.endpoint(), shape=CHAT, **({"tools": [tool]} if offers else {}))

    expect_success(outcome)
    calls = outcome.answer.tool_calls if outcome.answer is not None else UNSET
    if calls is UNSET and not case.claims("tools"):
        return  # the answer came through; calls are what `tools` claims
    names = [call.name for call in calls] if isinstance(calls, tuple) else []
    expect(
        names == [function["name"]],
        expected=f"a tool call of {function['name']}",
        observed=repr(calls),
        journal=space.journal(),
    )


Change = Callable[[Draft], object]


def _everywhere(value: Any) -> None:
    """Add an unknown field to every object of a body."""
    if isinstance(value, dict):
        for inner in list(value.values()):
            _everywhere(inner)
        value["x_tgi_next"] = {"nested": [1, None, "two"]}
    elif isinstance(value, list):
        for inner in value:
            _everywhere(inner)


def _choice(body: Draft) -> Draft:
    return cast("Draft", body["choices"][0])


_TOKEN: Final = {"id": 3, "text": "x", "logprob": None, "special": False}
_SEQUENCE: Final = {
    "generated_text": "other",
    "finish_reason": "length",
    "generated_tokens": 1,
    "seed": None,
    "prefill": [],
    "tokens": [],
}
#: Answers that differ from the usual in what a client has no business to insist on.
TOLERATED: Final[Mapping[str, Mapping[str, Change]]] = {
    "native": {
        "extra-everywhere": _everywhere,
        "no-details": lambda body: body.pop("details", None),
        "details-null": lambda body: body.update(details=None),
        "logprob-null": lambda body: body["details"].update(tokens=[_TOKEN], prefill=[_TOKEN]),
        "no-top-tokens": lambda body: body["details"].pop("top_tokens", None),
        "top-tokens": lambda body: body["details"].update(top_tokens=[[_TOKEN]]),
        "best-of": lambda body: body["details"].update(best_of_sequences=[_SEQUENCE]),
        "seed-64-bit": lambda body: body["details"].update(seed=2**64 - 1),
    },
    "chat": {
        "extra-everywhere": _everywhere,
        "id-empty": lambda body: body.update(id=""),
        "object-of-text-completion": lambda body: body.update(object="text_completion"),
        "object-unknown": lambda body: body.update(object="chat.completion.v2"),
        "no-logprobs": lambda body: _choice(body).pop("logprobs", None),
        "logprobs-null": lambda body: _choice(body).update(logprobs=None),
        "logprob-null": lambda body: _choice(body).update(
            logprobs={"content": [{"token": "x", "logprob": None, "top_logprobs": []}]}
        ),
    },
    "completions": {
        "extra-everywhere": _everywhere,
        "id-empty": lambda body: body.update(id=""),
        "object-unknown": lambda body: body.update(object="completion.v2"),
        "no-logprobs": lambda body: _choice(body).pop("logprobs", None),
        "logprobs-null": lambda body: _choice(body).update(logprobs=None),
    },
}
_TOLERATED: Final = {
    f"{shape.name}-{form}": (shape, change)
    for shape in SHAPES
    for form, change in TOLERATED[shape.name].items()
}


@clause("RESP-05")
@pytest.mark.parametrize("form", sorted(_TOLERATED))
def test_unknown_fields_and_missing_options_are_accepted(case: Case, form: str) -> None:
    """TGI's versions and the proxies before it differ in just these."""
    shape, change = _TOLERATED[form]
    body = shape.body("as usual")
    change(cast("Draft", body))

    outcome = _answer_to(case, shape, status(200, json=body, root_array=True))

    if form in _WITHOUT_DETAILS and _asked_for_details(case):
        raise NotApplicable("the backend asks for details, and TGI gives them then")
    expect_text(outcome, "as usual")


_WITHOUT_DETAILS: Final = frozenset({"native-no-details", "native-details-null"})


def _asked_for_details(case: Case) -> bool:
    return any(NATIVE.parameters_of(e.json()).get("details") is True for e in case.journal().generations)


#: Values that servers put into ``finish_reason``, by slug.
FINISH: Final[Mapping[str, str | None]] = {
    "stop": "stop",
    "length": "length",
    "eos_token": "eos_token",
    "stop_sequence": "stop_sequence",
    "tool_calls": "tool_calls",
    "empty": "",
    "null": None,
    "unknown": "model_went_home",
}


def _finishing(shape: Shape, text: str, reason: str | None) -> Reply:
    body = cast("Draft", shape.body(text))
    place = body["details"] if shape is NATIVE else _choice(body)
    place["finish_reason"] = reason
    return status(200, json=cast("JSON", body), root_array=True)


@clause("RESP-06")
@pytest.mark.parametrize("form", sorted(FINISH))
@SHAPE
def test_any_finish_reason_parses(case: Case, shape: Shape, form: str) -> None:
    """The set is open: a word that is new to the client must not cost the answer."""
    outcome = _answer_to(case, shape, _finishing(shape, "as usual", FINISH[form]))

    expect_text(outcome, "as usual")


@clause("RESP-07")
@pytest.mark.parametrize("natural", ["eos", "stop-sequence"])
@SHAPE
def test_a_cut_answer_can_be_told_from_a_finished_one(case: Case, shape: Shape, natural: str) -> None:
    """What was cut at the length limit is not the model's last word."""
    case.needs(shape.capability)
    ended = {"eos": "eos_token" if shape is NATIVE else "stop", "stop-sequence": "stop_sequence"}[natural]
    case.serve(_finishing(shape, "half", "length"), _finishing(shape, "whole", ended))
    endpoint = case.endpoint()

    cut, whole = (_end_told(case.call(endpoint=endpoint, shape=shape)) for _ in range(2))

    if cut == (UNSET, UNSET):
        raise NotApplicable("no finish reason is exposed")
    expect(
        cut != whole,
        expected=f"length and {ended} told apart by finish_reason or incomplete",
        observed=f"{cut!r} for both",
    )


def _end_told(outcome: Outcome) -> tuple[object, object]:
    expect_success(outcome)
    answer = outcome.answer
    return (UNSET, UNSET) if answer is None else (answer.finish_reason, answer.incomplete)


#: Bodies of a 200 that hold no answer of any route.
NO_ANSWER: Final[Mapping[str, Body]] = {
    "html": Body(html="<html><body>Sign in to continue</body></html>"),
    "html-as-json": Body(text="<html></html>", content_type="application/json"),
    "empty": Body(),
    "empty-as-json": Body(text="", content_type="application/json"),
    "plain-text": Body(text="Deep learning is"),
    "list-empty": Body(json=[]),
    "list-of-null": Body(json=[None]),
    "object-empty": Body(json={}),
    "null": Body(json=None),
    "string": Body(json="Deep learning is"),
    "number": Body(json=0),
    "false": Body(json=False),
    "choices-empty": Body(json={"choices": []}),
    "choices-null": Body(json={"choices": None}),
    "choice-empty": Body(json={"choices": [{}]}),
    "message-null": Body(json={"choices": [{"index": 0, "message": None, "finish_reason": "stop"}]}),
    "text-null": Body(json={"choices": [{"index": 0, "text": None, "finish_reason": "stop"}]}),
    "generated-text-null": Body(json={"generated_text": None}),
    "other-fields": Body(json={"result": "Deep learning is", "status": "ok"}),
    "cut-json": Body(text='{"generated_text": "Deep', content_type="application/json"),
    "events": Body(text="data: {}\n\n", content_type="text/event-stream"),
}


@clause("RESP-08")
@pytest.mark.parametrize("form", sorted(NO_ANSWER))
@SHAPE
def test_a_200_without_an_answer_is_an_error(case: Case, shape: Shape, form: str) -> None:
    """A login page or an empty list is no empty answer."""
    reply = in_band_fault(Reply(response=Response(body=NO_ANSWER[form])))

    _expect_no_answer(_answer_to(case, shape, reply))


@clause("RESP-08", case="other-route")
@pytest.mark.parametrize(
    ("shape", "other"),
    [(NATIVE, CHAT), (CHAT, NATIVE), (COMPLETIONS, NATIVE)],
    ids=["native", "chat", "completions"],
)
def test_a_200_in_another_routes_form_is_no_empty_success(case: Case, shape: Shape, other: Shape) -> None:
    """A proxy that rewrites routes answers so; reading the text is fine, inventing an empty one is not."""
    outcome = _answer_to(case, shape, in_band_fault(other.plain("elsewhere")))

    if outcome.returned and outcome.text == "elsewhere":
        return
    _expect_no_answer(outcome)


def _expect_no_answer(outcome: Outcome) -> None:
    info = expect_error(outcome, because="the 200 holds no answer")
    expect(
        info is not None and info.kind is not ErrorKind.UNMAPPED,
        expected="one of the client's own errors",
        observed=describe(outcome),
    )
    told = None if info is None else info.status
    expect(
        told in (200, None, UNSET),
        expected="the status 200 on the error, where it carries one",
        observed=repr(told),
    )


#: Errors that came with a 200.
IN_BAND: Final[Mapping[str, JSON]] = {
    "native": {"error": "Request failed during generation: shard died", "error_type": "generation"},
    "openai": {"error": {"message": "Request failed during generation: shard died", "http_status_code": 422}},
    "openai-type": {
        "error": {
            "message": "Request failed during generation: shard died",
            "type": "server_error",
            "code": 500,
        }
    },
}


@clause("RESP-09")
@pytest.mark.parametrize("form", sorted(IN_BAND))
@SHAPE
def test_an_error_object_in_a_200_is_an_error(case: Case, shape: Shape, form: str) -> None:
    """The status says well, the body says why not; the body is right."""
    outcome = _answer_to(case, shape, in_band_fault(status(200, json=IN_BAND[form])))

    expect_error(outcome, contains="shard died", because="the 200 holds an error")


def _short(shape: Shape, text: str, *, framing: str) -> Response:
    """An answer whose JSON is whole well before the body ends: blanks follow it."""
    body = json.dumps(shape.body(text)) + " " * 64
    return Response(
        body=Body(text=body, content_type="application/json"),
        framing=framing,  # type: ignore[arg-type]
    )


#: How many places of a body are tried in one case.
CUTS: Final = 12


@clause("RESP-10")
@pytest.mark.parametrize("ending", ["fin", "rst"])
@pytest.mark.parametrize("framing", ["content-length", "chunked"])
@SHAPE
def test_a_body_that_ends_early_is_an_error(case: Case, shape: Shape, framing: str, ending: str) -> None:
    """A cut answer is not an answer, not even where its first part happens to be whole JSON."""
    case.needs(shape.capability)
    response = _short(shape, "whole", framing=framing)
    length = len(str(response.body.text).encode())
    whole = case.settings.profile == "thorough"
    offsets = (*stratified(length - 64, CUTS, whole=whole), length - 64, length - 1)
    case.serve(*(Reply(response=response).cut(ending, byte=offset) for offset in offsets))
    endpoint = case.endpoint()

    for offset in offsets:
        outcome = case.call(endpoint=endpoint, shape=shape)
        expect_error(outcome, because=f"the body ended after {offset} of {length} bytes")


@clause("RESP-10", case="no-last-chunk")
@SHAPE
def test_a_chunked_body_without_its_last_chunk_is_an_error(case: Case, shape: Shape) -> None:
    """The last chunk is what says that nothing is missing (RFC 9112 section 8)."""
    reply = Reply(response=_short(shape, "whole", framing="chunked")).cut("no-last-chunk", byte=_whole(shape))

    expect_error(_answer_to(case, shape, reply), because="the last chunk is missing")


def _whole(shape: Shape) -> int:
    return len(str(_short(shape, "whole", framing="chunked").body.text).encode())


@clause("RESP-11", case="charset")
@pytest.mark.parametrize(
    "label",
    ["application/json", "application/json; charset=latin-1", "application/json;charset=ascii"],
    ids=["none", "latin-1", "ascii"],
)
@SHAPE
def test_json_is_utf8_whatever_the_label_says(case: Case, shape: Shape, label: str) -> None:
    """JSON has no charset parameter (RFC 8259 section 8.1); ``cafÃ©`` comes of believing one."""
    text = "café 中 😀"
    reply = status(200, json=shape.body(text), root_array=True, content_type=label)

    outcome = _answer_to(case, shape, reply)

    expect_text(outcome, text)


@clause("RESP-11", case="gzip")
@SHAPE
def test_a_coding_that_was_offered_is_undone(case: Case, shape: Shape) -> None:
    """Whoever offers gzip gets it; whoever does not gets the bytes as they are."""
    text = "compressible " * 40 + "to the end"
    reply = shape.plain(text)
    response = dataclasses.replace(cast("Response", reply.response), gzip=True)

    outcome = _answer_to(case, shape, dataclasses.replace(reply, response=response))

    expect_text(outcome, text)


@clause("RESP-12")
@pytest.mark.parametrize("order", [(1, 0), (2, 0, 1)], ids=["two", "three"])
def test_batch_answers_are_matched_by_index(case: Case, order: tuple[int, ...]) -> None:
    """TGI lists choices as they get done, not as they were asked for."""
    case.needs("completions")
    body = cast("Draft", COMPLETIONS.body("x"))
    (choice,) = body["choices"]
    body["choices"] = [choice | {"index": index, "text": f"answer {index}"} for index in order]
    case.serve(status(200, json=cast("JSON", body)).times(0, 1))
    prompts = [case.prompt(f"question {index}") for index in range(len(order))]

    outcome = case.call(prompts[0], endpoint=case.endpoint(), shape=COMPLETIONS, subject=prompts)

    if outcome.raised and not case.journal().generations:
        raise NotApplicable(f"a list of prompts is refused: {describe(outcome)}")
    expect_success(outcome)
    if outcome.answer is None or outcome.answer.texts is UNSET:
        raise NotApplicable("texts is not exposed")
    expect(
        outcome.answer.texts == tuple(f"answer {index}" for index in range(len(order))),
        expected="each answer at the place of its prompt",
        observed=repr(outcome.answer.texts),
    )
