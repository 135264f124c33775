"""Which JSON Schemas are plainly valid (draft 2020-12), without the machinery of a validator.

A validator takes some milliseconds for the smallest schema and minutes for a megabyte of it. Nearly all
schemas are valid, and that can be seen at a glance; what is not plainly valid is cut down to what is
doubtful (:func:`doubtful`), which a validator judges quickly.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from tgi_conformance.contracts.json_types import JSON

_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_MOST_TYPES: Final = len(_TYPES)
_ANCHOR: Final = re.compile(r"[A-Za-z_][-A-Za-z0-9._]*")


def _text(value: JSON) -> bool:
    return isinstance(value, str)


def _boolean(value: JSON) -> bool:
    return isinstance(value, bool)


def _number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _texts(value: JSON) -> bool:
    texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    return isinstance(value, list) and len(value) == len(set(texts))


def _type(value: JSON) -> bool:
    if isinstance(value, str):
        return value in _TYPES
    return (
        isinstance(value, list)
        and 0 < len(value) <= _MOST_TYPES
        and _texts(value)
        and _TYPES.issuperset(value)
    )


#: What the values of these keywords must be; keywords in no table may have any.
_VALUES: Final[Mapping[str, Callable[[JSON], bool]]] = {
    "$id": lambda value: isinstance(value, str) and "#" not in value,
    "$anchor": lambda value: isinstance(value, str) and _ANCHOR.fullmatch(value) is not None,
    "type": _type,
    "enum": lambda value: isinstance(value, list),
    "examples": lambda value: isinstance(value, list),
    "required": _texts,
    "multipleOf": lambda value: isinstance(value, int | float) and _number(value) and value > 0,
    "uniqueItems": _boolean,
    **dict.fromkeys(("deprecated", "readOnly", "writeOnly"), _boolean),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"), _number),
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems", "maxContains", "minContains"), _count),
    **dict.fromkeys(("maxProperties", "minProperties"), _count),
    **dict.fromkeys(("$schema", "$ref", "$comment", "title", "description", "pattern", "format"), _text),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _text),
}
#: Keywords whose value is a schema, a list of schemas, or schemas by name.
_ONE: Final = frozenset(
    {"items", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not"}
    | {"unevaluatedItems", "unevaluatedProperties", "contentSchema"}
)
_LIST: Final = frozenset({"prefixItems", "allOf", "anyOf", "oneOf"})
_NAMED: Final = frozenset({"$defs", "definitions", "properties", "patternProperties", "dependentSchemas"})
#: Keywords that are left to the validator, whatever their value.
_RARE: Final = frozenset(
    {"$dynamicRef", "$dynamicAnchor", "$vocabulary", "$recursiveAnchor", "$recursiveRef"}
    | {"dependencies", "dependentRequired"}
)


def doubtful(schema: JSON) -> JSON:
    """The schema without what is plainly valid in it; True where all of it is.

    What is left is valid if and only if the schema is, and the validator finds the same mistakes in it.
    """
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, Mapping):
        return schema
    left: dict[str, JSON] = {}
    for word, value in schema.items():
        in_doubt, rest = _rest(word, value)
        if in_doubt:
            left[word] = rest
    return left or True


def _shortened(value: JSON) -> JSON:
    """A list that is wrong as ``type``, no longer than need be: a validator compares all pairs of it."""
    return value[: _MOST_TYPES + 1] if isinstance(value, list) else value


def _rest(word: str, value: JSON) -> tuple[bool, JSON]:
    """Whether a keyword is in doubt, and what of it is (a value that is wrong may be True)."""
    check = _VALUES.get(word)
    if check is not None:
        return not check(value), _shortened(value) if word == "type" else value
    if word in _ONE:
        return _of_schemas(doubtful(value))
    if word in _LIST and isinstance(value, list) and value:
        return _of_schemas([item for item in map(doubtful, value) if item is not True] or True)
    if word in _NAMED and isinstance(value, Mapping):
        named = {name: doubtful(item) for name, item in value.items()}
        return _of_schemas({name: item for name, item in named.items() if item is not True} or True)
    return word in _LIST or word in _NAMED or word in _RARE, value


def _of_schemas(rest: JSON) -> tuple[bool, JSON]:
    return rest is not True, rest
