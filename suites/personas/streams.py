"""Streams of servers of other generations: how each clause about them is tried."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from tgi_conformance.contracts.script import Encoding, Event, Reply, comment, data, done
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.stream_checks import REPORTED, TEXT, TOLD, WORDS, wait_text
from tgi_conformance.suites.areas.streams import (
    ALL,
    expect_end,
    expect_heard,
    expect_same_events,
    heard,
    play,
)
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import expect, expect_error
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.shapes.calls import Draft, Shape
from tgi_conformance.suites.shapes.personas import PersonaShape

Run = Callable[[Case, Shape, str], None]


#: Text of two, three and four bytes a character.
WIDE: Final = (" é", "中", " 😀", " end")
#: Text with what ends a line elsewhere.
SEPARATORS: Final = (" a\u2028b", " c\x85d", " e\x0bf\x0cg", " end")


def _blank(shape: Shape) -> bool:
    return shape.traits.blank if isinstance(shape, PersonaShape) else True


def _between(shape: Shape, event: Event) -> Reply:
    head, *tail = shape.events(WORDS)
    return shape.frames(head, event, *tail)


#: The same events told in another way: clause -> (tokens, the reply).
TOLD_OTHERWISE: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Shape], Reply]]]] = {
    "STREAM-01": (WORDS, lambda shape: shape.stream(WORDS).deliver(splits="bytes")),
    "STREAM-02": (WIDE, lambda shape: shape.stream(WIDE).deliver(splits="bytes")),
    "STREAM-03": (
        WORDS,
        lambda shape: shape.stream(WORDS, encoding=Encoding(line_end="\r\n", blank=_blank(shape))),
    ),
    "STREAM-04": (SEPARATORS, lambda shape: shape.stream(SEPARATORS)),
    "STREAM-05": (WIDE, lambda shape: shape.stream(WIDE, content_type='text/event-stream;charset="UTF-8"')),
    "STREAM-06": (WORDS, lambda shape: shape.stream(WORDS, encoding=Encoding(blank=not _blank(shape)))),
    "STREAM-07": (WORDS, lambda shape: _between(shape, comment("ping"))),
    "STREAM-08": (
        WORDS,
        lambda shape: shape.frames(*(replace(e, multi_line=not e.done) for e in shape.events(WORDS))),
    ),
}


def same_events(name: str) -> Run:
    """Try a clause of :data:`TOLD_OTHERWISE`: both tellings give the same pieces, and the whole text."""
    tokens, otherwise = TOLD_OTHERWISE[name]

    def run(case: Case, shape: Shape, _: str) -> None:
        outcomes = play(case, shape, {"plain": shape.stream(tokens), "otherwise": otherwise(shape)})
        expect_same_events(outcomes, "plain", f"the stream is told as {name} allows")
        expect_end(outcomes["otherwise"], "".join(tokens), "nothing of it is lost")

    return run


def whole_stream(case: Case, shape: Shape, _: str) -> None:
    """The persona's stream with all that belongs to it ends normally after its text."""
    outcome = play(case, shape, {"whole": shape.stream(WORDS)})["whole"]
    expect_end(outcome, TEXT, "the persona's whole stream")


def no_early_end(case: Case, shape: Shape, _: str) -> None:
    """``generated_text: null`` stands on every token."""
    outcome = play(case, shape, {"whole": shape.stream(WORDS)})["whole"]
    expect_end(outcome, TEXT, "only a string in generated_text ends the stream")
    early = [at for at, piece in enumerate(outcome.pieces[:-1]) if piece.done is True]
    expect(not early, expected="no piece but the last says that it is the end", observed=f"pieces {early}")


def no_end_mark(case: Case, shape: Shape, _: str) -> None:
    """The body ends properly, and nothing said that the answer does."""
    outcome = play(case, shape, {"open": shape.frames(*shape.open_events(WORDS))})["open"]
    expect_error(outcome, because="no mark of its end")
    expect_heard(outcome, WORDS, "they came before the end of the body")


def done_alone(case: Case, shape: Shape, _: str) -> None:
    """``[DONE]`` alone ends the stream, without a finish reason."""
    outcome = play(case, shape, {"none": shape.frames(*shape.open_events(WORDS), done())})["none"]
    expect_end(outcome, TEXT, "[DONE] is mark enough")


def finish_alone(case: Case, shape: Shape, _: str) -> None:
    """The persona's finish reason, no ``[DONE]``, and the proper end of the body."""
    events = [event for event in shape.events(WORDS) if not event.done]
    outcome = play(case, shape, {"finish": shape.frames(*events)})["finish"]
    expect_end(outcome, TEXT, "a finish_reason, then a proper end of the body")


def native_error(case: Case, shape: Shape, _: str) -> None:
    """An error event on the native route is an error, after the tokens before it."""
    message = REPORTED["generation"]
    frames = (*shape.open_events(WORDS[:2]), *shape.error_frames(message))
    outcome = play(case, shape, {"error": in_band_fault(shape.frames(*frames))})["error"]
    expect_error(outcome, *TOLD, contains=message, because="an error event after 2 tokens")
    expect_heard(outcome, WORDS[:2], "the error came after them")


def as_they_come(case: Case, shape: Shape, _: str) -> None:
    """The rest of the stream is held back until the caller has its first token."""
    reply = shape.stream(WORDS)
    first = shape.open_events(WORDS[:1])
    prefix = len(cast("Any", shape.frames(*first).stream).events)
    case.serve(reply.held("rest", event=prefix))
    running = case.start(endpoint=case.endpoint(), shape=shape, stream=True)
    running.call.pull(ALL)
    came = wait_text(case, running, WORDS[0])
    if not came:
        seen = heard(running.call.pieces_so_far())
        running.call.abandon()
        expect(came, expected=f"{WORDS[0]!r} handed over before more is sent", observed=f"{seen!r} after 2 s")
    case.space.release("rest")
    expect_end(running.wait(), TEXT, "the rest was released")


def special_tokens(case: Case, shape: Shape, _: str) -> None:
    """Special tokens stay out of the text."""
    events = [cast("Draft", event) for event in wire_example("gens-details-eos").events]
    outcome = play(case, shape, {"eos": shape.frames(*(data(event) for event in events))})["eos"]
    expect_end(outcome, str(events[-1]["generated_text"]), "generated_text says what the text is")
