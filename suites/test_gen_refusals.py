"""GEN: what TGI refuses reaches the caller, and what it accepts is not refused by the client.

The router's own rules decide, not its documents.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

import pytest

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.areas.parameters import SHAPE_OF_METHOD, as_passed, offered, sent_parameters
from tgi_conformance.suites.areas.ways import EITHER, FORM, SHAPE, STREAM, Ask, asking, needs_way
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import (
    describe,
    expect,
    expect_error,
    expect_success,
    expect_text,
)
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.real.said import text_of
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, SHAPE_BY_NAME, Shape, healthy, words

#: Parameters each of which makes TGI sample.
_SAMPLERS: Final = ("temperature", "top_k", "top_p", "typical_p")


@clause("GEN-03", ways="native")
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
    _expect_top_p(shape, asking(case, shape, stream=False, reply=healthy()), value)


@clause("GEN-04", case="each")
@STREAM
@SHAPE
def test_a_top_p_of_a_stream_is_never_altered_in_silence(case: Case, shape: Shape, *, stream: bool) -> None:
    """A clamp may stand in the code of streams alone."""
    case.needs_parameter(shape, "top_p")
    ask = asking(case, shape, stream=stream, reply=healthy())
    for value in (1.0, 0.0, 1.2):
        _expect_top_p(shape, ask, value)


def _expect_top_p(shape: Shape, ask: Ask, value: float) -> None:
    outcome, exchange = ask(top_p=value)
    sent = None if exchange is None else shape.parameters_of(exchange.json()).get("top_p")
    expect(
        sent is None or sent == value,
        expected=f"top_p {value}, or none",
        observed=f"top_p {sent}",
    )
    # A real server that is no TGI may take the value and answer; then there is nothing to surface.
    taken = exchange is not None and bool(text_of(exchange))
    if not outcome.raised and not taken:
        expect(
            value == 1.0 and sent is None,
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
#: A value of each of these parameters that no client minds.
ORDINARY: Final[Mapping[str, JSON]] = {
    "best_of": 1,
    "frequency_penalty": 0.1,
    "max_new_tokens": 20,
    "max_tokens": 20,
    "presence_penalty": 0.1,
    "repetition_penalty": 1.03,
    "seed": 42,
    "stop": ["a"],
    "temperature": 0.7,
    "top_k": 5,
    "top_n_tokens": 3,
    "top_p": 0.9,
    "truncate": 100,
}
_ACCEPTED: Final = {
    f"{SHAPE_OF_METHOD[method].name}-{slug}": (SHAPE_OF_METHOD[method], given)  # type: ignore[index]
    for method, rows in ACCEPTED.items()
    for slug, given in rows.items()
}


@clause("GEN-05", ways=("native", "chat", "completions"))
@pytest.mark.parametrize("row", sorted(_ACCEPTED))
def test_the_client_is_no_stricter_than_the_router(case: Case, row: str) -> None:
    """A check that is stricter than the server's takes features away that the server has."""
    shape, accepted = _ACCEPTED[row]
    given = as_passed(case, accepted)
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


@clause("GEN-05", case="each")
@STREAM
@SHAPE
def test_a_stream_is_no_stricter_than_the_router(case: Case, shape: Shape, *, stream: bool) -> None:
    """What a stream takes at one value it takes at any that the router does."""
    rows = [as_passed(case, row) for row in ACCEPTED[shape.method].values()]
    rows = [given for given in rows if set(given) <= offered(case, shape)]
    if not rows:
        raise NotApplicable(f"{shape.method} offers no parameter that this is about")
    ask = asking(case, shape, stream=stream, reply=healthy())
    for given in rows:
        outcome, sent = ask(**given)
        if sent is None:
            # A parameter that streams take at no value is not offered there.
            usual, taken = ask(**{name: ORDINARY[name] for name in given})
            expect(
                taken is None,
                expected=f"a stream with {json.dumps(given)} sent: the router accepts it",
                observed=f"refused locally: {describe(outcome)}; other values are taken: {describe(usual)}",
            )
        else:
            expect_success(outcome, f"a stream with {json.dumps(given)}")


