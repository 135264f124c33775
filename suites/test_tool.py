"""TOOL: tool calls in answers and streams; what is sent is judged in ``test_tool_requests``."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import strategies as st

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Event, Reply, data, done
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.tools import (
    Draft,
    answer_of,
    ask,
    bare_fragments,
    beside_text,
    call,
    calls_of,
    chunk,
    ended,
    entry,
    executable,
    expect_calls,
    fragments,
    needs_streamed_calls,
    recorded_stream,
)
from tgi_conformance.suites.areas.ways import EITHER
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, error_text, expect
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.shapes.calls import CHAT

#: Arguments that clients have lost between text and object.
ARGUMENTS: Final[Mapping[str, JSON]] = {
    "flat": {"location": "Paris", "format": "celsius"},
    "nested": {
        "where": {"city": ["Paris", {"zip": "75001"}], "none": None},
        "n": [1, 2.5, -0.125],
        "ok": True,
    },
    "unicode": {"ort": "Zürich 深層 😀", "escaped": 'a "quote" \\ and \n a line'},
    "empty": {},
}


@clause("TOOL-04", ways="chat")
@pytest.mark.parametrize("form", ["string", "object"])
@pytest.mark.parametrize("arguments", sorted(ARGUMENTS))
def test_arguments_as_text_or_as_object_give_the_same_call(case: Case, arguments: str, form: str) -> None:
    """TGI 3 sends JSON text, TGI 2 an object; decoding twice or never breaks one of them."""
    case.needs("chat", "tools")
    value = ARGUMENTS[arguments]
    case.serve(answer_of([call(_text(value) if form == "string" else value)]))

    outcome = ask(case)

    expect_calls(outcome, calls_of(outcome), ("get_weather", value), because=f"arguments came as {form}")


#: The call that the streams of this file make, and its arguments as text.
LOCATION: Final[JSON] = {"location": "Paris", "format": "celsius"}
TEXT: Final = '{"location": "Paris", "format": "celsius"}'
WANTED: Final = ("get_weather", LOCATION)


def _usage_chunk() -> Event:
    """The recorded chunk without choices."""
    return data(dict(wire_example("chat-stream-include-usage").events[-1]))


def _joined_streams() -> dict[str, tuple[Reply, tuple[tuple[str, JSON], ...]]]:
    """Streams by slug, and the calls that they make."""
    first = fragments(TEXT, at=(1, 12, 24))
    second = fragments('{"tz": "CET"}', index=1, name="get_time", at=(1, 6))
    named = [entry(f["function"]["arguments"], name="get_weather") for f in first]
    quiet = [first[0], *(entry(f["function"]["arguments"], id=None) for f in first[1:])]
    dealt = ([first[0], second[0]], [second[1]], [first[1], first[2], second[2]], [first[3]])
    one = bare_fragments(TEXT, at=(0, 12, 24))
    other = bare_fragments('{"tz": "CET"}', index=1, name="get_time", at=(0, 6))
    in_turn = (one[0], other[0], one[1], other[1], one[2], other[2], one[3])
    both = (WANTED, ("get_time", {"tz": "CET"}))
    return {
        "recorded": (recorded_stream(), (WANTED,)),
        "name-repeated": (ended(*(chunk([f]) for f in named)), (WANTED,)),
        "id-null-later": (ended(*(chunk([f]) for f in quiet)), (WANTED,)),
        "two-entries-in-a-chunk": (ended(chunk(first[:2]), chunk(first[2:])), (WANTED,)),
        "two-calls": (ended(*(chunk([f]) for f in (*first, *second))), both),
        "interleaved": (ended(*map(chunk, dealt)), both),
        "id-on-the-first-alone": (ended(*(chunk([f]) for f in one)), (WANTED,)),
        "content-null-beside": (ended(*(beside_text(chunk([f]), None) for f in one)), (WANTED,)),
        "interleaved-without-ids": (ended(*(chunk([f]) for f in in_turn)), both),
        "finish-on-the-last-fragment": (
            CHAT.frames(*(chunk([f]) for f in one[:-1]), chunk(one[-1:], finish="tool_calls"), done()),
            (WANTED,),
        ),
        "usage-behind-the-finish": (
            CHAT.frames(*(chunk([f]) for f in one), chunk(None, finish="tool_calls"), _usage_chunk(), done()),
            (WANTED,),
        ),
    }


JOINED: Final = _joined_streams()


@clause("TOOL-05")
@pytest.mark.parametrize("form", sorted(JOINED))
def test_fragments_are_joined_by_their_index(case: Case, form: str) -> None:
    """A later null must not erase the name, nor a repeated one double it; two calls must not run together."""
    case.needs("chat", "tools", "stream")
    reply, wanted = JOINED[form]
    case.serve(reply)

    outcome = ask(case, stream=True)

    calls = needs_streamed_calls(outcome)
    expect_calls(outcome, calls, *wanted, because=f"{form}: fragments belong to the call of their index")
    ids = [one.id for one in calls]
    expect(
        all(one in (UNSET, str(index)) for index, one in enumerate(ids)),
        expected="the ids that came, each once",
        observed=repr(ids),
    )


@clause("TOOL-05", case="property-p23")
def test_any_fragmentation_gives_the_same_calls(case: Case) -> None:
    """Where the server cuts arguments says nothing about the calls."""
    case.needs("chat", "tools", "stream")
    values = st.dictionaries(st.text(max_size=6), st.text(max_size=12) | st.integers(-9, 99), max_size=3)
    cuts = st.lists(st.integers(0, 40), max_size=6)
    calls = st.lists(st.tuples(values, cuts).map(lambda drawn: CutUp(*drawn)), min_size=1, max_size=3)
    order = st.lists(st.integers(0, 2), max_size=12)
    check_property(case, st.builds(Fragmented, calls=calls, bare=st.booleans(), order=order), _check_joined)


@dataclass(frozen=True, slots=True)
class CutUp:
    """Arguments of one call, and where their text is cut."""

    value: Mapping[str, str | int]
    cuts: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragmented:
    """Calls in fragments of their own cuts."""

    calls: Sequence[CutUp]
    #: Whether id and name stand on the first fragment of each call alone.
    bare: bool
    #: Whose fragment comes next, of the calls that have one; in turn where this ends.
    order: Sequence[int]

    def frames(self, names: Sequence[str]) -> Iterator[Event]:
        """A chunk a fragment. A call begins no sooner than the one before it."""
        queues = [self._fragments(index, name) for index, name in enumerate(names)]
        turns = itertools.chain(self.order, itertools.count())
        begun = 0
        while any(queues):
            ready = [at for at, queue in enumerate(queues[: begun + 1]) if queue]
            at = ready[next(turns) % len(ready)]
            begun = max(begun, at + 1)
            yield chunk([queues[at].pop(0)])

    def _fragments(self, index: int, name: str) -> list[Draft]:
        text = _text(dict(self.calls[index].value))
        at = sorted(min(cut, len(text)) for cut in self.calls[index].cuts)
        return (bare_fragments if self.bare else fragments)(text, index=index, name=name, at=at)


def _check_joined(case: Case, told: Fragmented) -> None:
    names = ("get_weather", "get_time", "get_date")[: len(told.calls)]
    case.serve(ended(*told.frames(names)))

    outcome = ask(case, stream=True)

    wanted: list[tuple[str, JSON]] = [
        (name, dict(call.value)) for name, call in zip(names, told.calls, strict=True)
    ]
    expect_calls(outcome, needs_streamed_calls(outcome), *wanted, because="the calls that were cut up")


#: Finish reasons beside a whole call; None is null.
FINISHES: Final[Mapping[str, str | None]] = {
    "stop": "stop",
    "null": None,
    "absent": "absent",
    "length": "length",
    "tool-calls": "tool_calls",
}


@clause("TOOL-06", ways="chat")
@pytest.mark.parametrize("finish", sorted(FINISHES))
def test_a_call_is_known_by_its_presence(case: Case, finish: str) -> None:
    """TGI says ``stop`` beside a tool call; who waits for ``tool_calls`` never calls a tool."""
    case.needs("chat", "tools")
    case.serve(answer_of([call(TEXT)], finish=FINISHES[finish]))

    outcome = ask(case)

    if finish == "length" and outcome.raised:
        return  # it counts as cut short (TOOL-07)
    expect_calls(outcome, calls_of(outcome), WANTED, because=f"finish_reason {finish}")


@clause("TOOL-06", case="stream", ways="chat stream")
@pytest.mark.parametrize("finish", ["null", "stop", "length"])
def test_a_streamed_call_is_known_by_its_presence(case: Case, finish: str) -> None:
    """TGI's tool streams end with ``[DONE]`` and no finish reason at all."""
    case.needs("chat", "tools", "stream")
    last = () if finish == "null" else (chunk(None, finish=finish),)
    whole = chunk(fragments(TEXT, at=()))
    case.serve(CHAT.frames(whole, *last, done()), ended(whole).named("twin"))

    outcome = ask(case, stream=True)
    # Where nothing is exposed here, the twin says whether anything ever is.
    needs_streamed_calls(ask(case, stream=True))

    if finish == "length" and outcome.raised:
        return  # it counts as cut short (TOOL-07)
    expect_calls(outcome, calls_of(outcome), WANTED, because=f"finish_reason {finish}")


