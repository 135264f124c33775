"""What TGI says of a grammar: whether its JSON Schema is valid, has properties, and compiles.

Measured: the three messages of the recordings, and that a broken regex passes. The wording of other
schema mistakes follows the validator that the router uses, as far as it is known here.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.json_reader import whole_value
from tgi_conformance.contracts.schema.serde_errors import SerdeError, place
from tgi_conformance.contracts.schema.shape import doubtful
from tgi_conformance.contracts.tgi.requests.compiling import compile_problem

if TYPE_CHECKING:
    from jsonschema import ValidationError

NOT_SUPPORTED: Final = "grammar is not supported"
_NO_PROPERTIES: Final = "grammar is not valid: Grammar must have a 'properties' field"


def grammar_schema(grammar: Mapping[str, JSON]) -> JSON:
    """The JSON Schema of a grammar that has one; None for a regex or a text that is no JSON."""
    kind, value = grammar.get("type"), grammar.get("value")
    if kind == "json_schema" and isinstance(value, Mapping):
        value = value.get("schema")
    if kind == "regex":
        return None
    if isinstance(value, str):
        try:
            return cast("JSON", json.loads(value))
        except (ValueError, RecursionError):
            return None
    return value


def grammar_problem(grammar: Mapping[str, JSON]) -> str | None:
    """The message for a grammar (``{"type", "value"}``), or None."""
    kind, value = grammar.get("type"), grammar.get("value")
    if kind == "regex":
        return None
    if kind == "json_schema":
        return schema_problem(value.get("schema") if isinstance(value, Mapping) else value)
    if isinstance(value, str):
        content = value.encode("utf-8", "surrogatepass")
        try:
            return schema_problem(whole_value(content))
        except SerdeError as broken:
            return f"grammar is not valid: {broken.message} at {place(content, broken.offset or 0)}"
    # Of a schema that is no object TGI says the same as where it supports none.
    return schema_problem(value) if isinstance(value, Mapping) else NOT_SUPPORTED


def schema_problem(schema: JSON) -> str | None:
    """The message for a JSON Schema that is to become a grammar, or None."""
    left = doubtful(schema)
    found = None if left is True else next(_meta_errors(left), None)
    if found is not None:
        return f"grammar is not valid: {found}"
    if not isinstance(schema, Mapping) or "properties" not in schema:
        return _NO_PROPERTIES
    return compile_problem(schema)


def _meta_errors(schema: JSON) -> Iterator[str]:
    # Not before a grammar comes: the import is a sixth of the fake server's start.
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    validator = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    for error in validator.iter_errors(cast("Any", schema)):
        yield _told(error)


def _told(error: "ValidationError") -> str:
    """A mistake in the words of the router's validator."""
    instance = json.dumps(error.instance, ensure_ascii=False, separators=(",", ":"))
    maker = _MESSAGES.get(str(error.validator))
    return error.message if maker is None else maker(instance, error.validator_value)


def _types(value: object) -> str:
    names = [value] if isinstance(value, str) else sorted(cast("list[str]", value))
    listed = ", ".join(f'"{name}"' for name in names)
    return f"type {listed}" if len(names) == 1 else f"types {listed}"


_MESSAGES: Final[Mapping[str, Callable[[str, Any], str]]] = {
    "anyOf": lambda found, _: f"{found} is not valid under any of the schemas listed in the 'anyOf' keyword",
    "type": lambda found, value: f"{found} is not of {_types(value)}",
    "minimum": lambda found, value: f"{found} is less than the minimum of {value}",
    "exclusiveMinimum": lambda found, value: f"{found} is less than or equal to the minimum of {value}",
    "uniqueItems": lambda found, _: f"{found} has non-unique elements",
    "minItems": lambda found, value: f"{found} has less than {value} item{'' if value == 1 else 's'}",
    "format": lambda found, value: f'{found} is not a "{value}"',
    "pattern": lambda found, value: f'{found} does not match "{value}"',
}
