"""The built-in toy model: what the fake server says where no script does.

It always tells the same sentence (under a grammar: a text that fits), and obeys limits and stop
sequences. With tools it writes calls, and
four habits make every ending of a tool request visible without a script (they are this model's, not TGI's):

- ``tool_choice: auto`` with ``logprobs``: it picks no tool, and TGI asks it again without tools;
- no tools to choose from: it talks, which TGI cannot parse as a call;
- fewer tokens than a call's name needs: a stream gets talk, a plain answer the call's beginning;
- otherwise: the first tool, or the one asked for, with arguments that fit its schema.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.examples import example
from tgi_conformance.contracts.schema.regex_examples import regex_example
from tgi_conformance.contracts.script import Generation, ScriptedToolCall
from tgi_conformance.contracts.tgi.answers.tool_output import call_text
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest
from tgi_conformance.contracts.tgi.requests.grammar import grammar_schema

SENTENCE: Final = (
    " Deep", " learning", " is", " a", " subset", " of", " machine", " learning", " that", " uses", " neural",
    " networks", " with", " many", " layers", ".",
)  # fmt: skip

#: Tokens up to and with the name of a call, and one more.
_ROOM_FOR_A_NAME: Final = 4


def toy_generation(generation: Generation, request: GenerationRequest) -> Generation:
    """What the toy model makes of a request; the script's other fields stand."""
    if not request.has_tools:
        return _fitting(generation, request)
    if request.tool_choice == "auto" and request.logprobs and request.tools:
        return replace(_talk(generation), tool_output=False)
    room = request.parameters.max_new_tokens
    cramped = room is not None and room < _ROOM_FOR_A_NAME and request.stream
    if not request.tools or cramped:
        return replace(_talk(generation), tool_output=True)
    call = fitting_call(request)
    return replace(
        generation,
        toy=False,
        tokens=call_text(call.name, call.arguments),
        tool_output=True,
        obeys_limits=True,
    )


def _fitting(generation: Generation, request: GenerationRequest) -> Generation:
    """The sentence, or under a grammar a text that fits it."""
    grammar = request.parameters.grammar
    text = None if grammar is None else _fitting_text(grammar)
    if text is None:
        return _talk(generation)
    return replace(generation, toy=False, text=text, obeys_limits=True)


def _fitting_text(grammar: Mapping[str, JSON]) -> str | None:
    if grammar.get("type") == "regex":
        expression = grammar.get("value")
        return regex_example(expression) if isinstance(expression, str) else None
    schema = grammar_schema(grammar)
    return None if schema is None else json.dumps(example(schema), ensure_ascii=False)


def _talk(generation: Generation) -> Generation:
    return replace(generation, toy=False, tokens=SENTENCE, obeys_limits=True)


def with_forced_call(generation: Generation, request: GenerationRequest) -> Generation:
    """An echoing generation, made into a tool call where the request forces one.

    With ``tool_choice`` "auto" an echo stays an echo; a scripted answer is never touched.
    """
    forced = request.tool_choice in {"required", "function"} and request.has_tools and request.tools
    if not generation.echo or not forced:
        return generation
    return replace(generation, echo=False, tool_calls=(fitting_call(request),))


def fitting_call(request: GenerationRequest) -> ScriptedToolCall:
    """A call of the tool that the request forces, or of its first one, with arguments that fit."""
    name, parameters = next(
        (tool for tool in request.tools if tool[0] == request.forced_function), request.tools[0]
    )
    arguments = example(parameters)
    return ScriptedToolCall(name=name, arguments=arguments if isinstance(arguments, Mapping) else {})