def _broken_calls() -> dict[str, Reply]:
    """Replies whose call is cut inside its arguments, by slug; ``plain-`` ones are whole answers."""
    half = [chunk([fragment]) for fragment in fragments(TEXT[:20], at=(1, 12))]
    return {
        "stream-fin": CHAT.frames(*half).cut("fin", event=len(half)),
        "stream-no-end-mark": CHAT.frames(*half),
        "stream-rst": CHAT.frames(*half).cut("rst", event=len(half)),
        "stream-error-event": in_band_fault(
            CHAT.frames(*half, *CHAT.error_frames("Request failed during generation"))
        ),
        "stream-length": CHAT.frames(*half, chunk(None, finish="length"), done()),
        "plain-length": answer_of([call(TEXT[:20])], finish="length"),
    }


BROKEN_CALLS: Final = _broken_calls()


@clause("TOOL-07", ways=("chat", "chat stream"))
@pytest.mark.parametrize("cut", sorted(BROKEN_CALLS))
def test_a_call_that_was_cut_short_is_not_complete(case: Case, cut: str) -> None:
    """Half a command carried out is worse than none: the rest of the path was still to come."""
    case.needs("chat", "tools")
    streaming = cut.startswith("stream")
    if streaming:
        case.needs("stream")
    case.serve(BROKEN_CALLS[cut])

    outcome = ask(case, stream=streaming)

    run = executable(outcome)
    expect(
        not run,
        expected=f"an error, or a call marked as incomplete, after {TEXT[:20]!r}",
        observed=", ".join(f"{one.name}({one.arguments!r}), complete: {one.complete}" for one in run),
    )


