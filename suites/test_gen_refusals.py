"""GEN: generation parameters, as the router reads them: its rules decide, not its documents."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import pytest

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Server, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.generated.requests import parameters
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import (
    describe,
    expect,
    expect_error,
    expect_requests,
    expect_success,
    only_request,
)
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.request_bodies import same_float32
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, SHAPE_BY_NAME, Shape

SHAPE = pytest.mark.parametrize("shape", [CHAT, NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
FORM = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
#: Every name that TGI or OpenAI has for the length limit.
LIMIT_NAMES: Final = (
    "max_new_tokens",
    "max_tokens",
    "max_completion_tokens",
    "max_length",
    "max_output_tokens",
)


def _offered(case: Case, shape: Shape) -> frozenset[str]:
    return case.description.parameters.get(shape.method, frozenset())


def _sent_parameters(shape: Shape, journal: Journal) -> Mapping[str, JSON]:
    """The parameters of the one request of a case."""
    expect_requests(journal.generations, 1, because="one call was made", journal=journal)
    return shape.parameters_of(journal.generations[0].json())


def _call_with(case: Case, shape: Shape, **given: object) -> Mapping[str, JSON]:
    """Make a call with parameters that any server takes, and give those that went out."""
    case.needs(shape.capability)
    case.needs_parameter(shape, *given)
    space = case.serve(shape.plain("fine").times(0, 1))
    outcome = case.call(endpoint=case.endpoint(), shape=shape, **given)
    expect_success(outcome, f"a call with {json.dumps(given)}")
    return _sent_parameters(shape, space.journal())


def _same(wire: JSON, intent: object) -> bool:
    """Whether a value arrived: equal and of its type; numbers may differ below TGI's 32-bit floats."""
    if isinstance(intent, bool) or not isinstance(intent, float):
        return wire == intent and isinstance(wire, bool) == isinstance(intent, bool)
    return same_float32(wire, intent)


def _expect_arrived(wire: Mapping[str, JSON], given: Mapping[str, object]) -> None:
    for name, value in given.items():
        expect(
            name in wire and _same(wire[name], value),
            expected=f"{name}: {json.dumps(value)}",
            observed=f"{name}: {json.dumps(wire[name])}" if name in wire else f"no {name}",
        )


@clause("GEN-01", case="property-p05")
@SHAPE
def test_every_parameter_arrives_unchanged(case: Case, shape: Shape) -> None:
    """Any valid values of what the backend offers, in any combination (falsy ones: GEN-02)."""
    case.needs(shape.capability)
    domain = parameters(shape, _offered(case, shape))

    def check(example: Case, given: dict[str, JSON]) -> None:
        truthy = {name: value for name, value in given.items() if value}
        _expect_arrived(_call_with(example, shape, **given), truthy)

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
_SHAPE_OF_METHOD: Final = {shape.method: shape for shape in (CHAT, NATIVE, COMPLETIONS)}


def _rows(table: Mapping[str, Mapping[str, JSON]]) -> dict[str, tuple[Shape, str, JSON]]:
    return {
        f"{_SHAPE_OF_METHOD[method].name}-{name}": (_SHAPE_OF_METHOD[method], name, value)  # type: ignore[index]
        for method, values in table.items()
        for name, value in values.items()
    }


_USUAL: Final = _rows(USUAL)


@clause("GEN-01", case="alone")
@pytest.mark.parametrize("row", sorted(_USUAL))
def test_a_parameter_alone_arrives_unchanged(case: Case, row: str) -> None:
    """A parameter that is lost on the way leaves the caller with the server's default, unknowing."""
    shape, name, value = _USUAL[row]

    _expect_arrived(_call_with(case, shape, **{name: value}), {name: value})


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


@clause("GEN-02")
@pytest.mark.parametrize("row", sorted(_FALSY))
def test_a_falsy_value_is_sent(case: Case, row: str) -> None:
    """``temperature=0`` dropped is sampling where greedy decoding was asked for."""
    shape, name, value = _FALSY[row]

    _expect_arrived(_call_with(case, shape, **{name: value}), {name: value})


#: Parameters each of which makes TGI sample.
_SAMPLERS: Final = ("temperature", "top_k", "top_p", "typical_p")


@clause("GEN-03")
@pytest.mark.parametrize("zero", [0, 0.0], ids=["int", "float"])
@FORM
def test_native_temperature_0_is_greedy_or_an_error(case: Case, zero: float, *, stream: bool) -> None:
    """The native route refuses a 0; dropping it alone leaves the server to sample."""
    case.needs("native", *(("stream",) if stream else ()))
    case.needs_parameter(NATIVE, "temperature")
    space = case.serve_healthy()

    outcome = case.call(endpoint=case.endpoint(), shape=NATIVE, stream=stream, temperature=zero)

    if outcome.raised:
        return
    expect_success(outcome)
    body = cast("dict[str, Any]", space.journal().generations[-1].json())
    wire = body.get("parameters")
    # Without any `parameters` TGI samples; with them it does not unless something in them says so.
    greedy = (
        isinstance(wire, dict)
        and not wire.get("do_sample")
        and all(wire.get(name) is None for name in _SAMPLERS)
    )
    expect(
        greedy,
        expected="greedy decoding (parameters without temperature and do_sample), or an error",
        observed=f"an answer to {json.dumps(body)}",
    )


