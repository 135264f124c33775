"""Mistakes in tool calls, grammars and structured output (TOOL)."""
# ruff: noqa: ARG002, ARG005 - the parts exchanged take more than each mistake needs

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from seams import Broken, BrokenCalls, exchange

from tgi_conformance.backends.reference import (
    messages,
    request_bodies,
    responses,
    stream_reader,
    tool_calls,
)
from tgi_conformance.backends.reference.answers import ToolCallDelta
from tgi_conformance.backends.reference.tool_calls import ToolCallJoiner

CALLS = "new:tool_calls"
OUTPUT = "new:structured_output"


class AsksForEachParameter(Broken):
    """Writes the schema of a tool anew from its properties alone; what it does not know is gone."""

    breaks = "TOOL-01"
    key = CALLS

    def damage(self) -> None:
        def rewritten(right: Callable[[Any], Any]) -> Callable[[Any], Any]:
            def tool(given: Any) -> Any:
                made = right(given)
                function = made["function"]
                properties = function["parameters"].get("properties", {})
                return {**made, "function": {**function, "parameters": {"properties": properties}}}

            return tool

        exchange(request_bodies, "_with_tool_parameters", rewritten)


class SendsToolsAsTheyAre(Broken):
    """Passes a tool without parameters on, which TGI refuses (super-agent-party)."""

    breaks = "TOOL-01"
    key = CALLS

    def damage(self) -> None:
        exchange(request_bodies, "_with_tool_parameters", lambda _: lambda tool: tool)


class OffersNoTools(Broken):
    """Sends an empty list of tools as it is."""

    breaks = "TOOL-02"
    key = CALLS

    def damage(self) -> None:
        def offered(right: Callable[[Any], Any]) -> Callable[[Any], Any]:
            return lambda given: given if given.get("tools") == [] else right(given)

        exchange(request_bodies, "_with_tools", offered)


class DropsFormatBesideTools(BrokenCalls):
    """Leaves the response format out where there are tools, and says nothing."""

    breaks = "TOOL-02"
    key = CALLS
    shows_in = ("tools",)

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if parameters.get("tools"):
            parameters.pop("response_format", None)
        return subject, parameters


class ChoosesByType(BrokenCalls):
    """Reads a named choice by its ``type`` and sends that: "function", a tool that there is not."""

    breaks = "TOOL-03"
    key = CALLS
    shows_in = ("tools",)

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        choice = parameters.get("tool_choice")
        if isinstance(choice, Mapping):
            parameters["tool_choice"] = choice["type"]
        return subject, parameters


class RequiresWhatMayBe(BrokenCalls):
    """Knows "auto" and names; "required" is left to the server's default."""

    breaks = "TOOL-03"
    key = CALLS
    shows_in = ("tools",)

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if parameters.get("tool_choice") == "required":
            parameters["tool_choice"] = "auto"
        return subject, parameters


class DecodesTextOnly(Broken):
    """``json.loads(arguments)``, whose text an object is not (langchain, picoclaw)."""

    breaks = "TOOL-04"
    key = CALLS

    def damage(self) -> None:
        def strict(right: Callable[..., Any]) -> Callable[..., Any]:
            def call(id_: Any, name: Any, arguments: Any, *, complete: bool) -> Any:
                json.loads(arguments) if not isinstance(arguments, str) else None
                return right(id_, name, arguments, complete=complete)

            return call

        exchange(tool_calls, "_call", strict)


class LastNameStands(Broken):
    """Takes over the name of each fragment, a null too (openai-python's first joiner, dynamo)."""

    breaks = "TOOL-05"
    key = CALLS

    def damage(self) -> None:
        def last(self: ToolCallJoiner, choice: int, fragments: tuple[ToolCallDelta, ...]) -> None:
            for fragment in fragments:
                call = self._calls.setdefault((choice, fragment.index), tool_calls._Growing())
                call.id, call.name = fragment.id, fragment.name
                call.fragments.append(fragment.arguments or "")

        exchange(ToolCallJoiner, "add", lambda _: last)


class AddsIdsUp(Broken):
    """Joins ids as it joins arguments: "000000" (continue)."""

    breaks = "TOOL-05"
    key = CALLS

    def damage(self) -> None:
        def adding(right: Callable[..., None]) -> Callable[..., None]:
            def add(self: ToolCallJoiner, choice: int, fragments: tuple[ToolCallDelta, ...]) -> None:
                for fragment in fragments:
                    before = self._calls.get((choice, fragment.index))
                    id_ = (before.id or "") + (fragment.id or "") if before else fragment.id
                    right(self, choice, (fragment,))
                    self._calls[choice, fragment.index].id = id_

            return add

        exchange(ToolCallJoiner, "add", adding)


class TakesOneFragmentAChunk(Broken):
    """Reads ``tool_calls[0]`` of each chunk."""

    breaks = "TOOL-05"
    key = CALLS

    def damage(self) -> None:
        exchange(stream_reader, "deltas", lambda right: lambda value: right(value)[:1])


class WaitsForToolCallsReason(Broken):
    """Looks for a call where the finish reason is ``tool_calls`` only (workflow, harness-sdk)."""

    breaks = "TOOL-06"
    key = CALLS

    def damage(self) -> None:
        def asked(right: Callable[..., Any]) -> Callable[..., Any]:
            return lambda value, *, finish_reason: (
                right(value, finish_reason=finish_reason) if finish_reason == "tool_calls" else ()
            )

        exchange(responses, "tool_calls", asked)


