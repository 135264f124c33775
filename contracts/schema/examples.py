"""A value that a JSON Schema accepts, for answers that are to fit a grammar or a tool's parameters.

Covers what grammars are made of: types, properties, required, enums, constants, choices, local
references, lists and lengths. What it does not know (patterns, formats, conditions) it leaves out. A schema
that contains itself is followed once; an example has at most so many values, lists and texts are short.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final

from tgi_conformance.contracts.json_types import JSON

_DEPTH: Final = 32
_MOST_VALUES: Final = 2000
_LONGEST: Final = 1000
"""Characters of a text, items of a list, also where a schema wants more."""


def example(schema: JSON) -> JSON:
    """A value for a schema; {} where it says nothing, or too much."""
    return _example(schema, _Place(schema, _Budget()))


@dataclass(slots=True)
class _Budget:
    values: int = _MOST_VALUES


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the making: the whole schema, what is left, how deep, inside which references."""

    root: JSON
    budget: _Budget
    depth: int = _DEPTH
    inside: frozenset[str] = frozenset()


def _example(schema: JSON, place: _Place) -> JSON:
    place.budget.values -= 1
    if not isinstance(schema, Mapping) or place.depth == 0 or place.budget.values < 0:
        return {}
    deeper = replace(place, depth=place.depth - 1)
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in place.inside:
            return {}
        return _example(resolve(place.root, reference), replace(deeper, inside=place.inside | {reference}))
    if "const" in schema:
        return schema["const"]
    for word in ("enum", "anyOf", "oneOf", "allOf"):
        choices = schema.get(word)
        if isinstance(choices, list | tuple) and choices:
            return choices[0] if word == "enum" else _example(choices[0], deeper)
    kind = schema.get("type")
    if isinstance(kind, list | tuple) and kind:
        kind = kind[0]
    maker = _MAKERS.get(kind if isinstance(kind, str) else "object")
    return {} if maker is None else maker(schema, deeper)


def resolve(root: JSON, reference: str) -> JSON:
    """What a local reference (``#/a/b``) leads to; None where it leads nowhere."""
    found = root if reference.startswith("#") else None
    for step in filter(None, reference.lstrip("#").split("/")):
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _object(schema: Mapping[str, JSON], place: _Place) -> JSON:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    required = schema.get("required")
    needed = required if isinstance(required, list | tuple) else ()
    return {
        name: _example(inner, place)
        for name, inner in properties.items()
        if name in needed or not _comes_back(inner, place)
    }


def _comes_back(schema: JSON, place: _Place) -> bool:
    """Whether a schema is one that is being followed already."""
    reference = schema.get("$ref") if isinstance(schema, Mapping) else None
    return isinstance(reference, str) and (reference in place.inside or reference == "#")


def _array(schema: Mapping[str, JSON], place: _Place) -> JSON:
    items: JSON = schema.get("items", {})
    return [_example(items, place) for _ in range(min(_least(schema, "minItems", 0), place.budget.values))]


def _string(schema: Mapping[str, JSON], _: _Place) -> JSON:
    return "x" * max(_least(schema, "minLength", 1), 1)


def _least(schema: Mapping[str, JSON], word: str, default: int) -> int:
    least = schema.get(word)
    return min(least, _LONGEST) if isinstance(least, int) else default


def _number(schema: Mapping[str, JSON], default: float) -> float:
    least, above, most = (_bound(schema.get(word)) for word in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None:
        return max(default, least)
    if above is not None:
        return max(default, above + 1)
    return default if most is None else min(default, most)


def _bound(value: JSON) -> float | None:
    return value if isinstance(value, int | float) and isfinite(value) else None


_MAKERS: Final[Mapping[str, Callable[[Mapping[str, JSON], _Place], JSON]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": lambda schema, _: int(_number(schema, 1)),
    "number": lambda schema, _: _number(schema, 1.5),
    "boolean": lambda _, __: True,
    "null": lambda _, __: None,
}
