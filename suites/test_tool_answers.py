"""TOOL: all that one message holds is given back: its text, each of its calls, and calls of any id."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

import pytest

from tgi_conformance.contracts.adapter import ToolCall
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Event, Reply, status
from tgi_conformance.suites.areas.answers import serve_each
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
    expect_calls,
    fragments,
)
from tgi_conformance.suites.areas.ways import FORM
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect_text
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT

#: The calls of these messages: name, arguments as text, arguments.
CALLS: Final[Sequence[tuple[str, str, JSON]]] = (
    ("get_weather", '{"location": "Paris", "format": "celsius"}', {"location": "Paris", "format": "celsius"}),
    ("get_time", '{"tz": "CET"}', {"tz": "CET"}),
    ("get_weather", '{"location": "Rome", "format": "celsius"}', {"location": "Rome", "format": "celsius"}),
)
WORDS: Final = ("Let me", " look", " that up.")


@clause("TOOL-13", case="text")
@FORM
def test_text_beside_a_tool_call_is_given_back(case: Case, *, stream: bool) -> None:
    """A model says what it is about to do, and does it: neither half of that is the other's."""
    replies = _streams_with_text() if stream else {"plain": _answer(CALLS[:1], text="".join(WORDS))}

    outcomes = _asked(case, replies, stream=stream)

    for outcome in outcomes.values():
        expect_text(outcome, "".join(WORDS))
    _expect_calls(outcomes, CALLS[:1], because="a text stands beside it")


@clause("TOOL-13", case="calls")
@FORM
def test_each_of_several_calls_is_given_back(case: Case, *, stream: bool) -> None:
    """``tool_calls[0]`` is one of them; two may be of one function."""
    replies = _streams_of_calls() if stream else {"plain": _answer(CALLS)}

    outcomes = _asked(case, replies, stream=stream)

    _expect_calls(outcomes, CALLS, because="all calls of one message")


#: What stands in the place of the ids of two calls; absent: there is no such key.
IDS: Final[Mapping[str, tuple[JSON, JSON]]] = {
    "number": (0, 1),
    "same-number": (0, 0),
    "empty": ("", ""),
    "null": (None, None),
    "absent": ("absent", "absent"),
}


@clause("TOOL-14")
@pytest.mark.parametrize("form", sorted(IDS))
@FORM
def test_a_call_is_given_back_whatever_its_id(case: Case, form: str, *, stream: bool) -> None:
    """TGI 1.4 numbers its calls, and other servers leave the id out: a call without a good id is a call."""
    if stream:
        cut = [_fragments(index, at=(0, 7)) for index in range(2)]
        for each, id_ in zip(cut, IDS[form], strict=True):
            _put_id(each[0], id_)
        reply = ended(*(chunk([fragment]) for each in cut for fragment in each))
    else:
        entries = [cast("Draft", call(text, name=name)) for name, text, _ in CALLS[:2]]
        for entry, id_ in zip(entries, IDS[form], strict=True):
            _put_id(entry, id_)
        reply = answer_of(cast("JSON", entries))

    outcomes = _asked(case, {form: reply}, stream=stream)

    _expect_calls(outcomes, CALLS[:2], because=f"ids: {form}")


@clause("TOOL-10", case="index")
@pytest.mark.parametrize("form", ["missing", "null", "alone"])
@pytest.mark.parametrize("stream", [True], ids=["stream"])
def test_a_fragment_without_its_index_or_with_nothing_else_is_tolerated(
    case: Case, form: str, *, stream: bool
) -> None:
    """Some servers leave the index of an only call out; OpenAI's schema asks for nothing but the index."""
    cut = _fragments(0, at=(0, 12))
    if form == "alone":
        cut.insert(2, {"index": 0})
    for fragment in cut:
        if form == "missing":
            del fragment["index"]
        elif form == "null":
            fragment["index"] = None

    outcomes = _asked(case, {form: ended(*(chunk([fragment]) for fragment in cut))}, stream=stream)

    _expect_calls(outcomes, CALLS[:1], because=f"index {form}")


# --- what the tests above share -----------------------------------------------------------------------


def _asked(case: Case, replies: Mapping[str, Reply], *, stream: bool) -> dict[str, Outcome]:
    case.needs("chat", "tools", *(("stream",) if stream else ()))
    prompts = serve_each(case, replies)
    return {slug: ask(case, prompt, stream=stream) for slug, prompt in prompts.items()}


def _expect_calls(
    outcomes: Mapping[str, Outcome], calls: Sequence[tuple[str, str, JSON]], *, because: str
) -> None:
    """Every outcome shows these calls; not applicable where a stream shows calls nowhere."""
    shown: dict[str, tuple[ToolCall, ...] | None] = {form: calls_of(each) for form, each in outcomes.items()}
    if all(each is None for each in shown.values()) and all(each.returned for each in outcomes.values()):
        raise NotApplicable("tool calls are not exposed here")
    wanted = [(name, arguments) for name, _, arguments in calls]
    for form, outcome in outcomes.items():
        expect_calls(outcome, shown[form], *wanted, because=f"{form}: {because}")


def _answer(calls: Sequence[tuple[str, str, JSON]], *, text: str | None = None) -> Reply:
    entries = [call(arguments, name=name, id=str(at)) for at, (name, arguments, _) in enumerate(calls)]
    reply = answer_of(cast("JSON", entries))
    body = cast("Draft", reply.response.body.json if reply.response is not None else {})
    if text is not None:
        body["choices"][0]["message"]["content"] = text
    return status(200, json=cast("JSON", body))


def _streams_with_text() -> dict[str, Reply]:
    """Streams of a text and one call, by where the text stands."""
    before = CHAT.open_events(WORDS)
    whole = [chunk([fragment]) for fragment in fragments(CALLS[0][1], at=(1, 12))]
    bare = [chunk([fragment]) for fragment in _fragments(0, at=(0, 12))]
    text = "".join(WORDS)
    return {
        "before": ended(*before, *whole),
        "before-bare-fragments": ended(*before, *bare),
        "in-one-chunk": ended(beside_text(bare[0], text), *bare[1:]),
        "around": ended(*before[:1], *whole, *before[1:]),
    }


def _streams_of_calls() -> dict[str, Reply]:
    """Streams of three calls: one after the other, all in one chunk, and in fragments that interleave."""
    entire = [fragments(text, index=at, name=name, at=())[0] for at, (name, text, _) in enumerate(CALLS)]
    cut = [_fragments(index, at=(0, 7)) for index in range(len(CALLS))]
    dealt: list[Event] = [chunk([each[turn]]) for turn in range(3) for each in cut]
    return {
        "one-after-the-other": ended(*(chunk([fragment]) for fragment in entire)),
        "in-one-chunk": ended(chunk(entire)),
        "interleaved": ended(*dealt),
    }


def _fragments(index: int, *, at: Sequence[int]) -> list[Draft]:
    name, text, _ = CALLS[index]
    return bare_fragments(text, index=index, name=name, at=at)


def _put_id(entry: Draft, id_: JSON) -> None:
    if id_ == "absent":
        del entry["id"]
    else:
        entry["id"] = id_