@clause("GEN-04")
@pytest.mark.parametrize("value", [1.0, 0.0, 1.2], ids=["1.0", "0.0", "1.2"])
@SHAPE
def test_a_top_p_that_tgi_refuses_is_never_altered_in_silence(case: Case, shape: Shape, value: float) -> None:
    """0.99 or 1.0 is another request than the caller's; 1.0 alone means what leaving it out means."""
    case.needs(shape.capability)
    case.needs_parameter(shape, "top_p")
    space = case.serve_healthy()

    outcome = case.call(endpoint=case.endpoint(), shape=shape, top_p=value)

    sent = [shape.parameters_of(exchange.json()).get("top_p") for exchange in space.journal().generations]
    altered = [other for other in sent if other is not None and other != value]
    expect(not altered, expected=f"top_p {value}, or none", observed=f"top_p {altered}")
    if not outcome.raised:
        expect(
            value == 1.0 and sent == [None],
            expected="top_p left out (1.0 only), refused, or its 422 surfaced",
            observed=f"{describe(outcome)} with top_p {sent} on the wire",
        )


#: Values at the edges of what the router accepts, by method.
ACCEPTED: Final[Mapping[str, Mapping[str, Mapping[str, JSON]]]] = {
    "generate": {
        "frequency-penalty-minus-2": {"frequency_penalty": -2.0},
        "frequency-penalty-minus-1": {"frequency_penalty": -1.0},
        "frequency-penalty-0": {"frequency_penalty": 0},
        "frequency-penalty-2": {"frequency_penalty": 2.0},
        "repetition-penalty-small": {"repetition_penalty": 0.01},
        "temperature-small": {"temperature": 0.001},
        "temperature-large": {"temperature": 100.0},
        "top-n-tokens-0": {"top_n_tokens": 0},
        "best-of-1-with-seed": {"best_of": 1, "seed": 42},
        "seed-64-bit": {"seed": 2**64 - 1},
        "four-stops": {"stop": ["a", "b", "c", "d"]},
        "top-k-1": {"top_k": 1},
        "top-p-near-1": {"top_p": 0.9999},
        "one-token": {"max_new_tokens": 1},
        "truncate-1": {"truncate": 1},
    },
    "chat": {
        "frequency-penalty-minus-2": {"frequency_penalty": -2.0},
        "frequency-penalty-0": {"frequency_penalty": 0},
        "presence-penalty-minus-1.5": {"presence_penalty": -1.5},
        "presence-penalty-2": {"presence_penalty": 2.0},
        "temperature-0": {"temperature": 0},
        "temperature-large": {"temperature": 5.0},
        "seed-64-bit": {"seed": 2**64 - 1},
        "four-stops": {"stop": ["a", "b", "c", "d"]},
        "top-p-near-1": {"top_p": 0.9999},
        "one-token": {"max_tokens": 1},
    },
    "completions": {
        "frequency-penalty-minus-2": {"frequency_penalty": -2.0},
        "temperature-0": {"temperature": 0},
        "seed-64-bit": {"seed": 2**64 - 1},
        "four-stops": {"stop": ["a", "b", "c", "d"]},
        "one-token": {"max_tokens": 1},
    },
}
_ACCEPTED: Final = {
    f"{_SHAPE_OF_METHOD[method].name}-{slug}": (_SHAPE_OF_METHOD[method], given)  # type: ignore[index]
    for method, rows in ACCEPTED.items()
    for slug, given in rows.items()
}


@clause("GEN-05")
@pytest.mark.parametrize("row", sorted(_ACCEPTED))
def test_the_client_is_no_stricter_than_the_router(case: Case, row: str) -> None:
    """A check that is stricter than the server's takes features away that the server has."""
    shape, given = _ACCEPTED[row]
    case.needs(shape.capability)
    case.needs_parameter(shape, *given)
    space = case.serve_healthy()

    outcome = case.call(endpoint=case.endpoint(), shape=shape, **given)

    local = outcome.raised and not space.journal().generations
    expect(
        not local,
        expected=f"{json.dumps(given)} sent: the router accepts it",
        observed=f"refused locally: {describe(outcome)}",
    )
    expect_success(outcome, f"a call with {json.dumps(given)}")


@clause("GEN-06", case="mapped")
@SHAPE
def test_the_length_limit_goes_into_tgis_own_field_alone(case: Case, shape: Shape) -> None:
    """A limit under another name is an unknown field to TGI: it generates on."""
    wire = _call_with(case, shape, **{shape.limit: 64})

    sent = {name: wire[name] for name in LIMIT_NAMES if name in wire}
    allowed = [{shape.limit: 64}, {"max_completion_tokens": 64}] if shape is CHAT else [{shape.limit: 64}]
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
@SHAPE
def test_with_no_limit_given_none_is_sent(case: Case, shape: Shape) -> None:
    """An invented limit of 20 cuts answers in the middle of a sentence."""
    wire = _call_with(case, shape)

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
    _expect_arrived(_call_with(case, shape, stop=STOPS[form]), {"stop": STOPS[form]})


