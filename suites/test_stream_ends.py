"""STREAM: where a stream ends well, and where it was cut short."""

from dataclasses import dataclass
from typing import Final, cast

import pytest
from hypothesis import strategies as st

from tgi_conformance.contracts.outcome import Outcome, begins
from tgi_conformance.contracts.script import Event, Reply, raw_event
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.stream_checks import TEXT, WORDS, expect_done_ends
from tgi_conformance.suites.areas.streams import (
    ALL,
    chat_and_completions,
    each_openai_shape,
    each_shape,
    ends_by_itself,
    expect_end,
    needs_stream_of,
    play,
)
from tgi_conformance.suites.generated.streams import Encoding, frame_ends, stratified
from tgi_conformance.suites.generated.texts import token_lists
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Draft, Shape

#: What a server or proxy may leave behind ``[DONE]``.
JUNK: dict[str, bytes] = {
    "token": b'data: {"choices":[{"index":0,"delta":{"content":" junk"},"text":" junk"}]}\n\n',
    "not-json": b"data: junk\n\n",
    "error": b'data: {"error":{"message":"junk","http_status_code":422}}\n\n',
    "no-event": b"junk",
}


@clause("STREAM-09")
@pytest.mark.parametrize("form", ["blank", "no-blank"])
@each_openai_shape
def test_done_ends_the_stream(case: Case, shape: Shape, form: str) -> None:
    """``[DONE]`` is a mark and no JSON: not parsed, not handed out."""
    expect_done_ends(case, shape, form)


@clause("STREAM-09", case="socket-stays-open")
@each_openai_shape
def test_the_call_returns_after_done_though_the_socket_stays_open(case: Case, shape: Shape) -> None:
    """A server may keep the body open; who waits for its end hangs with the whole answer in hand."""
    needs_stream_of(case, shape)
    space = case.serve(shape.stream(WORDS).held("end", before="end"))
    endpoint = case.endpoint()

    running = case.start(endpoint=endpoint, shape=shape, stream=True)
    ended = ends_by_itself(case, running, space)

    expect(
        ended,
        expected=f"the stream ends within {case.patience(space.journal()).soon():.1f} s of [DONE]",
        observed="it still waits",
        journal=space.journal(),
    )
    expect_end(running.wait(), TEXT, "[DONE] came")


@clause("STREAM-09", case="junk-after")
@pytest.mark.parametrize("junk", sorted(JUNK))
@each_openai_shape
def test_nothing_after_done_is_used(case: Case, shape: Shape, junk: str) -> None:
    """What comes after the end belongs to no answer."""
    needs_stream_of(case, shape)

    outcome = play(case, shape, {junk: shape.frames(*shape.events(WORDS), raw_event(JUNK[junk]))})[junk]

    expect_end(outcome, TEXT, "[DONE] came before the rest")


@clause("STREAM-09", case="after-generated-text")
def test_a_done_after_a_native_stream_does_no_harm(case: Case) -> None:
    """For some weeks of 2024 TGI's native streams ended with ``[DONE]`` too."""
    needs_stream_of(case, NATIVE)
    events = (*NATIVE.events(WORDS), Event(done=True))

    outcome = play(case, NATIVE, {"done": NATIVE.frames(*events)})["done"]

    expect_end(outcome, TEXT, "generated_text, then [DONE]")


@clause("STREAM-10")
@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_native_stream_is_complete_at_its_generated_text(case: Case, framing: str) -> None:
    """TGI's own streams have no ``[DONE]``."""
    needs_stream_of(case, NATIVE)

    outcome = play(case, NATIVE, {framing: NATIVE.stream(WORDS, framing=framing)})[framing]

    expect_end(outcome, TEXT, "the last event holds generated_text")


@clause("STREAM-10", case="socket-stays-open")
def test_whether_a_native_stream_ends_before_its_body_is_recorded(case: Case) -> None:
    """``generated_text`` is the end; TGI ends the body with it, so waiting for that is no fault."""
    needs_stream_of(case, NATIVE)
    space = case.serve(NATIVE.stream(WORDS).held("end", before="end"))
    endpoint = case.endpoint()

    running = case.start(endpoint=endpoint, shape=NATIVE, stream=True)
    running.call.pull(ALL)
    early = running.wait_briefly(case.patience(space.journal()).soon()) is not None
    case.note({"ends before the body": early})
    space.release("end")

    expect_end(running.wait(), TEXT, "generated_text came")


