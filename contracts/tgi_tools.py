"""The tool call that a healthy model makes of a request that forces one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Generation, ScriptedToolCall
from tgi_conformance.contracts.tgi_requests import GenerationRequest

_EXAMPLES: Final[Mapping[str, JSON]] = {
    "string": "x",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
    "array": [],
}


def with_forced_call(generation: Generation, request: GenerationRequest) -> Generation:
    """An echoing generation, made into a tool call where the request forces one.

    With ``tool_choice`` "auto" an echo stays an echo; a scripted answer is never touched.
    """
    forced = request.tool_choice in {"required", "function"} and request.has_tools and request.tools
    if not generation.echo or not forced:
        return generation
    name, parameters = next(
        (tool for tool in request.tools if tool[0] == request.forced_function), request.tools[0]
    )
    arguments = example(parameters)
    fitting = arguments if isinstance(arguments, Mapping) else {}
    return replace(generation, echo=False, tool_calls=(ScriptedToolCall(name=name, arguments=fitting),))


def example(schema: JSON) -> JSON:
    """A value that a plain JSON Schema (types, enums, objects) accepts; {} where it says nothing."""
    if not isinstance(schema, Mapping):
        return {}
    choices = schema.get("enum")
    if isinstance(choices, Sequence) and not isinstance(choices, str) and choices:
        return choices[0]
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        return {name: example(inner) for name, inner in properties.items()}
    kind = schema.get("type")
    return _EXAMPLES.get(kind, {}) if isinstance(kind, str) else {}
