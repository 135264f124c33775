"""GEN: each parameter arrives as it was given, and does not stay for the next call."""

import json
from collections.abc import Mapping
from typing import Final, cast

import pytest

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.suites.areas.parameters import (
    SHAPE_OF_METHOD,
    as_passed,
    call_with,
    expect_arrived,
    needs_any,
    offered,
    widest_integer,
)
from tgi_conformance.suites.areas.tools import WEATHER
from tgi_conformance.suites.areas.ways import EITHER, SHAPE, STREAM, Ask, asking, needs_way
from tgi_conformance.suites.generated.requests import PARAMETERS, parameters
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_requests, expect_success
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, Shape


@clause("GEN-01", case="property-p05")
@SHAPE
def test_every_parameter_arrives_unchanged(case: Case, shape: Shape) -> None:
    """Any valid values of what the backend offers, in any combination (falsy ones: GEN-02)."""
    case.needs(shape.capability)
    names = needs_any(case, shape, PARAMETERS[shape.method])
    domain = parameters(shape, names, most=widest_integer(case))

    def check(example: Case, given: dict[str, JSON]) -> None:
        truthy = {name: value for name, value in given.items() if value}
        expect_arrived(call_with(example, shape, given), truthy)

    check_property(case, domain, check, shared=3)


#: One usual value of each parameter, by method: each is tried alone.
USUAL: Final[Mapping[str, Mapping[str, JSON]]] = {
    "generate": {
        "max_new_tokens": 20,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 5,
        "typical_p": 0.95,
        "repetition_penalty": 1.03,
        "frequency_penalty": 0.1,
        "seed": 2**64 - 1,
        "stop": ["\n\n"],
        "truncate": 100,
        "watermark": True,
        "do_sample": True,
        "return_full_text": True,
        "details": True,
        "decoder_input_details": True,
        "top_n_tokens": 3,
        "best_of": 1,
        "adapter_id": "my-lora",
        "grammar": {"type": "regex", "value": "[a-z]+"},
    },
    "chat": {
        "max_tokens": 20,
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 2**64 - 1,
        "stop": ["\n\n"],
        "frequency_penalty": 0.1,
        "presence_penalty": 0.1,
        "logprobs": True,
        "top_logprobs": 2,
        "guideline": "Be kind.",
        "tool_prompt": "Choose a tool.",
    },
    "completions": {
        "max_tokens": 20,
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 2**64 - 1,
        "stop": ["\n\n"],
        "frequency_penalty": 0.1,
        "repetition_penalty": 1.03,
    },
}


def _rows(table: Mapping[str, Mapping[str, JSON]]) -> dict[str, tuple[Shape, str, JSON]]:
    return {
        f"{SHAPE_OF_METHOD[method].name}-{name}": (SHAPE_OF_METHOD[method], name, value)  # type: ignore[index]
        for method, values in table.items()
        for name, value in values.items()
    }


_USUAL: Final = _rows(USUAL)


@clause("GEN-01", case="alone", ways=("native", "chat", "completions"))
@pytest.mark.parametrize("row", sorted(_USUAL))
def test_a_parameter_alone_arrives_unchanged(case: Case, row: str) -> None:
    """A parameter that is lost on the way leaves the caller with the server's default, unknowing."""
    shape, name, value = _USUAL[row]
    given = as_passed(case, {name: value})

    expect_arrived(call_with(case, shape, given), given)


#: What TGI refuses in a stream; how a client tells of that is GEN-11's.
_NOT_IN_STREAMS: Final = frozenset({"best_of", "decoder_input_details"})


@clause("GEN-01", case="usual")
@STREAM
@SHAPE
def test_every_parameter_of_a_stream_arrives_unchanged(case: Case, shape: Shape, *, stream: bool) -> None:
    """A stream that loses ``stop`` or ``temperature`` is another generation than the plain call's."""
    given = _compatible(case, shape, stream=stream)
    if "stream_options" in offered(case, shape):
        given["stream_options"] = {"include_usage": True}
    if not given:
        raise NotApplicable(f"{shape.method} offers no parameter")
    ask = asking(case, shape, stream=stream)

    outcome, sent = ask(**given)

    if sent is None:
        _expect_each_arrived(shape, ask, given)
        return
    expect_arrived(shape.parameters_of(sent.json()), given)
    expect_success(outcome, f"a stream with {json.dumps(given)}")


