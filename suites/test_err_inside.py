"""Errors inside a 200, in an answer or in a stream, and what only looks like one."""

from collections.abc import Mapping
from typing import Final, cast

import pytest

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Body, Reply, Response, data, done, status
from tgi_conformance.suites.areas.stream_checks import TEXT, TOLD, WORDS
from tgi_conformance.suites.areas.streams import each_openai_shape, needs_stream_of, play
from tgi_conformance.suites.areas.ways import SHAPE, STREAM, call_each, on_ways
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.shapes.calls import NATIVE, Draft, Shape

MESSAGE: Final = "Request failed during generation: shard died"
#: An error as routers of the OpenAI form put it beside the choices of a 200.
BESIDE: Final[Mapping[str, JSON]] = {"message": MESSAGE, "type": "server_error", "code": 502}


def _beside_choices(body: JSON, choices: str) -> JSON:
    """An answer or chunk with the error beside its choices: as they were, said to have failed, or none."""
    draft = dict(cast("Draft", body)) | {"error": dict(cast("Draft", BESIDE))}
    if choices == "none":
        draft["choices"] = []
    elif choices == "failed":
        draft["choices"] = [one | {"finish_reason": "error"} for one in draft["choices"]]
    return cast("JSON", draft)


CHOICES: Final = ("none", "failed", "as-they-were")


@clause("RESP-09", case="beside-choices")
@each_openai_shape
def test_an_error_beside_the_choices_of_an_answer_is_an_error(case: Case, shape: Shape) -> None:
    """A router that had begun to answer says so in one 200: the choices are half an answer, or none."""
    replies = {
        choices: in_band_fault(status(200, json=_beside_choices(shape.body("half an answer"), choices)))
        for choices in CHOICES
    }

    for choices, outcome in call_each(case, shape, replies, stream=False).items():
        expect_error(outcome, *TOLD, contains=MESSAGE, because=f"an error beside choices: {choices}")


@clause("RESP-09")
@STREAM
@SHAPE
def test_an_error_object_in_place_of_a_stream_is_an_error(case: Case, shape: Shape, *, stream: bool) -> None:
    """The 200 is plain JSON, and what it holds is why there is no stream."""
    alone: JSON = (
        {"error": MESSAGE, "error_type": "generation"} if shape.name == NATIVE.name else {"error": BESIDE}
    )
    bodies = {"alone": alone}
    if shape.name != NATIVE.name:
        bodies["beside"] = _beside_choices(shape.body("half"), "failed")
    replies = {form: in_band_fault(status(200, json=body)) for form, body in bodies.items()}

    for form, outcome in call_each(case, shape, replies, stream=stream).items():
        # Who reads no body but events may know no more than that there was none (STREAM-23).
        expect_error(outcome, because=f"the 200 holds an error object: {form}")
        expect(not outcome.pieces, expected=f"{form}: no piece of it", observed=describe(outcome))


@clause("STREAM-16", case="beside-choices")
@pytest.mark.parametrize("at", [0, 2])
@each_openai_shape
def test_an_error_beside_the_choices_of_a_chunk_is_an_error(case: Case, shape: Shape, at: int) -> None:
    """Most failures of a router come so once its 200 is out; what follows them may look like a good end."""
    needs_stream_of(case, shape)
    chunk = cast("JSON", shape.open_events([""])[0].json)
    replies = {
        choices: in_band_fault(
            shape.frames(*shape.open_events(WORDS[:at]), data(_beside_choices(chunk, choices)), done())
        )
        for choices in CHOICES
    }
    seemingly_whole = data(_beside_choices(chunk, "as-they-were"))
    replies["then-an-end"] = in_band_fault(
        shape.frames(*shape.open_events(WORDS[:at]), seemingly_whole, *shape.events(WORDS[at:]))
    )

    for choices, outcome in play(case, shape, replies).items():
        expect_error(outcome, *TOLD, contains=MESSAGE, because=f"an error beside choices: {choices}")
        expect(
            outcome.says("".join(WORDS[:at])),
            expected=f"{choices}: the {at} tokens before the error, and no more",
            observed=describe(outcome),
        )


#: What may stand for the error of a 200 that holds nothing else.
ODD_INSIDE: Final[Mapping[str, JSON]] = {
    "text": MESSAGE,
    "list": [MESSAGE, {"code": 7}],
    "number": 502,
    "true": True,
    "nested": {"error": {"error": {"message": MESSAGE}}},
    "message-object": {"message": {"en": MESSAGE}, "type": None, "code": {"a": 1}},
    "no-message": {"code": "model_gone", "param": ["model"]},
}