@clause("STREAM-11", case="recorded")
@pytest.mark.parametrize("recording", ["gens-minimal", "gens-details-eos"])
def test_generated_text_null_is_not_the_end(case: Case, recording: str) -> None:
    """The key is there on every token; only a string in it ends the stream."""
    needs_stream_of(case, NATIVE)
    example = wire_example(recording)
    frames = tuple(raw_event(frame.encode()) for frame in example.frames)

    outcome = play(case, NATIVE, {recording: NATIVE.frames(*frames)})[recording]

    tokens = [cast("Draft", event)["token"] for event in example.events]
    texts = tuple(str(token["text"]) for token in tokens if not token["special"])
    expect(
        outcome.returned and begins(outcome.text, "".join(texts), trims=outcome.trims),
        expected=f"a normal end after all of {texts!r}",
        observed=describe(outcome),
    )
    early = [at for at, piece in enumerate(outcome.pieces[:-1]) if piece.done is True]
    expect(not early, expected="no piece but the last says that it is the end", observed=f"pieces {early}")


# --- cut short --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A stream that stops after ``at`` of its bytes."""

    at: int
    ending: str

    @property
    def slug(self) -> str:
        """A name for the reply and the report."""
        return f"{self.ending}-{self.at}"

    def reply(self, shape: Shape, frames: tuple[bytes, ...]) -> Reply:
        """The reply that plays it."""
        content = b"".join(frames)
        if self.ending == "proper":
            return shape.frames(*(raw_event(part) for part in (content[: self.at],) if part))
        events = tuple(raw_event(frame) for frame in frames)
        framing = "close" if self.ending == "fin" else "chunked"
        ending = "fin" if self.ending == "fin" else self.ending
        return shape.frames(*events, framing=framing).cut(ending, byte=self.at)


#: proper: the HTTP body ends as it should; fin: a body that lasts until the close; no-last-chunk: a chunked
#: body without its end; rst: a reset.
ENDINGS: Final = ("proper", "fin", "no-last-chunk", "rst")
#: Cuts inside events: many where nothing but the missing mark tells, fewer where the transport tells too.
CUTS: Final = {"proper": 40, "fin": 20, "no-last-chunk": 10, "rst": 10}


def _judge_cut(cut: Cut, frames: tuple[bytes, ...], tokens: tuple[str, ...], outcome: Outcome) -> None:
    """Hold one cut before the first terminal mark against the clause."""
    whole = sum(end <= cut.at for end in frame_ends(frames))
    expect(
        outcome.raised,
        expected=f"{cut.slug}: an error, for the stream stops after {cut.at} bytes with no mark of its end",
        observed=f"{cut.slug}: {describe(outcome)}",
    )
    # An event with its blank line still missing may be handed out or not (STREAM-28), and a reset may take
    # what was not yet read with it.
    full = "".join(tokens)
    fewest = "" if cut.ending == "rst" else "".join(tokens[:whole])
    most = "".join(tokens[: whole + 1])
    expect(
        begins(outcome.text, fewest, trims=outcome.trims) and begins(most, outcome.text, trims=outcome.trims),
        expected=f"{cut.slug}: the tokens that came before the cut, {fewest!r} of {full!r}",
        observed=f"{cut.slug}: {describe(outcome)}",
    )


def _stream(shape: Shape, tokens: tuple[str, ...]) -> tuple[tuple[bytes, ...], int]:
    """The frames of a stream, and the offset from which on its end may be known."""
    frames = Encoding(ascii=True).frames(shape.events(tokens))
    terminal = len(tokens) - 1
    # Two bytes before the terminal frame's end its JSON is whole.
    return frames, frame_ends(frames)[terminal] - 2


