"""STREAM: what is handed over, when, and to whom."""

import random

import pytest

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import same_text
from tgi_conformance.contracts.script import Event, data, done, raw_event
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.held import taken_together
from tgi_conformance.suites.areas.stream_checks import (
    TEXT,
    TOKEN_LISTS,
    WORDS,
    expect_handed_over_as_sent,
    expect_joined,
    expect_pieces_joined,
)
from tgi_conformance.suites.areas.streams import (
    ALL,
    each_shape,
    expect_end,
    heard,
    needs_stream_of,
    play,
)
from tgi_conformance.suites.generated.texts import token_lists
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import ahead, clause, load, timing
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_success
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Draft, Shape

#: The read timeout of the cases about it (seconds), and the part of it that a steady stream pauses for.
TIMEOUT = 0.5
STEADY = 0.24


def _chunk(**delta: JSON) -> Event:
    """A chat chunk whose delta is exactly this."""
    (event,) = CHAT.open_events([""])
    draft: Draft = event.json  # type: ignore[assignment]
    draft["choices"][0]["delta"] = delta
    return data(draft)


def _usage_chunk() -> Event:
    return data(dict(wire_example("chat-stream-include-usage").events[-1]))


def _after_two(*events: Event) -> tuple[Event, ...]:
    """These frames between the second and the third token."""
    whole = CHAT.events(WORDS)
    return (*whole[:2], *events, *whole[2:])


#: Chunks without text, all seen from TGI or from servers of the same form.
TEXTLESS: dict[str, tuple[Event, ...]] = {
    "usage-chunk": (*CHAT.events(WORDS)[:-1], _usage_chunk(), done()),
    "choices-empty": _after_two(_usage_chunk()),
    "delta-empty": _after_two(_chunk()),
    "content-null": _after_two(_chunk(role="assistant", content=None)),
    "content-empty": _after_two(_chunk(role="assistant", content="")),
    "role-only-first": (_chunk(role="assistant", content=""), *CHAT.events(WORDS)),
}


def _completion_chunk(text: str | None) -> Event:
    """A chunk of completions whose text is exactly this."""
    (event,) = COMPLETIONS.open_events([""])
    draft: Draft = event.json  # type: ignore[assignment]
    draft["choices"][0]["text"] = text
    return data(draft)


def _textless_completions() -> dict[str, tuple[Event, ...]]:
    usage = dict(wire_example("chat-stream-include-usage").events[-1]) | {"object": "text_completion"}
    one, two, *rest = COMPLETIONS.events(WORDS)
    return {
        "usage-chunk": (*COMPLETIONS.events(WORDS)[:-1], data(usage), done()),
        "choices-empty": (one, two, data(usage), *rest),
        "text-empty": (_completion_chunk(""), one, _completion_chunk(""), two, *rest),
    }


@clause("STREAM-18", case="completions", ways="completions stream")
@pytest.mark.parametrize("form", ["choices-empty", "text-empty", "usage-chunk"])
def test_a_chunk_of_completions_without_text_is_tolerated(case: Case, form: str) -> None:
    """Servers of OpenAI's form send usage so here as well, and an empty text where a token has none."""
    needs_stream_of(case, COMPLETIONS)

    outcome = play(case, COMPLETIONS, {form: COMPLETIONS.frames(*_textless_completions()[form])})[form]

    expect_end(outcome, TEXT, "chunks without text say nothing about the end")


@clause("STREAM-18", ways="chat stream")
@pytest.mark.parametrize("form", sorted(TEXTLESS))
def test_a_chunk_without_text_is_tolerated_and_is_not_the_end(case: Case, form: str) -> None:
    """``choices[0]`` of an empty list is the classic crash; an empty delta is no end either."""
    needs_stream_of(case, CHAT)

    outcome = play(case, CHAT, {form: CHAT.frames(*TEXTLESS[form])})[form]

    expect_end(outcome, TEXT, "chunks without text say nothing about the end")


@clause("STREAM-19")
@pytest.mark.parametrize("tokens", sorted(TOKEN_LISTS))
@each_shape
def test_the_pieces_joined_are_the_text(case: Case, shape: Shape, tokens: str) -> None:
    """None lost, repeated or reordered; TGI puts the role into every delta, and it is one word."""
    expect_pieces_joined(case, shape, tokens)


@clause("STREAM-19", case="property-p04", ways="chat stream")
def test_the_pieces_of_any_stream_joined_are_its_text(case: Case) -> None:
    """Property P-04, for any plain tokens."""
    case.needs("stream")
    shape = case.shape()

    def check(inner: Case, tokens: tuple[str, ...]) -> None:
        expect_joined(play(inner, shape, {"tokens": shape.stream(tokens)})["tokens"], tokens)

    check_property(case, token_lists(plain=True, most=10), check)


@clause("STREAM-20")
@each_shape
def test_each_token_is_handed_over_before_the_next_is_sent(case: Case, shape: Shape) -> None:
    """The server sends token k + 1 only after the caller has token k: who buffers never gets on."""
    needs_stream_of(case, shape)
    expect_handed_over_as_sent(case, shape, shape.stream(WORDS), WORDS)


@clause("STREAM-21", case="recorded")
def test_special_tokens_stay_out_of_the_text(case: Case) -> None:
    """TGI streams ``</s>`` as a token marked special; its own full text leaves it out."""
    needs_stream_of(case, NATIVE)
    example = wire_example("gens-details-eos")
    frames = tuple(raw_event(frame.encode()) for frame in example.frames)

    outcome = play(case, NATIVE, {"eos": NATIVE.frames(*frames)})["eos"]

    expect_end(outcome, str(example.events[-1]["generated_text"]), "generated_text says what the text is")


