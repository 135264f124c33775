"""What the TOOL area shares: tool definitions, recorded forms of tool calls, the calls that came out."""

import copy
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from tgi_conformance.contracts.adapter import Piece, ToolCall, ToolCallDelta
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Event, Reply, data, done, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import describe, expect
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT

Draft = dict[str, Any]

#: The tools of the recorded exchanges.
WEATHER: Final[Mapping[str, JSON]] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string"},
                "format": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location", "format"],
        },
    },
}
TIME: Final[Mapping[str, JSON]] = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "Get the time",
        "parameters": {"type": "object", "properties": {"tz": {"type": "string"}}, "required": ["tz"]},
    },
}

#: A call of an earlier turn, as a conversation holds it.
EARLIER_CALL: Final[JSON] = {
    "id": "0",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Z\\u00fcrich"}'},
}


# --- what is served -----------------------------------------------------------------------------------


def call(arguments: JSON, *, name: str = "get_weather", id: str = "0") -> JSON:  # noqa: A002 - the wire's
    """One tool call of a whole answer, in the recorded form."""
    body = copy.deepcopy(cast("Draft", wire_example("chat-tools-auto").json))
    recorded = body["choices"][0]["message"]["tool_calls"][0]
    recorded["id"] = id
    recorded["function"] |= {"name": name, "arguments": arguments}
    return cast("JSON", recorded)


def answer_of(tool_calls: JSON, *, finish: str | None = "tool_calls") -> Reply:
    """A whole answer with these ``tool_calls``: a list, or one object; ``finish`` "absent": no such key.

    The finish reason is OpenAI's unless the case is about it: TGI's own is judged by TOOL-06.
    """
    body = copy.deepcopy(cast("Draft", wire_example("chat-tools-auto").json))
    choice = body["choices"][0]
    choice["message"]["tool_calls"] = tool_calls
    if finish == "absent":
        del choice["finish_reason"]
    else:
        choice["finish_reason"] = finish
    return status(200, json=body)


def entry(
    arguments: str | None,
    *,
    index: int = 0,
    name: str | None = None,
    id: str | None = "0",  # noqa: A002 - the wire's
) -> Draft:
    """One fragment of a call in a chunk, in the recorded form."""
    recorded = copy.deepcopy(cast("Draft", wire_example("chat-stream-tools-required").events[0]))
    fragment = cast("Draft", recorded["choices"][0]["delta"]["tool_calls"][0])
    fragment |= {"index": index, "id": id}
    fragment["function"] = {"name": name, "arguments": arguments}
    return fragment


def chunk(entries: Sequence[Draft] | Draft | None, *, finish: str | None = None) -> Event:
    """A chunk with these fragments (one object in place of the list as TGI 2.x sends it; None: no delta)."""
    recorded = copy.deepcopy(cast("Draft", wire_example("chat-stream-tools-required").events[0]))
    choice = recorded["choices"][0]
    choice["finish_reason"] = finish
    if entries is None:
        choice["delta"] = {"role": "assistant", "content": ""}
    else:
        choice["delta"]["tool_calls"] = entries if isinstance(entries, dict) else list(entries)
    return data(recorded)


def fragments(
    arguments: str, *, index: int = 0, name: str = "get_weather", at: Sequence[int] = (1,)
) -> list[Draft]:
    """The fragments of one call cut at these offsets of its arguments; the name in the first only."""
    bounds = [0, *at, len(arguments)]
    texts = [arguments[low:high] for low, high in itertools.pairwise(bounds)]
    return [
        entry(text, index=index, name=name if number == 0 else None, id=str(index))
        for number, text in enumerate(texts)
    ]


def bare_fragments(
    arguments: str, *, index: int = 0, name: str = "get_weather", at: Sequence[int] = (1,)
) -> list[Draft]:
    """The same fragments as OpenAI and vLLM send them: id, type and name on the first, and on it alone."""
    first, *later = fragments(arguments, index=index, name=name, at=at)
    return [first, *({"index": index, "function": {"arguments": _arguments(each)}} for each in later)]


def _arguments(fragment: Draft) -> JSON:
    return cast("JSON", fragment["function"]["arguments"])


def beside_text(event: Event, text: str | None) -> Event:
    """The same chunk, with this content beside its tool calls."""
    draft = copy.deepcopy(cast("Draft", event.json))
    draft["choices"][0]["delta"]["content"] = text
    return data(draft)


