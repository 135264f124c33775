"""STREAM: errors in a stream and in its place, all with a 200, and refusals of stream calls."""

import pytest

from tgi_conformance.contracts.script import Reply, overloaded, status, tgi_error
from tgi_conformance.suites.areas.statistics import statistics
from tgi_conformance.suites.areas.stream_checks import (
    ERROR_FRAMES,
    NOT_JSON,
    REPORTED,
    TOLD,
    WORDS,
    expect_bad_line_unheard,
    expect_error_event_told,
    expect_error_frame_told,
    expect_whole_or_error,
)
from tgi_conformance.suites.areas.streams import (
    each_openai_shape,
    each_shape,
    expect_heard,
    needs_stream_of,
    play,
)
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Shape


@clause("STREAM-15")
@pytest.mark.parametrize("error_type", sorted(REPORTED))
@pytest.mark.parametrize("at", [0, 2])
def test_a_native_error_event_raises_after_the_tokens_before_it(case: Case, at: int, error_type: str) -> None:
    """TGI answers 200 first and reports the error in the stream: the only sign of it is this event."""
    needs_stream_of(case, NATIVE)
    tokens = WORDS[:at]
    frames = (*NATIVE.open_events(tokens), *NATIVE.error_frames(REPORTED[error_type], error_type))
    slug = f"{error_type}-at-{at}"

    outcome = play(case, NATIVE, {slug: in_band_fault(NATIVE.frames(*frames))})[slug]

    expect_error(outcome, *TOLD, contains=REPORTED[error_type], because=f"an error event after {at} tokens")
    expect_heard(outcome, tokens, "the error came after them")


@clause("STREAM-16")
@pytest.mark.parametrize("at", [0, 2])
@each_openai_shape
def test_an_openai_error_event_raises_although_done_follows(case: Case, shape: Shape, at: int) -> None:
    """TGI sends ``[DONE]`` after its errors too; a client that waits for it alone calls this a success."""
    expect_error_event_told(case, shape, at)


@clause("STREAM-16", case="statistics", ways="chat stream")
def test_a_stream_that_reported_an_error_is_no_success_in_the_statistics(case: Case) -> None:
    """A success counted for a failed stream hides an outage from whoever watches the counts."""
    case.needs("stats", "chat", "stream")
    frames = (*CHAT.open_events(WORDS[:2]), *CHAT.error_frames(REPORTED["generation"]))
    case.serve(in_band_fault(CHAT.frames(*frames)).times(1, None))
    endpoint = case.endpoint()

    case.call(endpoint=endpoint, shape=CHAT, stream=True)

    successes = statistics(case, endpoint).get("successful_requests", 0)
    expect(successes == 0, expected="no successful request", observed=f"successful_requests: {successes!r}")


@clause("STREAM-17")
@pytest.mark.parametrize("form", sorted(ERROR_FRAMES))
@each_shape
def test_an_event_of_type_error_raises_whatever_its_data(case: Case, shape: Shape, form: str) -> None:
    """The rest of the stream looks whole: the frame's type alone says that it is not."""
    expect_error_frame_told(case, shape, form)


@clause("STREAM-22")
@pytest.mark.parametrize("form", sorted(NOT_JSON))
@each_shape
def test_a_data_line_that_is_not_json_is_never_text(case: Case, shape: Shape, form: str) -> None:
    """What the model did not say must not be put into its mouth; raising is best, skipping is tolerated."""
    expect_bad_line_unheard(case, shape, form)


@clause("STREAM-23", case="json")
@each_shape
def test_a_plain_answer_to_a_stream_call_is_the_whole_answer_or_an_error(case: Case, shape: Shape) -> None:
    """Some servers cannot stream and answer at once; an SSE parser finds no event in that."""
    expect_whole_or_error(case, shape)


@clause("STREAM-23", case="html")
@each_shape
def test_a_page_in_place_of_a_stream_is_an_error(case: Case, shape: Shape) -> None:
    """A captive portal or proxy answers 200 with a page: that is no answer of the model."""
    needs_stream_of(case, shape)
    page = status(200, html="<html><body>Please log in</body></html>")

    outcome = play(case, shape, {"html": in_band_fault(page)})["html"]

    expect_error(outcome, because="a 200 of text/html is no stream")


#: Refusals before the stream: reply, status, and the message that must reach the caller.
REFUSALS: dict[str, tuple[Reply, int, str | None]] = {
    "401-empty": (status(401), 401, None),
    "422-json": (
        tgi_error(422, "Input validation error: `inputs` cannot be empty", "validation"),
        422,
        "`inputs` cannot be empty",
    ),
    "429-json": (overloaded(), 429, "Model is overloaded"),
    "500-json": (
        tgi_error(500, "Incomplete generation", "incomplete_generation"),
        500,
        "Incomplete generation",
    ),
    "502-html": (status(502, html="<html><body>Bad Gateway</body></html>"), 502, None),
}


@clause("STREAM-24")
@pytest.mark.parametrize("form", sorted(REFUSALS))
@each_shape
def test_a_refused_stream_call_raises_with_status_and_message(case: Case, shape: Shape, form: str) -> None:
    """A refusal read as a stream has no events: it looks like an empty answer."""
    needs_stream_of(case, shape)
    reply, code, message = REFUSALS[form]

    outcome = play(case, shape, {form: reply})[form]

    expect_error(outcome, status=code, contains=message, because=f"the server answered {code}")
    expect(not outcome.pieces, expected="no piece at all", observed=describe(outcome))