@clause("ERR-05", case="inside")
@on_ways()
def test_no_error_inside_a_200_crashes_the_error_path(case: Case, shape: Shape, *, stream: bool) -> None:
    """``error["message"]`` of a text, a list or a number is the client's own failure."""
    replies = {
        form: in_band_fault(_failing(shape, error, stream=stream)) for form, error in ODD_INSIDE.items()
    }

    for form, outcome in call_each(case, shape, replies, stream=stream).items():
        info = expect_error(outcome, because=f"the 200 holds an error: {form}")
        expect(
            info is not None and info.kind is not ErrorKind.UNMAPPED,
            expected=f"one of the client's own errors for an error that is: {form}",
            observed=describe(outcome),
        )


def _failing(shape: Shape, error: JSON, *, stream: bool) -> Reply:
    """A 200 that is this error, or a stream that meets it after two tokens."""
    if not stream:
        return status(200, json={"error": error})
    return shape.frames(*shape.open_events(WORDS[:2]), data({"error": error}), done())


def _with_null(shape: Shape, *, stream: bool) -> Reply:
    """A healthy answer in which ``error`` is null wherever an error could stand."""
    if not stream:
        body = dict(cast("Draft", shape.body(TEXT))) | {"error": None}
        return status(200, json=cast("JSON", body), root_array=True)
    events = [
        event if event.done else data(cast("JSON", cast("Draft", event.json) | {"error": None}))
        for event in shape.events(WORDS)
    ]
    return shape.frames(*events)


@clause("ERR-11")
@on_ways()
def test_an_error_that_is_null_is_none(case: Case, shape: Shape, *, stream: bool) -> None:
    """Servers that write out every field of their answers say in this way that all is well."""
    reply = _with_null(shape, stream=stream)

    outcome = call_each(case, shape, {"null": reply}, stream=stream)["null"]

    expect(
        outcome.returned and outcome.says(TEXT),
        expected=f"the answer {TEXT!r}, with error: null beside it",
        observed=describe(outcome),
    )


#: Media types that mean the same as TGI's own (RFC 9110 sections 5.6.6 and 8.3.1), by form of the answer.
SAME_JSON: Final = ("application/JSON", "Application/Json; Charset=UTF-8", "application/json ; charset=utf-8")
SAME_EVENTS: Final = (
    "Text/Event-Stream; charset=utf-8",
    "TEXT/EVENT-STREAM",
    "text/event-stream ; charset=utf-8",
)


def _labelled(shape: Shape, label: str, *, stream: bool) -> Reply:
    if stream:
        return shape.stream(WORDS, content_type=label)
    body = Body(json=shape.body(TEXT), content_type=label, root_array=True)
    return Reply(response=Response(body=body))


@clause("RESP-14")
@on_ways()
def test_the_case_of_a_media_type_means_nothing(case: Case, shape: Shape, *, stream: bool) -> None:
    """A stream that is not taken for one is an answer without JSON; an answer that is not, no answer."""
    labels = SAME_EVENTS if stream else SAME_JSON
    replies = {f"label-{at}": _labelled(shape, label, stream=stream) for at, label in enumerate(labels)}

    outcomes = call_each(case, shape, replies, stream=stream)

    for label, outcome in zip(labels, outcomes.values(), strict=True):
        expect(
            outcome.returned and outcome.says(TEXT),
            expected=f"the answer {TEXT!r} under content-type: {label}",
            observed=describe(outcome),
        )


@clause("RESP-14", case="error")
@on_ways()
def test_the_case_of_an_errors_media_type_means_nothing(case: Case, shape: Shape, *, stream: bool) -> None:
    """The server's words are inside the JSON, whatever its label looks like."""
    told = {"error": "Input validation error: `seed`", "error_type": "validation"}
    replies = {
        f"label-{at}": status(422, json=told, content_type=label) for at, label in enumerate(SAME_JSON)
    }

    outcomes = call_each(case, shape, replies, stream=stream)

    for label, outcome in zip(SAME_JSON, outcomes.values(), strict=True):
        because = f"TGI said so under content-type: {label}"
        expect_error(outcome, contains="Input validation error: `seed`", because=because)
