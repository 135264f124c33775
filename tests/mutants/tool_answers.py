"""Mistakes in what is made of a message that holds more than one call (TOOL)."""
# ruff: noqa: ARG002 - the parts exchanged take more than each mistake needs

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import answers, responses, stream_reader, tool_calls
from tgi_conformance.backends.reference.answers import ToolCallDelta
from tgi_conformance.backends.reference.errors import ProtocolError
from tgi_conformance.backends.reference.stream_reader import StreamReader
from tgi_conformance.backends.reference.tool_calls import ToolCallJoiner

CALLS = "new:tool_calls"


class FollowsTheLastId(Broken):
    """Adds a fragment without an id to the call that began last, whatever its index (Qwen-Agent)."""

    breaks = "TOOL-05"
    key = CALLS

    def damage(self) -> None:
        def following(right: Callable[..., None]) -> Callable[..., None]:
            def add(self: ToolCallJoiner, choice: int, fragments: tuple[ToolCallDelta, ...]) -> None:
                for fragment in fragments:
                    last = max((index for _, index in self._calls), default=fragment.index)
                    index = fragment.index if fragment.id or fragment.name else last
                    right(self, choice, (replace(fragment, index=index),))

            return add

        exchange(ToolCallJoiner, "add", following)


class FinishHasNoFragment(Broken):
    """Reads no fragment in the chunk that has the finish reason."""

    breaks = "TOOL-05"
    key = CALLS

    def damage(self) -> None:
        def without(right: Callable[..., answers.Piece]) -> Callable[..., answers.Piece]:
            def choice(self: StreamReader, value: dict[str, Any]) -> answers.Piece:
                if value.get("finish_reason") == "tool_calls":
                    value = {**value, "delta": {}}
                return right(self, value)

            return choice

        exchange(StreamReader, "_choice", without)


class TextOrCalls(BrokenCalls):
    """Takes a message for one of two kinds: an answer with calls has no text."""

    breaks = "TOOL-13"
    key = CALLS

    def answered(self, answer: Any, subject: Any, parameters: dict[str, Any]) -> Any:
        return replace(answer, text="", texts=("",)) if answer.tool_calls else answer


class FragmentsHaveNoText(Broken):
    """Reads the text of a chunk only where the chunk has no fragments of calls."""

    breaks = "TOOL-13"
    key = CALLS

    def damage(self) -> None:
        def either(right: Callable[..., answers.Piece]) -> Callable[..., answers.Piece]:
            def choice(self: StreamReader, value: Any) -> answers.Piece:
                piece = right(self, value)
                return replace(piece, text="") if piece.tool_call_deltas else piece

            return choice

        exchange(StreamReader, "_choice", either)


class CallsEndTheText(Broken):
    """Hands out no more text once a call has begun."""

    breaks = "TOOL-13"
    key = CALLS

    def damage(self) -> None:
        def silent(right: Callable[..., answers.Piece]) -> Callable[..., answers.Piece]:
            def choice(self: StreamReader, value: Any) -> answers.Piece:
                begun = bool(self._tools._calls)
                piece = right(self, value)
                return replace(piece, text="") if begun else piece

            return choice

        exchange(StreamReader, "_choice", silent)


class TakesTheFirstCall(Broken):
    """Reads ``tool_calls[0]`` of a message (composio, BotSharp)."""

    breaks = "TOOL-13"
    key = CALLS

    def damage(self) -> None:
        exchange(responses, "tool_calls", lambda right: lambda value, **more: right(value, **more)[:1])


class TakesTheFirstStreamedCall(Broken):
    """Joins the fragments of index 0."""

    breaks = "TOOL-13"
    key = CALLS

    def damage(self) -> None:
        exchange(
            stream_reader, "deltas", lambda right: lambda value: tuple(d for d in right(value) if not d.index)
        )


class WantsTextIds(Broken):
    """Checks that each id of a message is a text with something in it."""

    breaks = "TOOL-14"
    key = CALLS

    def damage(self) -> None:
        def checked(right: Callable[..., Any]) -> Callable[..., Any]:
            def call(entry: dict[str, Any], *, complete: bool) -> Any:
                if not isinstance(entry.get("id"), str) or not entry["id"]:
                    raise ProtocolError("id: input should be a valid string", status=200)
                return right(entry, complete=complete)

            return call

        exchange(tool_calls, "_whole_call", checked)


class BeginsAtAnId(Broken):
    """Begins a streamed call where an id comes; what has none belongs to no call."""

    breaks = "TOOL-14"
    key = CALLS

    def damage(self) -> None:
        def begun(right: Callable[..., None]) -> Callable[..., None]:
            def add(self: ToolCallJoiner, choice: int, fragments: tuple[ToolCallDelta, ...]) -> None:
                known = tuple(f for f in fragments if f.id or (choice, f.index) in self._calls)
                right(self, choice, known)

            return add

        exchange(ToolCallJoiner, "add", begun)


class WantsAnIndex(Broken):
    """Reads ``fragment["index"]``."""

    breaks = "TOOL-10"
    key = CALLS

    def damage(self) -> None:
        exchange(
            tool_calls, "_delta", lambda right: lambda entry: right(entry | {"index": entry["index"] + 0})
        )


class WantsAFunction(Broken):
    """Reads ``fragment["function"]``."""

    breaks = "TOOL-10"
    key = CALLS

    def damage(self) -> None:
        exchange(
            tool_calls, "_delta", lambda right: lambda entry: right(entry | {"function": entry["function"]})
        )