def ended(*chunks: Event) -> Reply:
    """A stream of these chunks that ends as OpenAI's do: a finish reason, then ``[DONE]``."""
    return CHAT.frames(*chunks, chunk(None, finish="tool_calls"), done())


def recorded_stream() -> Reply:
    """The recorded stream of one call: a name, then fragments with ``name: null``; no finish reason."""
    events = wire_example("chat-stream-tools-required").events
    return CHAT.frames(*(data(dict(event)) for event in events), done())


# --- what is asked and heard --------------------------------------------------------------------------


def ask(case: Case, prompt: str | None = None, *, stream: bool = False, **more: object) -> Outcome:
    """Make a chat call that offers the recorded tools, on an endpoint of its own."""
    offered = case.description.parameters.get("chat", frozenset())
    tools: dict[str, object] = {"tools": [WEATHER, TIME]} if "tools" in offered else {}
    given = tools | more
    return case.call(prompt, endpoint=case.endpoint(), shape=CHAT, stream=stream, **given)


def calls_of(outcome: Outcome) -> tuple[ToolCall, ...] | None:
    """The calls that an outcome shows; None: it exposes none, as a stream of texts does."""
    if outcome.answer is not None:
        shown = outcome.answer.tool_calls
        return None if shown is UNSET else tuple(cast("Sequence[ToolCall]", shown or ()))
    handed = [piece.tool_calls for piece in outcome.pieces if isinstance(piece.tool_calls, tuple)]
    if handed:
        return next((calls for calls in reversed(handed) if calls), ())
    return _joined(outcome.pieces)


def _joined(pieces: Sequence[Piece]) -> tuple[ToolCall, ...] | None:
    """The calls of a backend that hands out fragments only, joined as its callers must."""
    deltas = [
        delta
        for piece in pieces
        if isinstance(piece.tool_call_delta, tuple)
        for delta in piece.tool_call_delta
    ]
    if not deltas:
        return None
    by_index: dict[int, list[ToolCallDelta]] = {}
    for delta in deltas:
        by_index.setdefault(delta.index if isinstance(delta.index, int) else 0, []).append(delta)
    return tuple(_one(by_index[index]) for index in sorted(by_index))


def _one(deltas: Sequence[ToolCallDelta]) -> ToolCall:
    text = "".join(delta.arguments for delta in deltas if isinstance(delta.arguments, str))
    return ToolCall(
        name=next((delta.name for delta in deltas if isinstance(delta.name, str) and delta.name), None),
        id=next((delta.id for delta in deltas if isinstance(delta.id, str) and delta.id), None),
        arguments=decoded(text),
    )


def decoded(arguments: object) -> JSON:
    """Arguments decoded once where they are JSON text; what is no JSON stays the text."""
    if not isinstance(arguments, str):
        return cast("JSON", arguments)
    try:
        value: JSON = json.loads(arguments)
    except ValueError:
        return arguments
    return value


def needs_streamed_calls(outcome: Outcome) -> tuple[ToolCall, ...]:
    """The calls of a stream; not applicable where a stream exposes neither calls nor fragments."""
    calls = calls_of(outcome)
    if calls is None and outcome.returned:
        raise NotApplicable("tool calls of a stream are not exposed")
    return calls or ()


def expect_calls(
    outcome: Outcome, calls: Sequence[ToolCall] | None, *wanted: tuple[str, JSON], because: str
) -> None:
    """The outcome shows exactly these calls (name and decoded arguments), in this order."""
    seen = [(call.name, decoded(call.arguments)) for call in calls or ()]
    shown = ", ".join(f"{name}({json.dumps(value, ensure_ascii=False)})" for name, value in wanted)
    expect(
        outcome.returned and seen == list(wanted),
        expected=f"{shown} ({because})",
        observed=", ".join(f"{name}({value!r})" for name, value in seen) or describe(outcome),
    )


def executable(outcome: Outcome) -> tuple[ToolCall, ...]:
    """Calls that a caller would run: vouched for, or decoded and not marked as cut short in any way."""
    answer = outcome.answer
    if answer is not None and answer.incomplete is True:
        return ()
    shown = [answer.tool_calls] if answer is not None else [piece.tool_calls for piece in outcome.pieces]
    return tuple(
        call
        for calls in shown
        if isinstance(calls, tuple)
        for call in calls
        if call.complete is True or (call.complete is UNSET and not isinstance(call.arguments, str))
    )


def needs_tool_definitions(case: Case) -> None:
    """End the case where chat takes no tools."""
    case.needs("chat", "tools")
    case.needs_parameter(CHAT, "tools")
