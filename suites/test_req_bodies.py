"""REQ: one strict JSON body, with what the caller set and nothing else. Judged on the bytes received."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final, cast

import pytest

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.suites.areas.parameters import as_passed
from tgi_conformance.suites.areas.request_bodies import (
    Number,
    bad_nulls,
    expect_strict,
    same_float32,
    sent_once,
    top_level_names,
    written_parameters,
)
from tgi_conformance.suites.areas.ways import EITHER, FORM, SHAPE, STREAM, Ask, asking, needs_way
from tgi_conformance.suites.generated.texts import MULTI_BYTE
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_success
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, Shape
from tgi_conformance.suites.shapes.personas import model_served


@clause("REQ-01", case="one-post")
@FORM
@SHAPE
def test_a_call_is_one_post_of_one_strict_json_document(case: Case, shape: Shape, *, stream: bool) -> None:
    """TGI answers another content type with 415, bad JSON with 400, and bad framing not at all."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    space = case.serve(shape.reply("understood", streaming=stream))
    endpoint = case.endpoint()

    outcome = case.call(case.prompt(MULTI_BYTE), endpoint=endpoint, shape=shape, stream=stream)

    sent = sent_once(space.journal())
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
    case.needs(shape.capability)
    case.needs_parameter(shape, "temperature")
    _expect_no_token(shape, asking(case, shape, stream=False), number)


@clause("REQ-01", case="no-number")
@STREAM
@SHAPE
def test_a_number_that_json_lacks_is_no_token_of_a_stream(case: Case, shape: Shape, *, stream: bool) -> None:
    """A stream's body may go another way to its bytes."""
    case.needs_parameter(shape, "temperature")
    ask = asking(case, shape, stream=stream)
    for number in sorted(NO_JSON_NUMBER):
        _expect_no_token(shape, ask, number)


def _expect_no_token(shape: Shape, ask: Ask, number: str) -> None:
    outcome, sent = ask(temperature=NO_JSON_NUMBER[number])
    if sent is None:
        expect_error(outcome, because=f"temperature={number} was neither sent nor left out")
        return
    value = shape.parameters_of(expect_strict(sent)).get("temperature")
    expect(
        value is None,
        expected=f"no temperature on the wire for {number}",
        observed=f"temperature={value!r}",
    )


def _expect_framing(sent: Exchange) -> None:
    lengths = sent.header_values("content-length")
    chunked = [value.strip().lower() for value in sent.header_values("transfer-encoding")] == ["chunked"]
    by_length = len(lengths) == 1 and lengths[0].strip() == str(len(sent.body))
    expect(
        sent.body_complete and (by_length if lengths else chunked),
        expected=f"a Content-Length of {len(sent.body)} bytes, or chunked coding",
        observed=f"Content-Length {', '.join(lengths) or 'absent'}, chunked: {chunked}",
    )