@clause("GEN-01", case="unowned")
@EITHER
@pytest.mark.parametrize("shape", [CHAT], ids=lambda shape: shape.name)
def test_a_parameter_that_no_claimed_capability_owns_arrives(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """Tools and formats have clauses of their own, which bind only who claims them; the rest are numbers."""
    needs_way(case, shape, stream=stream)
    given = {name: value for name, value in _unowned(case).items() if name in offered(case, shape)}
    if not given:
        raise NotApplicable("each parameter that is offered has a clause of its own, or another case")
    ask = asking(case, shape, stream=stream)
    for name, value in given.items():
        both = {"tools": given["tools"]} if name == "tool_choice" and "tools" in given else {}
        _, sent = ask(**both, **{name: value})
        if sent is not None:
            wire = shape.parameters_of(sent.json())
            expect_arrived({**wire, name: _less_added(wire.get(name), value)}, {name: value})


def _less_added(sent: JSON, given: JSON) -> JSON:
    """What was sent, less the keys of another server's form beside those that were given."""
    if not isinstance(sent, dict) or not isinstance(given, dict):
        return sent
    return {key: value for key, value in sent.items() if key in given}


def _unowned(case: Case) -> dict[str, JSON]:
    """Structured parameters, by name, less those that TOOL-01, -03 and -12 judge for this backend."""
    schema: JSON = {"type": "object", "properties": {"name": {"type": "string"}}}
    values: dict[str, JSON] = {"logit_bias": [0.5, 1.0]}
    if not case.claims("tools"):
        values |= {"tools": [WEATHER], "tool_choice": "required"}
    if not case.claims("grammar"):
        values["response_format"] = {"type": "json_object", "value": schema}
    return values


def _expect_each_arrived(shape: Shape, ask: Ask, given: Mapping[str, JSON]) -> None:
    """What a stream takes arrives; what it refuses aloud, each alone, is not offered there."""
    taken = 0
    for name, value in given.items():
        _, sent = ask(**{name: value})
        if sent is not None:
            taken += 1
            expect_arrived(shape.parameters_of(sent.json()), {name: value})
    if not taken:
        raise NotApplicable(f"a stream of {shape.method} takes no parameter")


#: Values that ``if value:`` takes for "unset".
FALSY: Final[Mapping[str, Mapping[str, JSON]]] = {
    "chat": {
        "temperature": 0,
        "seed": 0,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "logprobs": False,
    },
    "generate": {
        "seed": 0,
        "frequency_penalty": 0,
        "do_sample": False,
        "top_n_tokens": 0,
        "return_full_text": False,
        "watermark": False,
        "details": False,
        "decoder_input_details": False,
    },
    "completions": {"temperature": 0, "seed": 0, "frequency_penalty": 0},
}
_FALSY: Final = _rows(FALSY)


@clause("GEN-02", ways=("native", "chat", "completions"))
@pytest.mark.parametrize("row", sorted(_FALSY))
def test_a_falsy_value_is_sent(case: Case, row: str) -> None:
    """``temperature=0`` dropped is sampling where greedy decoding was asked for."""
    shape, name, value = _FALSY[row]

    expect_arrived(call_with(case, shape, {name: value}), {name: value})


@clause("GEN-02", case="each")
@STREAM
@SHAPE
def test_a_falsy_value_is_sent_with_a_stream(case: Case, shape: Shape, *, stream: bool) -> None:
    """``if value:`` may stand in the code of streams alone."""
    names = sorted(offered(case, shape) & set(FALSY[shape.method]) - _NOT_IN_STREAMS)
    if not names:
        raise NotApplicable(f"{shape.method} offers no parameter that can be falsy")
    ask = asking(case, shape, stream=stream)

    _expect_each_arrived(shape, ask, {name: FALSY[shape.method][name] for name in names})


#: Values that no client sends by itself: where one stands in another call's request, it has stayed.
MARKED: Final[Mapping[str, JSON]] = {
    "max_new_tokens": 1213,
    "max_tokens": 1213,
    "temperature": 0.6713,
    "top_p": 0.4713,
    "seed": 20_130_713,
    "stop": ["<13>"],
}


@clause("GEN-13")
@EITHER
@SHAPE
def test_parameters_do_not_stick_to_the_next_call(case: Case, shape: Shape, *, stream: bool) -> None:
    """A dict of defaults that a call writes into makes every later call another one, of either form."""
    given = _compatible(case, shape, stream=stream)
    given |= {name: value for name, value in MARKED.items() if name in given}
    needs_way(case, shape, stream=stream)
    if not given:
        raise NotApplicable(f"{shape.method} offers no parameter")
    bare: list[tuple[bool, dict[str, JSON]]] = [(form, {}) for form in ([False, True] if stream else [False])]
    calls = [*bare, (stream, given), *bare]
    space = case.serve(*(shape.reply("fine", streaming=form) for form, _ in calls))
    endpoint = case.endpoint()

    for form, each in calls:
        outcome = case.call(endpoint=endpoint, shape=shape, stream=form, **each)
        expect_success(outcome, f"a call with {json.dumps(each)}")

    sent = space.journal().generations
    expect_requests(sent, len(calls), because=f"{len(calls)} calls", journal=space.journal())
    for first, last in zip(sent[: len(bare)], sent[-len(bare) :], strict=True):
        expect(
            _less_prompt(shape, first) == _less_prompt(shape, last),
            expected=f"the body of the call before: {json.dumps(_less_prompt(shape, first))}",
            observed=json.dumps(_less_prompt(shape, last)),
        )
        # Where it stays for every endpoint, the first call of a repeated case has it too.
        wire = shape.parameters_of(last.json())
        stayed = sorted(name for name, value in MARKED.items() if wire.get(name) == value)
        expect(
            not stayed,
            expected="none of the values that another call was given",
            observed=json.dumps({name: wire[name] for name in stayed}),
        )


def _compatible(case: Case, shape: Shape, *, stream: bool = False) -> dict[str, JSON]:
    """The usual values of all that is offered; none of these excludes another."""
    usual = USUAL[shape.method]
    names = offered(case, shape) & set(usual) - (_NOT_IN_STREAMS if stream else frozenset())
    return as_passed(case, {name: usual[name] for name in sorted(names)})


def _less_prompt(shape: Shape, exchange: Exchange) -> JSON:
    body = dict(cast("dict[str, JSON]", exchange.json()))
    body.pop({"chat": "messages", "generate": "inputs", "completions": "prompt"}[shape.method], None)
    return body