@clause("TOOL-07", case="structured", ways=("chat", "chat stream"))
@pytest.mark.parametrize("form", ["plain", "stream"])
def test_half_a_structured_answer_is_not_complete(case: Case, form: str) -> None:
    """Half a JSON document with ``length`` must not pass for the document."""
    case.needs("chat", "tools")
    streaming = form == "stream"
    tokens = ['{"name":', ' "Ad']
    if streaming:
        case.needs("stream")
    case.serve(CHAT.stream(tokens) if streaming else CHAT.plain("".join(tokens)))

    outcome = case.call(endpoint=case.endpoint(), shape=CHAT, stream=streaming, **_wanting_json(case))

    expect(
        outcome.raised or _says_length(outcome),
        expected="an error, the finish reason length, or a mark that the answer is incomplete",
        observed=describe(outcome),
    )


#: Arguments of a complete reply that are no JSON.
BAD_ARGUMENTS: Final[Mapping[str, str]] = {
    "unfinished": '{"a": ',
    "words": "get the weather",
    "quotes": "{'a': 1}",
}


@clause("TOOL-08")
@pytest.mark.parametrize("form", sorted(BAD_ARGUMENTS))
@EITHER
def test_arguments_that_are_no_json_are_shown_as_they_came(case: Case, form: str, *, stream: bool) -> None:
    """``{}`` in their place is a call that nobody made."""
    case.needs("chat", "tools", *(("stream",) if stream else ()))
    text = BAD_ARGUMENTS[form]
    frames = [chunk([fragment]) for fragment in fragments(text, at=())]
    case.serve(ended(*frames) if stream else answer_of([call(text)]))

    outcome = ask(case, stream=stream)

    if outcome.raised:
        expect(text in error_text(outcome), expected=f"{text!r} in the error", observed=describe(outcome))
        return
    calls = needs_streamed_calls(outcome) if stream else calls_of(outcome)
    seen = [(one.arguments, one.complete) for one in calls or ()]
    expect(
        [arguments for arguments, _ in seen] == [text] and all(flag is not True for _, flag in seen),
        expected=f"the raw text {text!r}, not vouched for as complete",
        observed=repr(seen) if seen else describe(outcome),
    )


