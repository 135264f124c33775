"""RESP: a 200 that holds no answer, an error, or a part of an answer is an error.

Stimuli are cut from recorded answers, one thing changed at a time.
"""

import json
from collections.abc import Mapping
from typing import Final

import pytest

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Body, Reply, Response, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.areas.answers import answer_to
from tgi_conformance.suites.generated.streams import stratified
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape

SHAPES: Final = (CHAT, NATIVE, COMPLETIONS)
SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


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

    _expect_no_answer(answer_to(case, shape, reply))


@clause("RESP-08", case="other-route")
@pytest.mark.parametrize(
    ("shape", "other"),
    [(NATIVE, CHAT), (CHAT, NATIVE), (COMPLETIONS, NATIVE)],
    ids=["native", "chat", "completions"],
)
def test_a_200_in_another_routes_form_is_no_empty_success(case: Case, shape: Shape, other: Shape) -> None:
    """A proxy that rewrites routes answers so; reading the text is fine, inventing an empty one is not."""
    outcome = answer_to(case, shape, in_band_fault(other.plain("elsewhere")))

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
    outcome = answer_to(case, shape, in_band_fault(status(200, json=IN_BAND[form])))

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

    expect_error(answer_to(case, shape, reply), because="the last chunk is missing")


def _whole(shape: Shape) -> int:
    return len(str(_short(shape, "whole", framing="chunked").body.text).encode())
