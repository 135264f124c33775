"""RESP: what holds of a plain answer holds of a stream: its text, its end, and what it may leave out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

import pytest

from tgi_conformance.contracts.adapter import Piece
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome, same_text
from tgi_conformance.contracts.script import Event, Reply, data, done
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.areas.answers import (
    FINISH,
    NO_PREFIX,
    QUESTION,
    TEXTS,
    Change,
    everywhere,
    outcomes_of,
)
from tgi_conformance.suites.areas.tools import ask, calls_of, chunk, fragments
from tgi_conformance.suites.areas.ways import SHAPE
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_success, expect_text
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Draft, Shape, words

STREAM = pytest.mark.parametrize("stream", [True], ids=["stream"])
SAID: Final = ("as", " usual")
#: Texts whose beginning, whose end or whose whole says something to a client; each is a stream of its own.
ALONE: Final = (
    "blanks-and-newlines",
    "blanks-only",
    "byte-order-mark",
    "empty",
    "json",
    "null-word",
    "number",
    "special-tokens",
)


@clause("RESP-02")
@SHAPE
@STREAM
def test_a_streamed_text_comes_back_exactly(case: Case, shape: Shape, *, stream: bool) -> None:
    """What looks like a special token or a mark is text, whether it fills a piece or stands in one."""
    told: dict[str, Sequence[str]] = {form: [TEXTS[form]] for form in ALONE}
    # The last event has no text, as where the end of the text is a token of its own.
    told["pieces"] = [*TEXTS.values(), ""]
    told["words"] = [word for text in TEXTS.values() for word in words(text)]
    replies = {form: _escaped(shape, tokens) for form, tokens in told.items()}

    outcomes = outcomes_of(case, shape, replies, stream=stream)

    for form, tokens in told.items():
        expect_text(outcomes[form], "".join(tokens))


@clause("RESP-02", case="stop-inside")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@SHAPE
def test_a_stop_string_inside_a_text_that_went_on_stays(case: Case, shape: Shape, *, stream: bool) -> None:
    """TGI stops where a stop string ends a token; inside of one it goes on, and so does the text."""
    case.needs_parameter(shape, "stop")
    tokens = ("one", " STOPPED", " two")
    reply = shape.stream(tokens) if stream else shape.plain("".join(tokens))

    outcomes = outcomes_of(case, shape, {"inside": reply}, stream=stream, stop=["STOP"])

    expect_text(outcomes["inside"], "".join(tokens))


def _escaped(shape: Shape, tokens: Sequence[str]) -> Reply:
    """A stream whose bytes are all ASCII: how bytes become lines and characters is STREAM-04's and -05's."""
    return shape.frames(*(replace(event, ascii=True) for event in shape.events(tokens)))


@clause("RESP-03")
@pytest.mark.parametrize("form", sorted(NO_PREFIX))
@STREAM
def test_a_stream_that_does_not_begin_with_the_prompt_loses_nothing(
    case: Case, form: str, *, stream: bool
) -> None:
    """A stream of TGI's never has the prompt in front: whoever cuts it off there eats the answer."""
    case.needs("native", "stream")
    case.serve(NATIVE.stream(words(NO_PREFIX[form])))

    outcome = case.call(QUESTION, endpoint=case.endpoint(), shape=NATIVE, stream=stream)

    expect_success(outcome)
    expect(
        outcome.text.strip().endswith(NO_PREFIX[form].strip()),
        expected=f"the whole of {NO_PREFIX[form]!r}",
        observed=repr(outcome.text),
    )


@clause("RESP-04")
@pytest.mark.parametrize("form", ["absent", "null", "empty"])
@STREAM
def test_a_stream_of_tool_calls_without_content_is_an_answer(case: Case, form: str, *, stream: bool) -> None:
    """A delta of tool calls has no ``content``, or null, or no text in it."""
    case.needs("chat", "stream")
    content: dict[str, dict[str, JSON]] = {"absent": {}, "null": {"content": None}, "empty": {"content": ""}}
    deltas = [chunk([each]) for each in fragments('{"location": "Paris"}', at=(1, 12))]
    for event in deltas:
        cast("Draft", event.json)["choices"][0]["delta"].update(content[form])
    case.serve(CHAT.frames(*deltas, chunk(None, finish="stop"), done()))

    outcome = ask(case, stream=stream)

    expect_text(outcome, "")
    calls = calls_of(outcome)
    expect(
        calls is None or not case.claims("tools") or [one.name for one in calls] == ["get_weather"],
        expected="a tool call of get_weather",
        observed=repr(calls),
    )


_TOKEN: Final = {"id": 3, "text": "x", "logprob": None, "special": False}


def _choice(event: Draft) -> Draft:
    return cast("Draft", event["choices"][0])


def _without_logprobs(event: Draft) -> None:
    _choice(event).pop("logprobs", None)


