"""GEN: where the text begins and ends: the length limit, stop strings, and no prompt in front."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import pytest

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Server, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.answers import outcomes_of
from tgi_conformance.suites.areas.parameters import LIMIT_NAMES, call_with, expect_arrived
from tgi_conformance.suites.areas.ways import EITHER, FORM, SHAPE, STREAM, asking, needs_way
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_error, expect_success, only_request
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Shape


@clause("GEN-06", case="mapped")
@EITHER
@SHAPE
def test_the_length_limit_goes_into_tgis_own_field_alone(case: Case, shape: Shape, *, stream: bool) -> None:
    """A limit under another name is an unknown field to TGI: it generates on."""
    wire = call_with(case, shape, {shape.limit: 64}, stream=stream)

    sent = {name: wire[name] for name in LIMIT_NAMES if name in wire}
    allowed = (
        [{shape.limit: 64}, {"max_completion_tokens": 64}] if shape.name == CHAT.name else [{shape.limit: 64}]
    )
    expect(
        sent in allowed,
        expected=f"{shape.limit}: 64 and no other length",
        observed=json.dumps(sent),
    )


#: Less room than the 1024 tokens that the router counts at most for a length limit (wire facts of TGI 3.3).
_SMALL: Final = Server(max_input_tokens=256, max_total_tokens=512)


@clause("GEN-06", case="refused")
@pytest.mark.parametrize("limit", [0, 10**6], ids=["zero", "huge"])
@FORM
@SHAPE
def test_a_length_limit_that_tgi_refuses_reaches_the_caller(
    case: Case, shape: Shape, limit: int, *, stream: bool
) -> None:
    """Clamped in silence, the caller gets another length than was asked for."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    case.needs_parameter(shape, shape.limit)
    space = case.serve_healthy(server=_SMALL)

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream, **{shape.limit: limit})

    expect_error(outcome, because=f"TGI refuses {shape.limit}={limit}")
    for exchange in space.journal().generations:
        wire = shape.parameters_of(exchange.json())
        expect(
            [wire[name] for name in LIMIT_NAMES if name in wire] == [limit],
            expected=f"{shape.limit}: {limit} as given, or no request",
            observed=json.dumps({name: wire[name] for name in LIMIT_NAMES if name in wire}),
        )


@clause("GEN-07")
@EITHER
@SHAPE
def test_with_no_limit_given_none_is_sent(case: Case, shape: Shape, *, stream: bool) -> None:
    """An invented limit of 20 cuts answers in the middle of a sentence."""
    wire = call_with(case, shape, {}, stream=stream)

    sent = {name: wire[name] for name in LIMIT_NAMES if wire.get(name) is not None}
    declared = case.description.defaults.parameters
    undeclared = {name: value for name, value in sent.items() if declared.get(name, UNSET) != value}
    if sent and not undeclared:
        case.note({"declared default": sent})
    expect(not undeclared, expected="no length limit on the wire", observed=json.dumps(undeclared))


#: Stop strings that are easily spoilt.
STOPS: Final[Mapping[str, list[str]]] = {
    "four": ["a", "b", "c", "d"],
    "newlines": ["\n\n", "\r\n", "\t"],
    "escapes": ["\\n", '"', "\\", "/"],
    "marks": ["<|im_end|>", "</s>", "[DONE]", "data:"],
    "emoji": ["😀", "👩\u200d👧", "é", "e\u0301"],
    "blanks": [" ", "  ", " x "],
    "doubled": ["x", "y", "x"],
}


@clause("GEN-08")
@pytest.mark.parametrize("form", sorted(STOPS))
@SHAPE
def test_stop_strings_arrive_complete_and_in_order(case: Case, shape: Shape, form: str) -> None:
    """A stop string that was changed never matches."""
    expect_arrived(call_with(case, shape, {"stop": STOPS[form]}), {"stop": STOPS[form]})


@clause("GEN-08", case="each")
@STREAM
@SHAPE
def test_stop_strings_of_a_stream_arrive_complete_and_in_order(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """A filter or a set on the way of streams alone is none the better for it."""
    case.needs_parameter(shape, "stop")
    ask = asking(case, shape, stream=stream)
    for form in sorted(STOPS):
        outcome, sent = ask(stop=STOPS[form])
        wire = {} if sent is None else shape.parameters_of(sent.json())
        expect_arrived(wire, {"stop": STOPS[form]})
        expect_success(outcome)


@clause("GEN-08", case="five")
@EITHER
@SHAPE
def test_more_stop_strings_than_allowed_are_never_cut(case: Case, shape: Shape, *, stream: bool) -> None:
    """The fifth is the one that the caller will miss."""
    needs_way(case, shape, stream=stream)
    case.needs_parameter(shape, "stop")
    stops = ["a", "b", "c", "d", "e"]
    space = case.serve_healthy(server=Server(max_stop_sequences=4))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream, stop=stops)

    for exchange in space.journal().generations:
        expect_arrived(shape.parameters_of(exchange.json()), {"stop": stops})
    expect_error(outcome, because="TGI takes four stop sequences")