@clause("GEN-08", case="five")
@SHAPE
def test_more_stop_strings_than_allowed_are_never_cut(case: Case, shape: Shape) -> None:
    """The fifth is the one that the caller will miss."""
    case.needs(shape.capability)
    case.needs_parameter(shape, "stop")
    stops = ["a", "b", "c", "d", "e"]
    space = case.serve_healthy(server=Server(max_stop_sequences=4))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stop=stops)

    for exchange in space.journal().generations:
        _expect_arrived(shape.parameters_of(exchange.json()), {"stop": stops})
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
        outcome.text == without[0]["generated_text"],
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


#: Combinations that TGI refuses: shape, parameters, whether the call streams.
REFUSED: Final[Mapping[str, tuple[str, Mapping[str, JSON], bool]]] = {
    "best-of-in-a-stream": ("native", {"best_of": 2, "do_sample": True}, True),
    "best-of-with-seed": ("native", {"best_of": 2, "do_sample": True, "seed": 7}, False),
    "best-of-without-sampling": ("native", {"best_of": 2}, False),
    "input-details-in-a-stream": ("native", {"decoder_input_details": True, "details": True}, True),
    "negative-seed-native": ("native", {"seed": -1}, False),
    "negative-seed-chat": ("chat", {"seed": -1}, False),
    "negative-seed-completions": ("completions", {"seed": -1}, False),
}


@clause("GEN-11")
@pytest.mark.parametrize("form", sorted(REFUSED))
def test_a_combination_that_tgi_refuses_is_never_mended_in_silence(case: Case, form: str) -> None:
    """Dropping one of the two answers another request than the caller's."""
    name, given, stream = REFUSED[form]
    shape = SHAPE_BY_NAME[name]
    case.needs(shape.capability, *(("stream",) if stream else ()))
    case.needs_parameter(shape, *given)
    space = case.serve_healthy()

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream, **given)

    sent = [exchange.body.decode("utf-8", "replace") for exchange in space.journal().generations]
    expect_error(outcome, because=f"TGI refuses {json.dumps(given)}; sent: {', '.join(sent) or 'nothing'}")


@clause("GEN-12", case="logit-bias-map")
def test_a_logit_bias_map_is_refused_or_its_422_surfaced(case: Case) -> None:
    """OpenAI's form; TGI decodes a list, and uses neither."""
    case.needs("chat")
    case.needs_parameter(CHAT, "logit_bias")
    case.serve_healthy()

    outcome = case.call(endpoint=case.endpoint(), shape=CHAT, logit_bias={"50256": -100})

    expect_error(outcome, because="TGI takes no map")


@clause("GEN-12", case="n-2")
def test_one_choice_is_never_copied_to_make_n(case: Case) -> None:
    """TGI answers with one choice whatever ``n`` says."""
    case.needs("chat")
    case.needs_parameter(CHAT, "n")
    space = case.serve(CHAT.plain("the only one").times(0, 1))

    outcome = case.call(endpoint=case.endpoint(), shape=CHAT, n=2)

    if outcome.raised:
        return
    expect_success(outcome)
    answer = outcome.answer
    given = answer.texts if answer is not None and answer.texts is not UNSET else (outcome.text,)
    expect(len(given) == 1, expected="one text, as there was", observed=repr(given))
    sent = _sent_parameters(CHAT, space.journal())
    expect(
        sent.get("n") == 2 or any("n" in text for text in outcome.warnings),
        expected="n=2 sent, refused or warned about",
        observed=f"dropped in silence: {json.dumps(sent)}",
    )


@clause("GEN-13")
@SHAPE
def test_parameters_do_not_stick_to_the_next_call(case: Case, shape: Shape) -> None:
    """A dict of defaults that a call writes into makes every later call another one."""
    case.needs(shape.capability)
    given = _compatible(case, shape)
    if not given:
        raise NotApplicable(f"{shape.method} offers no parameter")
    space = case.serve(shape.plain("fine").times(3))
    endpoint = case.endpoint()

    for each in ({}, given, {}):
        expect_success(case.call(endpoint=endpoint, shape=shape, **each))

    sent = space.journal().generations
    expect_requests(sent, 3, because="three calls", journal=space.journal())
    first, _, last = sent
    expect(
        _less_prompt(shape, first) == _less_prompt(shape, last),
        expected=f"the body of the call before: {json.dumps(_less_prompt(shape, first))}",
        observed=json.dumps(_less_prompt(shape, last)),
    )


def _compatible(case: Case, shape: Shape) -> dict[str, JSON]:
    """The usual values of all that is offered; none of these excludes another."""
    usual = USUAL[shape.method]
    return {name: usual[name] for name in sorted(_offered(case, shape) & set(usual))}


def _less_prompt(shape: Shape, exchange: Exchange) -> JSON:
    body = dict(cast("dict[str, JSON]", exchange.json()))
    body.pop({"chat": "messages", "generate": "inputs", "completions": "prompt"}[shape.method], None)
    return body