#: Events that differ from the usual in what a client has no business to insist on; every event of a stream
#: is changed.
TOLERATED: Final[Mapping[str, Mapping[str, Change]]] = {
    "native": {
        "extra-everywhere": everywhere,
        "logprob-null": lambda event: event["token"].update(logprob=None),
        "top-tokens": lambda event: event.update(top_tokens=[_TOKEN]),
        "no-details": lambda event: event.pop("details", None),
        "details-null": lambda event: event.update(details=None),
    },
    "chat": {
        "extra-everywhere": everywhere,
        "object-of-text-completion": lambda event: event.update(object="text_completion"),
        "object-unknown": lambda event: event.update(object="chat.completion.chunk.v2"),
        "no-logprobs": _without_logprobs,
        "logprob-null": lambda event: _choice(event).update(
            logprobs={"content": [{"token": "x", "logprob": None, "top_logprobs": []}]}
        ),
        "tool-calls-empty": lambda event: _choice(event)["delta"].update(tool_calls=[]),
        "tool-calls-null": lambda event: _choice(event)["delta"].update(tool_calls=None),
    },
    "completions": {
        "extra-everywhere": everywhere,
        "object-unknown": lambda event: event.update(object="completion.v2"),
        "no-logprobs": _without_logprobs,
    },
}
_WITHOUT_DETAILS: Final = frozenset({"no-details", "details-null"})


def _changed(event: Event, change: Change) -> Event:
    if event.done:
        return event
    change(cast("Draft", event.json))
    return event


@clause("RESP-05")
@SHAPE
@STREAM
def test_unknown_fields_and_missing_options_of_events_are_accepted(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """A strict class for each event makes the next field of TGI's the end of every stream."""
    replies = {
        form: shape.frames(*(_changed(event, change) for event in shape.events(SAID)))
        for form, change in TOLERATED[shape.name].items()
    }

    outcomes = outcomes_of(case, shape, replies, stream=stream)

    asked = shape.name == NATIVE.name and any(
        NATIVE.parameters_of(sent.json()).get("details") is True for sent in case.journal().generations
    )
    for form, outcome in outcomes.items():
        if not (asked and form in _WITHOUT_DETAILS):  # TGI gives the details that were asked for
            expect_text(outcome, "".join(SAID))


def _finishing(shape: Shape, tokens: Sequence[str], reason: str | None) -> Reply:
    """A stream whose last event ends it for this reason."""
    *head, last = shape.events(tokens)[: len(tokens)]
    event = cast("Draft", last.json)
    (event["details"] if shape.name == NATIVE.name else _choice(event))["finish_reason"] = reason
    return shape.frames(*head, data(cast("JSON", event)), *([done()] if shape.ends_with_done else []))


@clause("RESP-06")
@SHAPE
@STREAM
def test_any_finish_reason_of_a_stream_parses(case: Case, shape: Shape, *, stream: bool) -> None:
    """A word that is new to the client must not cost the stream."""
    replies = {form: _finishing(shape, SAID, reason) for form, reason in FINISH.items()}

    outcomes = outcomes_of(case, shape, replies, stream=stream)

    for outcome in outcomes.values():
        expect_text(outcome, "".join(SAID))


@clause("RESP-07")
@SHAPE
@STREAM
def test_a_cut_stream_can_be_told_from_a_finished_one(case: Case, shape: Shape, *, stream: bool) -> None:
    """The reason stands in the last event; a client that reads the first one's has none to give."""
    natural = ("eos_token" if shape.name == NATIVE.name else "stop", "stop_sequence")
    replies = {reason: _finishing(shape, SAID, reason) for reason in ("length", *natural)}

    outcomes = outcomes_of(case, shape, replies, stream=stream)

    told = {reason: _end_told(outcome) for reason, outcome in outcomes.items()}
    if all(reason is UNSET for reason in told.values()):
        raise NotApplicable("no finish reason is exposed")
    for reason in natural:
        expect(
            told["length"] != told[reason],
            expected=f"length and {reason} told apart by the pieces' finish_reason",
            observed=f"{told[reason]!r} for both",
        )


def _end_told(outcome: Outcome) -> object:
    """The finish reason that a stream gives, which stands where its text is whole; UNSET: it exposes none."""
    expect_text(outcome, "".join(SAID))
    ends = [at for at, piece in enumerate(outcome.pieces) if _names_an_end(piece)]
    so_far = "".join(str(piece.text or "") for piece in outcome.pieces[: ends[0] + 1]) if ends else ""
    expect(
        not ends or same_text(so_far, "".join(SAID), trims=outcome.trims),
        expected="no piece but the last of the text says that it is the end",
        observed=f"{describe(outcome)}: the end was told after {so_far!r}",
    )
    reasons = [piece.finish_reason for piece in outcome.pieces if piece.finish_reason is not UNSET]
    if not reasons:
        return UNSET
    return next((reason for reason in reversed(reasons) if reason), None)


def _names_an_end(piece: Piece) -> bool:
    return piece.done is True or piece.finish_reason not in (UNSET, None, "")