@clause("GEN-09")
@pytest.mark.parametrize("finish", ["stop_sequence", "length"])
@pytest.mark.parametrize("text", ["one STOP", "one STOP two"], ids=["suffix", "middle"])
@SHAPE
def test_a_stop_string_is_cut_off_only_where_it_ended_the_text(
    case: Case, shape: Shape, text: str, finish: str
) -> None:
    """TGI keeps the stop string in the text; what stands in the middle is the model's own."""
    case.needs(shape.capability)
    case.needs_parameter(shape, "stop")
    case.serve(shape.plain(text, finish=finish))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stop=["STOP"])

    _expect_own_text(case, outcome, text, finish)


#: Tokens of texts that hold a stop string, which is one token or parts of two, and why each stream ends.
_STOPPED: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "suffix": (("one", " STOP"), "stop_sequence"),
    "suffix-in-two": (("one", " ST", "OP"), "stop_sequence"),
    "suffix-by-chance": (("one", " STOP"), "length"),
    "middle": (("one", " STOP", " two"), "length"),
    "middle-in-two": (("one", " ST", "OP two"), "stop_sequence"),
    "middle-in-one": (("one STOP two",), "length"),
}


@clause("GEN-09")
@pytest.mark.parametrize("stream", [True], ids=["stream"])
@SHAPE
def test_a_stream_is_not_cut_at_a_stop_string_in_its_middle(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """Whoever ends a stream where it finds the stop string loses the rest of an answer that went on."""
    case.needs(shape.capability, "stream")
    case.needs_parameter(shape, "stop")
    replies = {form: shape.stream(tokens, finish=finish) for form, (tokens, finish) in _STOPPED.items()}

    outcomes = outcomes_of(case, shape, replies, stream=stream, stop=["STOP"])

    for form, (tokens, finish) in _STOPPED.items():
        _expect_own_text(case, outcomes[form], "".join(tokens), finish)


def _expect_own_text(case: Case, outcome: Outcome, text: str, finish: str) -> None:
    """The text, or what is left of it where a stop string ended it and was taken off."""
    expect_success(outcome)
    right = [text]
    if finish == "stop_sequence" and text.endswith("STOP"):
        right.append(text.removesuffix("STOP"))
    if case.description.trims:
        right += [each.strip() for each in right]
    expect(
        outcome.text in right,
        expected=" or ".join(repr(each) for each in right),
        observed=repr(outcome.text),
    )


@clause("GEN-10")
def test_the_completion_alone_is_asked_for_in_so_many_words(case: Case) -> None:
    """On ``/`` TGI puts the prompt before the answer unless told not to."""
    case.needs("native")
    if case.description.returns != "completion":
        raise NotApplicable("the backend does not promise the completion alone")
    without = cast("list[dict[str, JSON]]", wire_example("compat-root-no-full-text").json)
    space = case.serve(NATIVE.plain("the completion").where(path="/generate").times(0, 1), *_pipeline())

    outcome = case.call(_PIPELINE_PROMPT, endpoint=case.endpoint(), shape=NATIVE)

    sent = only_request(space.journal())
    if sent.path != "/":
        raise NotApplicable(f"the backend sends to {sent.path}, which answers with the completion alone")
    expect(
        NATIVE.parameters_of(sent.json()).get("return_full_text") is False,
        expected="return_full_text: false",
        observed=json.dumps(sent.json()),
    )
    expect_success(outcome)
    expect(
        outcome.says(str(without[0]["generated_text"])),
        expected=f"the completion {without[0]['generated_text']!r}",
        observed=repr(outcome.text),
    )


_PIPELINE_PROMPT: Final = "What is Deep Learning?"


def _pipeline() -> Iterator[Any]:
    """``/`` as recorded: with the prompt in front unless the request says otherwise.

    The details are there for a client that asks for them; the recorded ones did not.
    """
    details = cast("dict[str, JSON]", NATIVE.body(""))["details"]
    for name, asked in (("compat-root-no-full-text", '"return_full_text"'), ("compat-root", None)):
        (entry,) = cast("list[dict[str, JSON]]", wire_example(name).json)
        reply = status(200, json=[entry | {"details": details}]).times(0, 1).where(path="/")
        yield reply.where(contains=asked) if asked else reply
