"""Whether a value plainly fits a schema: the few keywords that the kit's own schemas are made of, compiled.

The schema library takes a tenth of a second to import and milliseconds for a script; what fits needs neither.
A glance never says yes wrongly: what it does not know (a keyword, a value that is hard to compare) is a no,
and the library then says what is wrong, if anything is.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Mapping[str, Any] | bool
Fits: TypeAlias = Callable[[Any], bool]
Resolve: TypeAlias = Callable[[str], tuple[Schema, "Resolve"]]
"""From a reference to the schema that it names, and how references in that one are resolved."""


class _DoubtError(Exception):
    pass


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Final[Mapping[str, Fits]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": _is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
#: Keywords that say nothing about a value, or are read together with another.
_SILENT: Final = frozenset(
    {"$schema", "$id", "$defs", "$comment", "title", "description", "default", "examples", "contentEncoding"}
    | {"properties", "additionalProperties", "prefixItems", "items"}
)


class Glance:
    """A compiled schema."""

    def __init__(self, schema: Schema, resolve: Resolve) -> None:
        self._known: dict[int, Fits] = {}
        #: Keeps the schemas, so that an id stays its own.
        self._schemas: list[Schema] = []
        try:
            self._fits: Fits | None = self._compiled(schema, resolve)
        except _DoubtError:
            self._fits = None

    def fits(self, value: object) -> bool:
        """Whether the value fits for certain."""
        if self._fits is None:
            return False
        try:
            return self._fits(value)
        except (_DoubtError, RecursionError):
            return False

    def _compiled(self, schema: Schema, resolve: Resolve) -> Fits:
        if isinstance(schema, bool):
            return lambda _: schema
        known = self._known.get(id(schema))
        if known is not None:
            return known
        rules: list[Fits] = []

        def fits(value: object) -> bool:
            return all(rule(value) for rule in rules)

        self._known[id(schema)] = fits
        self._schemas.append(schema)
        rules += self._rules(schema, resolve)
        return fits

    def _rules(self, schema: Mapping[str, Any], resolve: Resolve) -> Iterable[Fits]:
        for word, told in schema.items():
            if word == "$ref":
                yield self._compiled(*resolve(told))
            elif word in {"anyOf", "oneOf", "allOf"}:
                yield _CHOICES[word]([self._compiled(inner, resolve) for inner in told])
            elif word == "not":
                yield _negated(self._compiled(told, resolve))
            elif word in _RULES:
                yield _RULES[word](told)
            elif word not in _SILENT:
                raise _DoubtError(word)
        if "properties" in schema or "additionalProperties" in schema:
            yield self._object(schema, resolve)
        if "prefixItems" in schema or "items" in schema:
            yield self._array(schema, resolve)

    def _object(self, schema: Mapping[str, Any], resolve: Resolve) -> Fits:
        named = {name: self._compiled(inner, resolve) for name, inner in schema.get("properties", {}).items()}
        other = self._compiled(schema.get("additionalProperties", True), resolve)
        return lambda value: (
            not isinstance(value, dict) or all(named.get(name, other)(item) for name, item in value.items())
        )

    def _array(self, schema: Mapping[str, Any], resolve: Resolve) -> Fits:
        first = [self._compiled(inner, resolve) for inner in schema.get("prefixItems", ())]
        other = self._compiled(schema.get("items", True), resolve)

        def fits(value: object) -> bool:
            if not isinstance(value, list):
                return True
            begins = all(rule(item) for rule, item in zip(first, value, strict=False))
            return begins and all(other(item) for item in value[len(first) :])

        return fits


def _negated(rule: Fits) -> Fits:
    return lambda value: not rule(value)


def _types(told: str | list[str]) -> Fits:
    checks = [_TYPES[name] for name in ([told] if isinstance(told, str) else told)]
    return checks[0] if len(checks) == 1 else lambda value: any(check(value) for check in checks)


def _one_of(told: list[object]) -> Fits:
    """Texts, numbers and null; True is not 1."""
    if not all(isinstance(item, str | int | float | None) for item in told):
        raise _DoubtError("enum")

    def fits(value: object) -> bool:
        return any(value == item and isinstance(value, bool) == isinstance(item, bool) for item in told)

    return fits


def _required(names: list[str]) -> Fits:
    return lambda value: not isinstance(value, dict) or all(name in value for name in names)


def _pattern(expression: str) -> Fits:
    search = re.compile(expression).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _unique(told: bool) -> Fits:  # noqa: FBT001
    def fits(value: object) -> bool:
        if not told or not isinstance(value, list):
            return True
        if not all(isinstance(item, str) for item in value):
            raise _DoubtError("uniqueItems")
        return len(set(value)) == len(value)

    return fits


def _sized(kind: type[str] | type[list[Any]], least: int, most: float) -> Fits:
    return lambda value: not isinstance(value, kind) or least <= len(value) <= most


_CHOICES: Final[Mapping[str, Callable[[list[Fits]], Fits]]] = {
    "anyOf": lambda rules: lambda value: any(rule(value) for rule in rules),
    "oneOf": lambda rules: lambda value: sum(rule(value) for rule in rules) == 1,
    "allOf": lambda rules: lambda value: all(rule(value) for rule in rules),
}
_RULES: Final[Mapping[str, Callable[[Any], Fits]]] = {
    "type": _types,
    "enum": _one_of,
    "const": lambda told: _one_of([told]),
    "required": _required,
    "pattern": _pattern,
    "uniqueItems": _unique,
    "minLength": lambda least: _sized(str, least, float("inf")),
    "maxLength": lambda most: _sized(str, 0, most),
    "minItems": lambda least: _sized(list, least, float("inf")),
    "maxItems": lambda most: _sized(list, 0, most),
    "minimum": lambda least: lambda value: not _is_number(value) or value >= least,
    "maximum": lambda most: lambda value: not _is_number(value) or value <= most,
    "exclusiveMinimum": lambda least: lambda value: not _is_number(value) or value > least,
}