class RepairsHalfACall(Broken):
    """Closes what is open in half an object, so that "it is JSON at least"; and hands it out (tidebreak)."""

    breaks = "TOOL-07"
    key = CALLS

    def damage(self) -> None:
        def repaired(right: Callable[..., Any]) -> Callable[..., Any]:
            def call(id_: Any, name: Any, arguments: Any, *, complete: bool) -> Any:
                made = right(id_, name, arguments, complete=complete)
                if made.arguments is not None or not made.raw_arguments.startswith('{"location'):
                    return made
                return replace(made, arguments={"location": "Par"}, complete=True)

            return call

        exchange(tool_calls, "_call", repaired)
        exchange(ToolCallJoiner, "calls", _vouched_for)


#: What closes half an object, wherever its text was cut.
_CLOSERS = ("}", '"}', '":null}', ":null}", "null}", '"":null}')


class ClosesAnyHalfACall(Broken):
    """Puts behind half an object whatever makes it JSON, as "tolerant" parsers do; and hands it out."""

    breaks = "TOOL-07"
    key = CALLS

    def damage(self) -> None:
        def repaired(right: Callable[..., Any]) -> Callable[..., Any]:
            def call(id_: Any, name: Any, arguments: Any, *, complete: bool) -> Any:
                made = right(id_, name, arguments, complete=complete)
                return made if made.arguments is not None else _closed(made)

            return call

        exchange(tool_calls, "_call", repaired)
        exchange(ToolCallJoiner, "calls", _vouched_for)


def _closed(made: Any) -> Any:
    for closer in _CLOSERS:
        with contextlib.suppress(ValueError):
            return replace(made, arguments=json.loads(made.raw_arguments + closer), complete=True)
    return made


class CompletesWhatLengthCut(Broken):
    """Has no eye for ``length``: half a structured answer is the answer, its finish reason ``stop``."""

    breaks = "TOOL-07"
    key = CALLS

    def damage(self) -> None:
        exchange(responses, "as_text", _never_length)
        exchange(stream_reader, "as_text", _never_length)


class EmptiesBadArguments(Broken):
    """Takes ``{}`` for arguments that are no JSON, after a try (tidebreak)."""

    breaks = "TOOL-08"
    key = CALLS

    def damage(self) -> None:
        def emptied(right: Callable[..., Any]) -> Callable[..., Any]:
            def call(*given: Any, complete: bool) -> Any:
                made = right(*given, complete=complete)
                return replace(made, arguments={}) if made.arguments is None else made

            return call

        exchange(tool_calls, "_call", emptied)


class KeepsEmptyContent(Broken):
    """Sends a past turn as it was given, ``content: ""`` beside its calls."""

    breaks = "TOOL-09"
    key = CALLS

    def damage(self) -> None:
        def kept(right: Callable[[Any], Any]) -> Callable[[Any], Any]:
            def turn(message: Any) -> Any:
                if not message.get("tool_calls"):
                    return right(message)
                return iter([{"content": "", **message}])

            return turn

        exchange(messages, "_turn", kept)


class KeysCallsById(Broken):
    """Keeps the calls of an answer under their ids; TGI gives each the id "0"."""

    breaks = "TOOL-10"
    key = CALLS

    def damage(self) -> None:
        def keyed(right: Callable[..., Any]) -> Callable[..., Any]:
            return lambda value, *, finish_reason: tuple(
                {call.id: call for call in right(value, finish_reason=finish_reason)}.values()
            )

        exchange(responses, "tool_calls", keyed)


class WantsAList(Broken):
    """Loops over ``tool_calls`` as a list, and finds no call in TGI 2's object."""

    breaks = "TOOL-10"
    key = CALLS

    def damage(self) -> None:
        def listed(right: Callable[..., Any]) -> Callable[..., Any]:
            return lambda value, **more: right(value, **more) if isinstance(value, list) else ()

        exchange(responses, "tool_calls", listed)
        exchange(stream_reader, "deltas", listed)


class UnescapesGrammars(BrokenCalls):
    """Decodes the backslashes of a regular expression once more."""

    breaks = "TOOL-11"
    key = OUTPUT

    def given(self, method: str, subject: Any, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        grammar = parameters.get("grammar")
        if isinstance(grammar, Mapping) and isinstance(grammar["value"], str):
            parameters["grammar"] = {**grammar, "value": grammar["value"].replace("\\\\", "\\")}
        return subject, parameters


class ConstrainsNothing(Broken):
    """Leaves out a response format that it does not know: the text comes all the same (tensorzero)."""

    breaks = "TOOL-12"
    key = OUTPUT

    def damage(self) -> None:
        def lost(right: Callable[[Any], Any]) -> Callable[[Any], Any]:
            def body(given: Any) -> Any:
                made = dict(right(given))
                if "json_schema" in given["response_format"]:
                    made.pop("response_format")
                return made

            return body

        exchange(request_bodies, "_with_response_format", lost)


def _vouched_for(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *, complete: right(self, complete=True)


def _never_length(right: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    return lambda value: "stop" if value == "length" else right(value)
