"""Checks of streams that are made with TGI's own servers and with those of other generations."""

from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.adapter import Piece
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.outcome import Outcome, same_text
from tgi_conformance.contracts.script import Event, Reply, data, raw_event
from tgi_conformance.suites.areas.streams import (
    ALL,
    expect_end,
    expect_heard,
    heard,
    needs_stream_of,
    play,
)
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_success
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.shapes.calls import Shape

WORDS: Final = (" Deep", " learning", " is", " fun")
TEXT: Final = "".join(WORDS)
#: Kinds that say "the server reported an error", whatever its reason.
TOLD: Final = (
    ErrorKind.REMOTE_ERROR,
    ErrorKind.SERVER_ERROR,
    ErrorKind.VALIDATION,
    ErrorKind.BAD_REQUEST,
    ErrorKind.OVERLOADED,
    ErrorKind.RATE_LIMITED,
)
#: The errors that TGI reports inside a stream, by error_type, with recorded or typical messages.
REPORTED: Final[Mapping[str, str]] = {
    "generation": "Request failed during generation: Server error: CUDA out of memory.",
    "validation": "Input validation error: `temperature` must be strictly positive",
    "overloaded": "Model is overloaded",
    "incomplete_generation": "Incomplete generation",
    "incomplete_generation_stream": "Incomplete generation stream",
}
#: Frames of the type ``error``; proxies put anything into them.
ERROR_FRAMES: Final[Mapping[str, Event]] = {
    "json": data({"message": "upstream went away"}, fields=(("event", "error"),)),
    "text": Event(text="upstream went away", fields=(("event", "error"),)),
    "empty-object": data({}, fields=(("event", "error"),)),
    "list": data(["upstream went away"], fields=(("event", "error"),)),
    "name-last": raw_event(b'data: {"message": "upstream went away"}\nevent:error\n\n'),
}
#: Data lines that are no JSON, and what of them must not turn up as text.
NOT_JSON: Final[Mapping[str, tuple[bytes, str]]] = {
    "half-an-object": (b'data: {"a":\n\n', '{"a":'),
    "words": (b"data: hello world\n\n", "hello"),
    "html": (b"data: <html>oops</html>\n\n", "oops"),
}
#: Tokens that a careless joiner loses, trims or takes for one another.
TOKEN_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "one": (" only",),
    "repeated": (" no", " no", " no", " no"),
    "empty-ones": (" a", "", " b", "", ""),
    "blanks": (" ", "  ", " x", " ", " "),
    "newlines": (" a", "\n", "\n", "b", "\n"),
    "like-marks": (" null", " [DONE]", " data:", ": ping"),
    "many": tuple(f" {number}" for number in range(120)),
}


def expect_done_ends(case: Case, shape: Shape, form: str) -> None:
    """A stream whose ``[DONE]`` has or lacks a blank after its colon ends normally after its text."""
    needs_stream_of(case, shape)
    mark = b"data: [DONE]\n\n" if form == "blank" else b"data:[DONE]\n\n"
    events = (*shape.events(WORDS)[:-1], raw_event(mark))

    outcome = play(case, shape, {form: shape.frames(*events)})[form]

    expect_end(outcome, TEXT, "[DONE] ends the stream")


def expect_error_event_told(case: Case, shape: Shape, at: int) -> None:
    """An error event of the OpenAI form after some tokens is an error, although ``[DONE]`` follows."""
    needs_stream_of(case, shape)
    tokens = WORDS[:at]
    message = REPORTED["generation"]
    frames = (*shape.open_events(tokens), *shape.error_frames(message))
    slug = f"at-{at}"

    outcome = play(case, shape, {slug: in_band_fault(shape.frames(*frames))})[slug]

    expect_error(outcome, *TOLD, contains=message, because=f"an error event after {at} tokens")
    expect_heard(outcome, tokens, "the error came after them")


def expect_error_frame_told(case: Case, shape: Shape, form: str) -> None:
    """A frame of the type ``error`` is an error, whatever stands in it."""
    needs_stream_of(case, shape)
    head, tail = shape.open_events(WORDS[:2]), shape.events(WORDS[2:])

    outcome = play(case, shape, {form: in_band_fault(shape.frames(*head, ERROR_FRAMES[form], *tail))})[form]

    expect_error(outcome, because="a frame with event: error")


def expect_bad_line_unheard(case: Case, shape: Shape, form: str) -> None:
    """A data line that is no JSON is no text: an error, or passed over."""
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


def expect_whole_or_error(case: Case, shape: Shape) -> None:
    """A plain answer to a stream call is handed on whole, or is an error."""
    needs_stream_of(case, shape)

    outcome = play(case, shape, {"json": in_band_fault(shape.plain(" one answer"))})["json"]

    expect(
        outcome.raised or (outcome.returned and outcome.text.strip() == "one answer"),
        expected="the whole answer ' one answer', or an error",
        observed=describe(outcome),
    )


def expect_pieces_joined(case: Case, shape: Shape, tokens: str) -> None:
    """The pieces joined are the text of one of :data:`TOKEN_LISTS`."""
    needs_stream_of(case, shape)

    outcome = play(case, shape, {tokens: shape.stream(TOKEN_LISTS[tokens])})[tokens]

    expect_joined(outcome, TOKEN_LISTS[tokens])


def expect_joined(outcome: Outcome, tokens: tuple[str, ...]) -> None:
    """The pieces joined are the text of these tokens, and have one role."""
    expect_success(outcome, "the stream")
    text, joined = "".join(tokens), "".join(heard(outcome.pieces))
    same = same_text(joined, text, trims=outcome.trims)
    expect(same, expected=f"the text {text!r}", observed=repr(joined))
    _expect_one_role(outcome.pieces)


def _expect_one_role(pieces: tuple[Piece, ...]) -> None:
    roles = {piece.role for piece in pieces if piece.role}
    expect(roles <= {"assistant"}, expected="the role 'assistant', one word", observed=repr(roles))


def expect_handed_over_as_sent(case: Case, shape: Shape, reply: Reply, tokens: tuple[str, ...]) -> None:
    """Each token, an event of its own, is handed over while the server still holds the next one back."""
    for at in range(1, len(tokens)):
        reply = reply.held(f"token-{at}", event=at)
    space = case.serve(reply)
    endpoint = case.endpoint()

    running = case.start(endpoint=endpoint, shape=shape, stream=True)
    running.call.pull(ALL)
    for at in range(1, len(tokens)):
        so_far = "".join(tokens[:at])
        came = wait_text(case, running, so_far)
        if not came:
            seen = heard(running.call.pieces_so_far())
            running.call.abandon()
            expect(
                came,
                expected=f"{so_far!r} handed over before token {at + 1} is sent",
                observed=f"{seen!r}, and nothing more",
                journal=space.journal(),
            )
        space.release(f"token-{at}")

    expect_end(running.wait(), "".join(tokens), "every token was released")


def wait_text(case: Case, running: Running, text: str) -> bool:
    """Wait until the pieces so far make that text; False after some seconds without a new piece."""
    bound = case.patience(case.journal()).soon(2.0)
    while not _heard(running, text):
        if not running.call.wait_pieces(len(running.call.pieces_so_far()) + 1, bound):
            return _heard(running, text)
    return True


def _heard(running: Running, text: str) -> bool:
    seen = "".join(heard(running.call.pieces_so_far()))
    return same_text(seen, text, trims=running.call.trims)