#: Combinations that TGI refuses: shape, parameters, whether the call streams.
REFUSED: Final[Mapping[str, tuple[str, Mapping[str, JSON], bool]]] = {
    "best-of-in-a-stream": ("native", {"best_of": 2, "do_sample": True}, True),
    "best-of-with-seed": ("native", {"best_of": 2, "do_sample": True, "seed": 7}, False),
    "best-of-without-sampling": ("native", {"best_of": 2}, False),
    "input-details-in-a-stream": ("native", {"decoder_input_details": True, "details": True}, True),
    "negative-seed-native": ("native", {"seed": -1}, False),
    "negative-seed-chat": ("chat", {"seed": -1}, False),
    "negative-seed-completions": ("completions", {"seed": -1}, False),
    "negative-seed-native-stream": ("native", {"seed": -1}, True),
    "negative-seed-chat-stream": ("chat", {"seed": -1}, True),
    "negative-seed-completions-stream": ("completions", {"seed": -1}, True),
}


@clause("GEN-11", ways=("native", "native stream"))
@pytest.mark.parametrize("form", sorted(REFUSED))
def test_a_combination_that_tgi_refuses_is_never_mended_in_silence(case: Case, form: str) -> None:
    """Dropping one of the two answers another request than the caller's."""
    name, given, stream = REFUSED[form]
    shape = SHAPE_BY_NAME[name]
    case.needs(shape.capability, *(("stream",) if stream else ()))
    case.needs_parameter(shape, *given)
    if form == "best-of-without-sampling" and _samples_by_itself(case):
        raise NotApplicable("the backend samples where the caller does not say so, as it declares")
    space = case.serve_healthy()

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream, **given)

    sent = [exchange.body.decode("utf-8", "replace") for exchange in space.journal().generations]
    expect_error(outcome, because=f"TGI refuses {json.dumps(given)}; sent: {', '.join(sent) or 'nothing'}")


def _samples_by_itself(case: Case) -> bool:
    own = case.description.defaults.parameters
    return bool(own.get("do_sample")) or any(own.get(name) is not None for name in _SAMPLERS)


@clause("GEN-12", case="logit-bias-map", ways="chat")
@EITHER
def test_a_logit_bias_map_is_refused_or_its_422_surfaced(case: Case, *, stream: bool) -> None:
    """OpenAI's form; TGI decodes a list, and uses neither."""
    needs_way(case, CHAT, stream=stream)
    case.needs_parameter(CHAT, "logit_bias")
    case.serve_healthy()

    outcome = case.call(endpoint=case.endpoint(), shape=CHAT, stream=stream, logit_bias={"50256": -100})

    expect_error(outcome, because="TGI takes no map")


@clause("GEN-12", case="n-2", ways="chat")
@EITHER
def test_one_choice_is_never_copied_to_make_n(case: Case, *, stream: bool) -> None:
    """TGI answers with one choice whatever ``n`` says."""
    needs_way(case, CHAT, stream=stream)
    case.needs_parameter(CHAT, "n")
    # Scripted: another server may make as many as it is asked for.
    reply = CHAT.stream(words("the only one")) if stream else CHAT.plain("the only one")
    space = case.serve(reply.times(0, 1))

    outcome = case.call(endpoint=case.endpoint(), shape=CHAT, stream=stream, n=2)

    if outcome.raised:
        return
    expect_text(outcome, "the only one")
    answer = outcome.answer
    given = answer.texts if answer is not None and answer.texts is not UNSET else (outcome.text,)
    expect(len(given) == 1, expected="one text, as there was", observed=repr(given))
    sent = sent_parameters(CHAT, space.journal())
    expect(
        sent.get("n") == 2 or any("n" in text for text in outcome.warnings),
        expected="n=2 sent, refused or warned about",
        observed=f"dropped in silence: {json.dumps(sent)}",
    )
