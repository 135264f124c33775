"""REQ: the names that a request carries: its model, and the id that the caller finds it by."""

from collections.abc import Sequence
from typing import Any, Final, cast

import pytest

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.areas.held import taken_together
from tgi_conformance.suites.areas.request_bodies import sent_once
from tgi_conformance.suites.areas.ways import EITHER, NAMING_SHAPE, SHAPE, begin, needs_way
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, error_text, expect, expect_error, expect_success
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, Shape


@clause("REQ-10", case="unnamed")
@EITHER
@pytest.mark.parametrize("shape", [CHAT, COMPLETIONS], ids=["case=chat", "completions"])
def test_with_no_model_named_none_is_invented(case: Case, shape: Shape, *, stream: bool) -> None:
    """To TGI any name but ``tgi`` is the id of an adapter that it has not loaded."""
    needs_way(case, shape, stream=stream)
    space = case.serve(shape.reply("fine", streaming=stream))
    case.call(endpoint=case.endpoint(), shape=shape, stream=stream)

    model = _model_of(sent_once(space.journal()))
    expect(model in (None, "tgi"), expected="model absent or 'tgi'", observed=f"model {model!r}")


#: Names with what clients cut off, change to small letters, or take for something else.
MODELS: Final = (
    "Lab/My-LoRA_v1.2",
    "openai/Lab/My-LoRA",
    "huggingface/tgi",
    "Qwen2.5:72B-Instruct-q4_K_M",
    "ft:base:lab::8Xk2",
    "models/merged.Q4.gguf",
    "/data/Merged-v2",
    "lab@main",
    "Модель-名前",
)


@clause("REQ-18", case="named")
@EITHER
@NAMING_SHAPE
def test_a_named_model_is_sent_as_named(case: Case, shape: Shape, *, stream: bool) -> None:
    """The name chooses the adapter, or the model behind a router; another one is another model, or a 404."""
    needs_way(case, shape, stream=stream)
    case.needs_setting("model")
    space = case.serve(shape.reply("fine", streaming=stream).times(len(MODELS)))
    for name in MODELS:
        outcome = case.call(endpoint=case.endpoint(model=name), shape=shape, stream=stream)
        expect_success(outcome, f"a call on an endpoint of the model {name!r}")

    sent = [_model_of(exchange) for exchange in space.journal().generations]
    expect(sent == list(MODELS), expected=f"models {MODELS}", observed=f"models {sent}")


@clause("REQ-18", case="of-each-endpoint")
@EITHER
@NAMING_SHAPE
def test_each_endpoints_requests_name_its_own_model(case: Case, shape: Shape, *, stream: bool) -> None:
    """A default that the last endpoint has set names its model in the requests of every other."""
    needs_way(case, shape, stream=stream)
    case.needs("keys")
    case.needs_setting("model")
    models = {"A": "lab/First", "B": "lab/Second"}
    turns = ("A", "B", "A")
    space = case.serve(shape.reply("fine", streaming=stream).times(len(turns)))
    endpoints = {alias: case.endpoint(key=alias, model=model) for alias, model in models.items()}
    for alias in turns:
        expect_success(case.call(endpoint=endpoints[alias], shape=shape, stream=stream))

    sent = [(exchange.key, _model_of(exchange)) for exchange in space.journal().generations]
    wanted = [(alias, models[alias]) for alias in turns]
    expect(sent == wanted, expected=f"keys and models {wanted}", observed=str(sent))


def _model_of(exchange: Exchange) -> object:
    return cast("dict[str, Any]", exchange.json()).get("model")


REQUEST_ID: Final = "Req-0aF9_7:b.Z~42"


@clause("REQ-11", case="answer")
@SHAPE
def test_a_callers_request_id_goes_out_once_and_comes_back_with_the_answer(case: Case, shape: Shape) -> None:
    """It is what the caller finds the call by in every log."""
    case.needs(shape.capability)
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


@clause("REQ-11", case="stream", ways="stream")
@SHAPE
def test_a_callers_request_id_comes_back_with_each_item_of_a_stream(case: Case, shape: Shape) -> None:
    """Items of several streams in one log are told apart by it."""
    case.needs(shape.capability, "stream")
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
@EITHER
@SHAPE
def test_a_callers_request_id_comes_back_with_the_error(case: Case, shape: Shape, *, stream: bool) -> None:
    """A failed call is the one that somebody will look up."""
    needs_way(case, shape, stream=stream)
    case.needs("reqid")
    failure = {"error": "Incomplete generation", "error_type": "incomplete_generation"}
    space = case.serve(status(500, json=failure))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream, request_id=REQUEST_ID)

    for attempt in space.journal().generations:
        _expect_id_in(case, attempt)
    info = expect_error(outcome, because="the server answered 500")
    came_back = UNSET if info is None else info.request_id
    expect(
        came_back == REQUEST_ID or REQUEST_ID in error_text(outcome),
        expected=f"request_id {REQUEST_ID!r} on the error",
        observed=f"{came_back!r} on {describe(outcome)}",
    )


def _expect_id_sent(case: Case, journal: Journal) -> None:
    _expect_id_in(case, sent_once(journal))


def _expect_id_in(case: Case, sent: Exchange) -> None:
    carriers = [name.lower() for name, value in sent.headers if REQUEST_ID.lower() in value.lower()]
    declared = case.description.request_id_header
    exact = [name.lower() for name, value in sent.headers if value == REQUEST_ID]
    expect(
        len(carriers) == 1 and exact == carriers and (declared is None or carriers[0] == declared.lower()),
        expected=f"{REQUEST_ID!r} unchanged in one header{f', {declared}' if declared else ''}",
        observed=f"in {', '.join(carriers) or 'none'}, unchanged in {', '.join(exact) or 'none'}",
    )


@clause("REQ-12", case="generated-request-ids-are-unique", ways="chat")
@EITHER
def test_generated_request_ids_are_unique(case: Case, *, stream: bool) -> None:
    """A second and a hash of the body are the same for every equal call of that second."""
    case.needs("reqid", *(("stream",) if stream else ()))
    count = 16 if stream else 64
    shape = case.shape()
    space = case.serve(shape.reply("fine", streaming=stream).times(count))
    endpoint = case.endpoint(max_concurrent_requests=count, queue_size=count)
    prompt = case.prompt("the same")

    together = taken_together(case, count)
    outcomes: list[Outcome] = []
    for _ in range(count // together):
        running = [begin(case, prompt, endpoint, shape, stream=stream) for _ in range(together)]
        outcomes += [call.wait() for call in running]

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
    if any(outcome.pieces for outcome in outcomes):
        firsts = [outcome.pieces[0].request_id for outcome in outcomes if outcome.pieces]
        return [first if isinstance(first, str) else None for first in firsts]
    answers = [outcome.answer for outcome in outcomes if outcome.answer is not None]
    return [answer.request_id if isinstance(answer.request_id, str) else None for answer in answers]
