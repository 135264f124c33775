"""STREAM: which frames are events, whatever their name, and what becomes of those that cannot be read."""

from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import raw_event
from tgi_conformance.suites.areas.reports import Reports
from tgi_conformance.suites.areas.stream_checks import NOT_JSON, WORDS
from tgi_conformance.suites.areas.streams import (
    bytes_reply,
    each_shape,
    expect_same_events,
    needs_stream_of,
    play,
)
from tgi_conformance.suites.generated.streams import Encoding
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_requests
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.shapes.calls import Shape


def _expect_unheard(case: Case, shape: Shape, frames: Mapping[str, tuple[str, ...]], because: str) -> None:
    """The lines, put before each frame and behind the last, change nothing of what a stream gives."""
    needs_stream_of(case, shape)
    events = shape.events(WORDS)
    replies = {"plain": bytes_reply(shape, Encoding().stream(events))}
    for slug, lines in frames.items():
        tail = "".join(f"{line}\n" for line in lines).encode()
        replies[slug] = bytes_reply(shape, Encoding(before=(lines,)).stream(events) + tail)

    outcomes = play(case, shape, replies)

    expect_same_events(outcomes, "plain", because)
    expect_requests(case.journal().generations, len(replies), because="one a call", journal=case.journal())


#: Frames that hold fields and no data. A minute's ``retry`` shows a client that waits for it.
NO_DATA: Final[Mapping[str, tuple[str, ...]]] = {
    "event": ("event: ping", ""),
    "id": ("id: 7", ""),
    "id-nul": ("id: 7\0", ""),
    "retry": ("retry: 60000", ""),
    "unknown": ("x-cost: 3", ""),
    "several": ("id: 8", "event: ping", ": keep-alive", "retry: 10", ""),
}


@clause("STREAM-29")
@each_shape
def test_a_frame_without_data_gives_no_event(case: Case, shape: Shape) -> None:
    """A gateway that sends ``retry:`` or an id by itself says nothing to a model's reader."""
    _expect_unheard(case, shape, NO_DATA, "a frame without a data line gives no event")


#: Frames whose data is the empty text.
EMPTY_DATA: Final[Mapping[str, tuple[str, ...]]] = {
    "no-blank": ("data:", ""),
    "blank": ("data: ", ""),
    "no-colon": ("data", ""),
    "with-id": ("id: 123", "data: ", ""),
    "named": ("event: keep-alive", "data:", ""),
}


@clause("STREAM-30")
@each_shape
def test_an_event_whose_data_is_empty_says_nothing(case: Case, shape: Shape) -> None:
    """Servers keep connections alive so; the empty text is no JSON, no token, no end and no error."""
    _expect_unheard(case, shape, EMPTY_DATA, "an event without data is no token, no end and no error")


#: Field lines that name each event of a stream.
NAMES: Final[Mapping[str, str]] = {
    "message": "event: message",
    "no-blank": "event:message",
    "chunk": "event: chat.completion.chunk",
    "completion": "event: completion",
    "empty": "event:",
}


@clause("STREAM-31")
@each_shape
def test_the_name_of_an_event_does_not_hide_its_data(case: Case, shape: Shape) -> None:
    """Only ``error`` is a name that means something here; TGI and OpenAI send none, other servers do."""
    needs_stream_of(case, shape)
    events = shape.events(WORDS)
    replies = {"plain": bytes_reply(shape, Encoding().stream(events))}
    for slug, line in NAMES.items():
        replies[slug] = bytes_reply(shape, Encoding(before=((line,),)).stream(events))
    named_last = b"".join(
        frame.removesuffix(b"\n") + b"event: message\n\n" for frame in Encoding().frames(events)
    )
    replies["after-the-data"] = bytes_reply(shape, named_last)

    expect_same_events(play(case, shape, replies), "plain", "the name of an event hides nothing of it")


@clause("STREAM-32")
@each_shape
def test_an_event_that_is_passed_over_is_reported(case: Case, shape: Shape) -> None:
    """Text may be missing: who reads the answer, or the log, must be able to know."""
    needs_stream_of(case, shape)
    bad = {
        form: shape.frames(*shape.open_events(WORDS[:2]), raw_event(raw), *shape.events(WORDS[2:]))
        for form, (raw, _) in NOT_JSON.items()
    }
    reports = Reports.since_now(case)

    outcomes = play(case, shape, {form: in_band_fault(reply) for form, reply in bad.items()})

    skipped = [form for form, outcome in outcomes.items() if _was_skipped(outcome)]
    expect(
        not skipped or bool(reports.seen(outcomes.values())),
        expected="a warning, a log record from WARNING up, or a line printed, of what was passed over",
        observed=f"nothing said of the events passed over ({', '.join(skipped)})",
    )


def _was_skipped(outcome: Outcome) -> bool:
    """Whether the stream gave its own tokens, and neither an error nor the bad line."""
    return outcome.returned and outcome.says("".join(WORDS))