@clause("STREAM-21", case="differs")
def test_a_generated_text_that_differs_from_the_tokens_is_recorded(case: Case) -> None:
    """TGI's full text is authoritative; which of the two a client shows is its own choice."""
    needs_stream_of(case, NATIVE)
    *head, last = NATIVE.events(WORDS)
    final: Draft = dict(last.json)  # type: ignore[arg-type]
    final["generated_text"] = f"{TEXT}!"

    outcome = play(case, NATIVE, {"differs": NATIVE.frames(*head, data(final))})["differs"]

    expect_success(outcome, "the stream")
    case.note({"tokens": TEXT, "generated_text": f"{TEXT}!", "shown": outcome.text})


@clause("STREAM-25", case="silence")
@each_shape
@timing
@ahead
def test_a_silent_stream_ends_in_a_timeout(case: Case, shape: Shape) -> None:
    """A server that has died without a word must not hold the caller for ever."""
    needs_stream_of(case, shape)
    case.needs("timeout")
    case.needs_setting("timeout")
    space = case.serve(shape.stream(WORDS).cut("stall", event=2))
    limit = case.patience().limit(TIMEOUT)
    endpoint = case.endpoint(timeout=limit)

    running = case.start(endpoint=endpoint, shape=shape, stream=True)
    running.call.pull(ALL)
    outcome = running.wait_briefly(case.patience(space.journal()).soon() + limit)
    if outcome is None:
        running.call.abandon()

    expect(
        outcome is not None,
        expected=f"an error within the timeout of {limit} s and a second",
        observed="it still waits",
        journal=space.journal(),
    )
    if outcome is not None:
        expect_error(outcome, ErrorKind.TIMEOUT, because="the server fell silent after two tokens")


@clause("STREAM-25", case="steady", ways="chat stream")
@timing
@ahead
def test_a_stream_that_talks_steadily_is_not_cut(case: Case) -> None:
    """The timeout counts silence: an answer may take longer than it."""
    case.needs("stream", "timeout")
    case.needs_setting("timeout")
    shape = case.shape()
    tokens = tuple(f" {number}" for number in range(7))
    limit = case.patience().limit(TIMEOUT)
    case.serve(shape.stream(tokens).deliver(event_gap_ms=STEADY * limit * 1000))
    endpoint = case.endpoint(timeout=limit)

    outcome = case.call(endpoint=endpoint, shape=shape, stream=True)

    expect_end(outcome, "".join(tokens), f"never silent for more than {STEADY:.0%} of {limit} s")


@clause("STREAM-26")
def test_streams_of_several_prompts_are_split_by_index(case: Case) -> None:
    """TGI interleaves the choices as they come; ``finish_reason: ""`` on a chunk is no end."""
    needs_stream_of(case, COMPLETIONS)
    said = {0: (" a", " b", " c"), 1: (" x", " y", " z", " w")}
    order = ((1, 0), (0, 0), (1, 1), (1, 2), (0, 1), (1, 3), (0, 2))
    frames = [_choice(said, index, at) for index, at in order]
    case.serve(COMPLETIONS.frames(*frames, done()))
    endpoint = case.endpoint()
    prompt = case.prompt()

    outcome = case.call(
        prompt, endpoint=endpoint, shape=COMPLETIONS, stream=True, subject=[prompt, f"{prompt} again"]
    )

    expect_success(outcome, "the stream")
    if all(piece.index is UNSET for piece in outcome.pieces):
        raise NotApplicable("the index of a piece's prompt is not exposed")
    for index, tokens in said.items():
        text = "".join(heard([piece for piece in outcome.pieces if piece.index == index]))
        expect(
            same_text(text, "".join(tokens), trims=outcome.trims),
            expected=f"{''.join(tokens)!r} for prompt {index}",
            observed=f"{text!r}; {describe(outcome)}",
        )


def _choice(said: dict[int, tuple[str, ...]], index: int, at: int) -> Event:
    """Token ``at`` of a choice; the last one of each ends it."""
    tokens = said[index]
    last = at == len(tokens) - 1
    event = COMPLETIONS.events(tokens)[at] if last else COMPLETIONS.open_events(tokens)[at]
    draft: Draft = event.json  # type: ignore[assignment]
    draft["choices"][0]["index"] = index
    return data(draft)


@clause("STREAM-27", ways="chat stream")
@load
def test_concurrent_streams_never_exchange_pieces(case: Case) -> None:
    """Sixteen streams at once, each in letters of its own."""
    case.needs("stream")
    shape = case.shape()
    chance = random.Random(case.settings.seed)  # noqa: S311 - reproducible, not secret
    texts = {
        case.prompt(letter): tuple(f" {letter * 3}{n}" for n in range(6)) for letter in "abcdefghijklmnop"
    }
    case.serve(
        *(
            shape.stream(tokens).deliver(event_gap_ms=chance.uniform(0.5, 4)).where(contains=prompt)
            for prompt, tokens in texts.items()
        )
    )
    endpoint = case.endpoint(max_concurrent_requests=16, queue_size=16, pool_size=16)

    prompts, together = list(texts), taken_together(case, len(texts))
    for first in range(0, len(prompts), together):
        running = {
            prompt: case.start(prompt, endpoint=endpoint, shape=shape, stream=True)
            for prompt in prompts[first : first + together]
        }
        for stream in running.values():
            stream.call.pull(ALL)

        for prompt, stream in running.items():
            expect_end(stream.wait(), "".join(texts[prompt]), "each stream has letters of its own")
