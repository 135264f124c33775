"""STREAM: errors in a stream and in its place, all with a 200, and refusals of stream calls."""

import pytest

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.script import Event, Reply, data, overloaded, raw_event, status, tgi_error
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.streams import (
    each_openai_shape,
    each_shape,
    expect_heard,
    heard,
    needs_stream_of,
    play,
)
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Shape

WORDS = (" Deep", " learning", " is", " fun")
#: Kinds that say "the server reported an error", whatever its reason.
TOLD = (
    ErrorKind.REMOTE_ERROR,
    ErrorKind.SERVER_ERROR,
    ErrorKind.VALIDATION,
    ErrorKind.BAD_REQUEST,
    ErrorKind.OVERLOADED,
    ErrorKind.RATE_LIMITED,
)
#: The errors that TGI reports inside a stream, by error_type, with recorded or typical messages.
REPORTED = {
    "generation": "Request failed during generation: Server error: CUDA out of memory.",
    "validation": "Input validation error: `temperature` must be strictly positive",
    "overloaded": "Model is overloaded",
    "incomplete_generation": "Incomplete generation",
    "incomplete_generation_stream": "Incomplete generation stream",
}


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
    needs_stream_of(case, shape)
    tokens = WORDS[:at]
    message = REPORTED["generation"]
    frames = (*shape.open_events(tokens), *shape.error_frames(message))
    slug = f"at-{at}"

    outcome = play(case, shape, {slug: in_band_fault(shape.frames(*frames))})[slug]

    expect_error(outcome, *TOLD, contains=message, because=f"an error event after {at} tokens")
    expect_heard(outcome, tokens, "the error came after them")


@clause("STREAM-16", case="statistics")
def test_a_stream_that_reported_an_error_is_no_success_in_the_statistics(case: Case) -> None:
    """A success counted for a failed stream hides an outage from whoever watches the counts."""
    case.needs("stats", "chat", "stream")
    frames = (*CHAT.open_events(WORDS[:2]), *CHAT.error_frames(REPORTED["generation"]))
    case.serve(in_band_fault(CHAT.frames(*frames)).times(1, None))
    endpoint = case.endpoint()

    case.call(endpoint=endpoint, shape=CHAT, stream=True)

    successes = case.statistics(endpoint).get("successful_requests", 0)
    expect(successes == 0, expected="no successful request", observed=f"successful_requests: {successes!r}")


#: Frames of the type ``error``; proxies put anything into them.
ERROR_FRAMES: dict[str, Event] = {
    "json": data({"message": "upstream went away"}, fields=(("event", "error"),)),
    "text": Event(text="upstream went away", fields=(("event", "error"),)),
    "empty-object": data({}, fields=(("event", "error"),)),
}


@clause("STREAM-17")
@pytest.mark.parametrize("form", sorted(ERROR_FRAMES))
@each_shape
def test_an_event_of_type_error_raises_whatever_its_data(case: Case, shape: Shape, form: str) -> None:
    """The rest of the stream looks whole: the frame's type alone says that it is not."""
    needs_stream_of(case, shape)
    head, tail = shape.open_events(WORDS[:2]), shape.events(WORDS[2:])

    outcome = play(case, shape, {form: in_band_fault(shape.frames(*head, ERROR_FRAMES[form], *tail))})[form]

    expect_error(outcome, because="a frame with event: error")


#: Data lines that are no JSON, and what of them must not turn up as text.
NOT_JSON: dict[str, tuple[bytes, str]] = {
    "half-an-object": (b'data: {"a":\n\n', '{"a":'),
    "words": (b"data: hello world\n\n", "hello"),
    "html": (b"data: <html>oops</html>\n\n", "oops"),
}


@clause("STREAM-22")
@pytest.mark.parametrize("form", sorted(NOT_JSON))
@each_shape
def test_a_data_line_that_is_not_json_is_never_text(case: Case, shape: Shape, form: str) -> None:
    """What the model did not say must not be put into its mouth; raising is best, skipping is tolerated."""
    needs_stream_of(case, shape)
    raw, mark = NOT_JSON[form]
    frames = (*shape.open_events(WORDS[:2]), raw_event(raw), *shape.events(WORDS[2:]))

    outcome = play(case, shape, {form: in_band_fault(shape.frames(*frames))})[form]

    expect(
        mark not in outcome.text,
        expected=f"no piece that holds {mark!r}",
        observed=f"{list(heard(outcome.pieces))!r}",
    )
    expect(
        outcome.raised or outcome.returned,
        expected="an error, or the stream without the bad line",
        observed=describe(outcome),
    )


@clause("STREAM-23", case="json")
@each_shape
def test_a_plain_answer_to_a_stream_call_is_the_whole_answer_or_an_error(case: Case, shape: Shape) -> None:
    """Some servers cannot stream and answer at once; an SSE parser finds no event in that."""
    needs_stream_of(case, shape)

    outcome = play(case, shape, {"json": in_band_fault(shape.plain(" one answer"))})["json"]

    expect(
        outcome.raised or (outcome.returned and outcome.text.strip() == "one answer"),
        expected="the whole answer ' one answer', or an error",
        observed=describe(outcome),
    )


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
