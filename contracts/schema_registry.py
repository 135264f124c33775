"""JSON Schemas (2020-12) by name: the files under ``schemas/``, tied together by their ``$id``.

A name is the file's path without its ending: ``script``, ``tgi/generate-request``. The same files
serve other languages; ``$ref`` goes over ``urn:tgi-conformance:schema:...`` ids, never over paths.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

from jsonschema import Draft202012Validator, TypeChecker, ValidationError, validators
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

ENDING: Final = ".schema.json"
URN: Final = "urn:tgi-conformance:schema:"
MAX_MESSAGE: Final = 300
"""Characters of one message; the library quotes the whole value."""

Schema = dict[str, Any]
"""A JSON Schema as JSON: open by nature, so not typed any further."""


SchemaRegistry = Registry[bool | Mapping[str, Any]]


class UnknownSchemaError(LookupError):
    """No schema file has this name."""


def _is_integer(_: TypeChecker, value: object) -> bool:
    """Tell 10 from 10.0, as serde and most typed readers do: JSON Schema alone does not."""
    return isinstance(value, int) and not isinstance(value, bool)


_Validator: Final[type[Draft202012Validator]] = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def names() -> tuple[str, ...]:
    """Return the names of all schemas, sorted."""
    return tuple(sorted(_schemas()))


def schema(name: str) -> Schema:
    """Return the schema of a name. Raises ``UnknownSchemaError``; the value is shared: read only."""
    try:
        return _schemas()[name]
    except KeyError:
        raise UnknownSchemaError(f"no schema {name!r}; there are: {', '.join(names()) or 'none'}") from None


@cache
def validator(name: str) -> Draft202012Validator:
    """Return the validator of a name, with every other schema at hand for its references.

    That the files themselves are schemas is a test's affair: to check it here would cost each start of the
    fake server a tenth of a second.
    """
    return _Validator(_without_dialect(schema(name)), registry=_registry())


def build_validator(document: Schema) -> Draft202012Validator:
    """Return a validator for any schema document that may refer to the files here."""
    _Validator.check_schema(document)
    return _Validator(_without_dialect(document), registry=_registry())


def problems(name: str, value: object) -> list[str]:
    """Return what is wrong with a value, a line each, ``/json/pointer: message``; empty if valid.

    Of a choice (anyOf, oneOf) the branch that fits best is quoted.
    """
    return sorted({describe(error) for error in validator(name).iter_errors(value)})


def describe(error: ValidationError) -> str:
    """Return one error as ``/json/pointer: message``; the root is ``/``."""
    closest = best_match([error]) or error
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in closest.absolute_path)
    message = closest.message
    if len(message) > MAX_MESSAGE:
        message = f"{message[: MAX_MESSAGE // 2]} … {message[-MAX_MESSAGE // 2 :]}"
    return f"/{'/'.join(steps)}: {message}"


@cache
def _schemas() -> Mapping[str, Schema]:
    return dict(_find(resources.files("tgi_conformance.contracts").joinpath("schemas"), ""))


def _find(folder: Traversable, prefix: str) -> list[tuple[str, Schema]]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _find(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(ENDING):
            name = prefix + entry.name.removesuffix(ENDING)
            found.append((name, _read(entry, name)))
    return found


def _read(file: Traversable, name: str) -> Schema:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"schemas/{name}{ENDING}: not JSON: {error}") from error
    expected = URN + name.replace("/", ":")
    if not isinstance(document, dict) or document.get("$id") != expected:
        raise ValueError(f"schemas/{name}{ENDING}: must be an object whose $id is {expected!r}")
    return document


def _without_dialect(document: Schema) -> Schema:
    """Leave ``$schema`` out: at each one the library would go back to its own validator class."""
    return {keyword: value for keyword, value in document.items() if keyword != "$schema"}


@cache
def _registry() -> SchemaRegistry:
    return SchemaRegistry().with_resources(
        (str(document["$id"]), DRAFT202012.create_resource(_without_dialect(document)))
        for document in _schemas().values()
    )