@clause("REQ-05", case="plain-call")
@FORM
@SHAPE
def test_unset_options_are_left_out(case: Case, shape: Shape, *, stream: bool) -> None:
    """``"stop": null`` is a 422 on the native route, ``"stream_options": null`` on the chat route."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    space = case.serve_healthy()
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)

    _expect_no_bad_null(sent_once(space.journal()))
    expect_success(outcome)


@clause("REQ-05", case="given-as-none")
@EITHER
@SHAPE
def test_options_given_as_none_are_left_out(case: Case, shape: Shape, *, stream: bool) -> None:
    """``None`` is how Python callers say "not set"."""
    needs_way(case, shape, stream=stream)
    # Where a server routes by it, the model is none of the options: a call without it may name another.
    routed = {"model"} if model_served(case.persona) else set()
    offered = sorted(case.description.parameters.get(shape.method, frozenset()) - routed)
    if not offered:
        raise NotApplicable(f"{shape.method} offers no parameter")
    space = case.serve_healthy()
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream, **dict.fromkeys(offered))

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
    case.needs(shape.capability)
    case.needs_parameter(shape, "stop")
    _expect_stops(shape, asking(case, shape, stream=False), form)


@clause("REQ-06", case="each")
@STREAM
@SHAPE
def test_stop_goes_out_as_an_array_of_strings_with_a_stream(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """A stream that sends its one stop string bare is refused by TGI."""
    case.needs_parameter(shape, "stop")
    ask = asking(case, shape, stream=stream)
    for form in sorted(STOPS):
        _expect_stops(shape, ask, form)


def _expect_stops(shape: Shape, ask: Ask, form: str) -> None:
    given, wanted = STOPS[form]
    outcome, sent = ask(stop=given)
    if sent is None and isinstance(given, str):
        return  # refused, which the clause allows
    expect(sent is not None, expected="a request", observed=describe(outcome))
    stop = None if sent is None else shape.parameters_of(sent.json()).get("stop")
    expect(stop == wanted, expected=f"stop={json.dumps(wanted)}", observed=f"stop={json.dumps(stop)}")
    expect_success(outcome)


_LIMITS: Final = ("max_tokens", "max_completion_tokens")


@clause("REQ-07", ways="chat")
@pytest.mark.parametrize(
    "given",
    [{"max_tokens": 9, "max_completion_tokens": 9}, {"max_tokens": 9}, {"max_completion_tokens": 9}],
    ids=["both", "max_tokens", "max_completion_tokens"],
)
@EITHER
def test_the_two_names_of_the_length_limit_are_never_both_sent(
    case: Case, given: dict[str, int], *, stream: bool
) -> None:
    """To TGI they are one field: two of them are a duplicate, a 422."""
    needs_way(case, CHAT, stream=stream)
    case.needs_parameter(CHAT, *given)
    space = case.serve(CHAT.reply("fine", streaming=stream).times(0, 1))
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=CHAT, stream=stream, **given)

    if outcome.raised and not space.journal().generations and len(given) > 1:
        return  # refused as a contradiction
    names = [name for name in top_level_names(sent_once(space.journal()).body) if name in _LIMITS]
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
    case.needs(shape.capability, "stream")
    space = case.serve(shape.reply("fine", streaming=stream))
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)

    sent = sent_once(space.journal())
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
@EITHER
@SHAPE
def test_integers_go_out_as_json_integers(case: Case, shape: Shape, *, stream: bool) -> None:
    """TGI's decoder refuses ``20.0`` and ``"20"``; a seed beyond 2^53 does not survive a double."""
    written, given = _written(case, shape, WHOLE, stream=stream)
    for name, value in given.items():
        lexeme = written[name]
        expect(
            isinstance(lexeme, Number) and lexeme.lexeme == str(value),
            expected=f"{name}: {value}",
            observed=f"{name}: {_shown(lexeme)}",
        )


@clause("REQ-09", case="fractions")
@EITHER
@SHAPE
def test_fractions_go_out_as_json_numbers(case: Case, shape: Shape, *, stream: bool) -> None:
    """``"0.3"`` is a type error to TGI, and an ``int()`` on the way makes it 0."""
    written, given = _written(case, shape, FRACTIONS, stream=stream)
    for name, value in given.items():
        lexeme = written[name]
        expect(
            isinstance(lexeme, Number) and same_float32(float(lexeme.lexeme), value),
            expected=f"{name}: {value}",
            observed=f"{name}: {_shown(lexeme)}",
        )


def _written(
    case: Case, shape: Shape, values: Mapping[str, float], *, stream: bool
) -> tuple[Mapping[str, Any], Mapping[str, float]]:
    needs_way(case, shape, stream=stream)
    offered = case.description.parameters.get(shape.method, frozenset())
    given = as_passed(case, {name: value for name, value in values.items() if name in offered})
    if not given:
        raise NotApplicable(f"{shape.method} offers none of {', '.join(values)}")
    space = case.serve(shape.reply("fine", streaming=stream))
    expect_success(case.call(endpoint=case.endpoint(), shape=shape, stream=stream, **given))
    written = written_parameters(shape, sent_once(space.journal()))
    # A parameter that is lost altogether is GEN-01's.
    arrived = {name: value for name, value in given.items() if name in written}
    if not arrived:
        raise NotApplicable(f"none of {', '.join(given)} was sent")
    return written, arrived


def _shown(lexeme: object) -> str:
    return lexeme.lexeme if isinstance(lexeme, Number) else repr(lexeme)