@clause("STREAM-12")
@pytest.mark.parametrize("ending", ENDINGS)
@each_shape
def test_a_stream_that_stops_before_its_end_is_an_error(case: Case, shape: Shape, ending: str) -> None:
    """Half an answer that looks whole is worse than none: every event boundary, and bytes in between."""
    needs_stream_of(case, shape)
    frames, known = _stream(shape, WORDS)
    places = {end for end in frame_ends(frames) if end < known}
    places |= set(stratified(known, CUTS[ending], whole=case.settings.profile == "thorough"))
    cuts = [Cut(at=at, ending=ending) for at in sorted(places)]

    outcomes = play(case, shape, {cut.slug: cut.reply(shape, frames) for cut in cuts})

    for cut in cuts:
        _judge_cut(cut, frames, WORDS, outcomes[cut.slug])


@clause("STREAM-12", case="property-p02", ways="chat stream")
def test_any_stream_cut_anywhere_is_an_error_after_its_prefix(case: Case) -> None:
    """Property P-02: what was delivered is a prefix of the whole, and the call raises."""
    case.needs("stream")
    shape = case.shape()

    def example(tokens: tuple[str, ...]) -> st.SearchStrategy[tuple[tuple[str, ...], Cut]]:
        _, known = _stream(shape, tokens)
        cut = st.builds(Cut, at=st.integers(0, known - 1), ending=st.sampled_from(ENDINGS))
        return st.tuples(st.just(tokens), cut)

    def check(inner: Case, drawn: tuple[tuple[str, ...], Cut]) -> None:
        tokens, cut = drawn
        frames, _ = _stream(shape, tokens)
        outcome = play(inner, shape, {cut.slug: cut.reply(shape, frames)})[cut.slug]
        _judge_cut(cut, frames, tokens, outcome)

    check_property(case, token_lists(plain=True).flatmap(example), check)


# --- marks that are enough --------------------------------------------------------------------------------


@clause("STREAM-13", case="tokens")
@chat_and_completions
def test_done_without_any_finish_reason_is_a_complete_stream(case: Case, shape: Shape) -> None:
    """Where EOS is a token of its own TGI never gives a finish_reason to a stream of tools."""
    needs_stream_of(case, shape)

    outcome = play(case, shape, {"none": shape.frames(*shape.open_events(WORDS), Event(done=True))})["none"]

    expect_end(outcome, TEXT, "[DONE] is mark enough")


@clause("STREAM-13", case="recorded-tools", ways="chat stream")
def test_a_recorded_tool_stream_ends_normally(case: Case) -> None:
    """TGI's own tool stream: every finish_reason null, then ``[DONE]``."""
    needs_stream_of(case, CHAT)
    case.needs("tools")
    frames = tuple(raw_event(frame.encode()) for frame in wire_example("chat-stream-tools-required").frames)

    outcome = play(case, CHAT, {"tools": CHAT.frames(*frames)})["tools"]

    expect(outcome.returned, expected="a normal end: [DONE] is mark enough", observed=describe(outcome))


@clause("STREAM-14")
@pytest.mark.parametrize("framing", ["chunked", "close"])
@chat_and_completions
def test_a_finish_reason_and_a_clean_end_are_a_complete_stream(
    case: Case, shape: Shape, framing: str
) -> None:
    """Some servers leave ``[DONE]`` out; the answer is whole all the same."""
    needs_stream_of(case, shape)
    events = shape.events(WORDS)[:-1]

    outcome = play(case, shape, {framing: shape.frames(*events, framing=framing)})[framing]

    expect_end(outcome, TEXT, "a finish_reason, then a proper end of the body")


@clause("STREAM-28")
@each_shape
def test_a_last_event_without_its_blank_line_is_recorded(case: Case, shape: Shape) -> None:
    """The standard drops it, most clients hand it out."""
    needs_stream_of(case, shape)
    frames = Encoding().frames(shape.events(WORDS))
    content = b"".join(frames[: len(WORDS)]).removesuffix(b"\n")

    outcome = play(case, shape, {"no-blank-line": shape.frames(raw_event(content))})["no-blank-line"]

    if outcome.ending not in ("end", "error"):
        raise NotApplicable(f"nothing to record: {describe(outcome)}")
    flushed = outcome.says(TEXT)
    case.note({"last event": "handed out" if flushed else "dropped", "ending": outcome.ending})
