"""Why a JSON Schema cannot become the regular expression that TGI makes of a grammar, in the router's words.

Source: outlines-core at ba10c619 (``src/json_schema/``), the revision in the router's lock file, and the
router's ``infer/tool_grammar.rs`` for what tools become.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.tgi.requests.serde_words import rust_debug, rust_float

_Object: TypeAlias = Mapping[str, JSON]
_FORMATS: Final = frozenset({"date-time", "date", "time", "uuid"})
_UNSUPPORTED: Final = (
    " \nMake sure it is valid to the JSON Schema specification and check if it's supported by Outlines."
    "\nIf it should be supported, please open an issue."
)
#: Schemas inside one another, references followed.
_DEEPEST: Final = 120
_FUNCTIONS: Final = "$functions"


class _Uncompilable(ValueError):
    """A schema that cannot be compiled, in outlines' words."""


def compile_problem(schema: JSON) -> str | None:
    """Why a schema cannot become a regular expression."""
    try:
        _Compiler(schema).check(schema)
    except _Uncompilable as problem:
        return f"cannot compile regex from schema: {problem}"
    return None


def tools_schema(tools: Iterable[tuple[str, JSON]]) -> JSON:
    """The schema of a call of one of these tools, each with its name and the schema of its arguments."""
    functions: dict[str, JSON] = {}
    references: list[JSON] = []
    for name, arguments in tools:
        properties: dict[str, JSON] = {"_name": {"type": "string", "const": name}}
        given = arguments.get("properties") if isinstance(arguments, Mapping) else None
        functions[name] = {"properties": {**properties, **(given if isinstance(given, Mapping) else {})}}
        references.append({"$ref": f"#/{_FUNCTIONS}/{name}"})
    return {_FUNCTIONS: functions, "properties": {"function": {"anyOf": references}}}


class _Compiler:
    """Follows a schema as outlines does, to the first thing that it cannot compile."""

    def __init__(self, root: JSON) -> None:
        self._root = root
        #: References that are followed already, or were: one that comes back says nothing new.
        self._followed: set[str] = set()
        self._depth = 0

    def check(self, schema: JSON) -> None:
        """Raise what cannot be compiled; what lies deeper than any schema of use is not looked at."""
        if self._depth < _DEEPEST:
            self._depth += 1
            self._check(schema)
            self._depth -= 1

    def _check(self, schema: JSON) -> None:
        if not isinstance(schema, Mapping):
            raise _Uncompilable("Invalid JSON Schema: expected an object")
        if not schema:
            return
        for keyword, check in self._keywords():
            if keyword in schema:
                check(schema)
                return
        raise _Uncompilable(f"Unsupported JSON Schema structure {dumps(schema)}{_UNSUPPORTED}")

    def _keywords(self) -> Sequence[tuple[str, Callable[[_Object], None]]]:
        """What the first of these that a schema has makes of it."""
        return (
            ("properties", self._properties),
            *((name, self._all_of(name)) for name in ("allOf", "anyOf", "oneOf", "prefixItems")),
            ("enum", _enum),
            ("const", lambda schema: _scalar(schema["const"], "const")),
            ("$ref", self._reference),
            ("type", self._type),
        )

    def _properties(self, schema: _Object) -> None:
        properties = schema["properties"]
        if not isinstance(properties, Mapping):
            raise _Uncompilable("'properties' not found or not an object")
        for inner in properties.values():
            self.check(inner)

    def _all_of(self, name: str) -> Callable[[_Object], None]:
        def check(schema: _Object) -> None:
            for inner in _array(schema, name):
                self.check(inner)

        return check

    def _reference(self, schema: _Object) -> None:
        reference = schema["$ref"]
        if not isinstance(reference, str):
            raise _Uncompilable("'$ref' must be a string")
        if reference in self._followed:
            return
        self._followed.add(reference)
        base, mark, fragment = reference.partition("#")
        if "#" in fragment:
            raise _Uncompilable(f"Invalid reference format: {reference}")
        own = self._root.get("$id") if isinstance(self._root, Mapping) else None
        if mark and base and base != own:
            raise _Uncompilable(f"External references are not supported: {reference}")
        self.check(self._found(fragment if mark else base))

    def _found(self, fragment: str) -> JSON:
        found = self._root
        for step in filter(None, fragment.split("/")):
            if not isinstance(found, Mapping) or step not in found:
                raise _Uncompilable(f"Invalid reference path: {step}")
            found = found[step]
        return found

    def _type(self, schema: _Object) -> None:
        name = schema["type"]
        if not isinstance(name, str):
            raise _Uncompilable("'type' must be a string")
        if name == "array":
            if "items" in schema and _unsigned(schema, "maxItems") != 0:
                self.check(schema["items"])
        elif name == "object":
            more = schema.get("additionalProperties", True)
            if more is not True and _unsigned(schema, "maxProperties") != 0:
                self.check(more)
        elif name == "string":
            _string(schema)
        elif name in {"number", "integer"}:
            _digits(schema, name)
        elif name not in {"boolean", "null"}:
            raise _Uncompilable(f"Unsupported type: {name}")


def _array(schema: _Object, name: str) -> Sequence[JSON]:
    items = schema[name]
    if not isinstance(items, list | tuple):
        raise _Uncompilable(f"'{name}' must be an array")
    return items


def _enum(schema: _Object) -> None:
    for choice in _array(schema, "enum"):
        _scalar(choice, "enum")


def _scalar(value: JSON, where: str) -> None:
    if isinstance(value, Mapping | list | tuple):
        raise _Uncompilable(f"Unsupported data type in {where}: {_debug(value)}")


def _debug(value: JSON) -> str:
    """A value as Rust's ``{:?}`` writes serde_json's."""
    if isinstance(value, Mapping):
        return "Object {" + ", ".join(f"{rust_debug(k)}: {_debug(item)}" for k, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "Array [" + ", ".join(map(_debug, value)) + "]"
    if isinstance(value, str):
        return f"String({rust_debug(value)})"
    if isinstance(value, bool):
        return f"Bool({str(value).lower()})"
    if value is None:
        return "Null"
    return f"Number({rust_float(value) if isinstance(value, float) else value})"


def _unsigned(schema: _Object, name: str) -> int | None:
    value = schema.get(name)
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64
    return value if fits and isinstance(value, int) else None


def _string(schema: _Object) -> None:
    if "minLength" in schema or "maxLength" in schema:
        least, most = schema.get("minLength"), schema.get("maxLength")
        if "minLength" in schema and "maxLength" in schema and _rank(least) > _rank(most):
            raise _Uncompilable("maxLength must be greater than or equal to minLength")
    elif not isinstance(schema.get("pattern"), str):
        name = schema.get("format")
        if isinstance(name, str) and name not in _FORMATS:
            raise _Uncompilable(f"Format {name} is not supported by Outlines")


def _rank(value: JSON) -> tuple[bool, float]:
    """A number for comparing; what is none comes before all."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number, float(value) if is_number and isinstance(value, int | float) else 0.0


def _digits(schema: _Object, name: str) -> None:
    """The digits that outlines' own keywords ask for."""
    bounds = [("minDigits", "maxDigits", 1)]
    if name == "number":
        parts = (("Integer", 1), ("Fraction", 0), ("Exponent", 0))
        bounds = [(f"minDigits{part}", f"maxDigits{part}", offset) for part, offset in parts]
    for least_name, most_name, offset in bounds:
        least, most = _unsigned(schema, least_name), _unsigned(schema, most_name)
        if least is not None and most is not None and max(most - offset, 0) < max(least - offset, 0):
            raise _Uncompilable("max bound must be greater than or equal to min bound")