@clause("TOOL-10", case="one-object", ways=("chat", "chat stream"))
@pytest.mark.parametrize("form", ["plain", "stream"])
def test_tool_calls_as_a_single_object_are_one_call(case: Case, form: str) -> None:
    """TGI up to 2.x sends an object where others send a list."""
    case.needs("chat", "tools")
    streaming = form == "stream"
    if streaming:
        case.needs("stream")
    (single,) = fragments(TEXT, at=())
    case.serve(ended(chunk(single)) if streaming else answer_of(call(TEXT)))

    outcome = ask(case, stream=streaming)

    calls = needs_streamed_calls(outcome) if streaming else calls_of(outcome)
    expect_calls(outcome, calls, WANTED, because="tool_calls was one object")


@clause("TOOL-10", case="same-id", ways=("chat", "chat stream"))
@pytest.mark.parametrize("form", ["plain", "stream"])
def test_calls_of_the_same_id_stay_two(case: Case, form: str) -> None:
    """TGI gives each call the id "0"; a client that keys its calls by id loses all but one."""
    case.needs("chat", "tools")
    streaming = form == "stream"
    if streaming:
        case.needs("stream")
    second: JSON = {"tz": "CET"}
    entries = [*fragments(TEXT, at=()), *fragments(_text(second), index=1, name="get_time", at=())]
    frames = [chunk([fragment | {"id": "0"}]) for fragment in entries]
    whole = answer_of([call(TEXT), call(_text(second), name="get_time")])
    case.serve(ended(*frames) if streaming else whole)

    outcome = ask(case, stream=streaming)

    calls = needs_streamed_calls(outcome) if streaming else calls_of(outcome)
    expect_calls(outcome, calls, WANTED, ("get_time", second), because='both calls have the id "0"')


# --- what the tests above share -----------------------------------------------------------------------


def _text(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False)


def _wanting_json(case: Case) -> dict[str, object]:
    if "response_format" not in case.description.parameters.get("chat", frozenset()):
        return {}
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    return {"response_format": {"type": "json_object", "value": schema}}


def _says_length(outcome: Outcome) -> bool:
    answer = outcome.answer
    if answer is not None and answer.incomplete not in (UNSET, False):
        return True
    reasons = [answer.finish_reason] if answer is not None else [p.finish_reason for p in outcome.pieces]
    return "length" in reasons
