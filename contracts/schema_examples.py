"""A value that a JSON Schema accepts, for answers that are to fit a grammar or a tool's parameters.

Covers what grammars are made of: types, properties, required, enums, constants, choices, local
references, lists and lengths. What it does not know (patterns, formats, conditions) it leaves out.
"""

from collections.abc import Callable, Mapping
from typing import Final

from tgi_conformance.contracts.json_types import JSON

_DEPTH: Final = 32


def example(schema: JSON) -> JSON:
    """A value for a schema; {} where it says nothing."""
    return _example(schema, schema, _DEPTH)


def _example(schema: JSON, root: JSON, depth: int) -> JSON:
    if not isinstance(schema, Mapping) or depth == 0:
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _example(resolve(root, reference), root, depth - 1)
    if "const" in schema:
        return schema["const"]
    for word in ("enum", "anyOf", "oneOf", "allOf"):
        choices = schema.get(word)
        if isinstance(choices, list | tuple) and choices:
            return choices[0] if word == "enum" else _example(choices[0], root, depth - 1)
    kind = schema.get("type")
    if isinstance(kind, list | tuple) and kind:
        kind = kind[0]
    maker = _MAKERS.get(kind if isinstance(kind, str) else "object")
    return {} if maker is None else maker(schema, root, depth - 1)


def resolve(root: JSON, reference: str) -> JSON:
    """What a local reference (``#/a/b``) leads to; None where it leads nowhere."""
    found = root if reference.startswith("#") else None
    for step in filter(None, reference.lstrip("#").split("/")):
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _object(schema: Mapping[str, JSON], root: JSON, depth: int) -> JSON:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    return {name: _example(inner, root, depth) for name, inner in properties.items()}


def _array(schema: Mapping[str, JSON], root: JSON, depth: int) -> JSON:
    least = schema.get("minItems")
    count = least if isinstance(least, int) else 0
    return [_example(schema.get("items", {}), root, depth) for _ in range(count)]


def _string(schema: Mapping[str, JSON], _: JSON, __: int) -> JSON:
    least = schema.get("minLength")
    return "x" * max(least if isinstance(least, int) else 1, 1)


def _number(schema: Mapping[str, JSON], default: float) -> float:
    least, above, most = (schema.get(word) for word in ("minimum", "exclusiveMinimum", "maximum"))
    if isinstance(least, int | float):
        return max(default, least)
    if isinstance(above, int | float):
        return max(default, above + 1)
    return min(default, most) if isinstance(most, int | float) else default


_MAKERS: Final[Mapping[str, Callable[[Mapping[str, JSON], JSON, int], JSON]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": lambda schema, _, __: int(_number(schema, 1)),
    "number": lambda schema, _, __: _number(schema, 1.5),
    "boolean": lambda _, __, ___: True,
    "null": lambda _, __, ___: None,
}
