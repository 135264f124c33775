"""JSON Schemas (2020-12) by name: the files under ``schemas/``, tied together by their ``$id``.

A name is the file's path without its ending: ``script``, ``tgi/generate-request``. The same files
serve other languages; ``$ref`` goes over ``urn:tgi-conformance:schema:...`` ids, never over paths.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tgi_conformance.contracts.schema.glance import Glance, Resolve

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, TypeChecker, ValidationError
    from referencing import Registry

ENDING: Final = ".schema.json"
URN: Final = "urn:tgi-conformance:schema:"
MAX_MESSAGE: Final = 300
"""Characters of one message; the library quotes the whole value."""

Schema = dict[str, Any]
"""A JSON Schema as JSON: open by nature, so not typed any further."""


SchemaRegistry: TypeAlias = "Registry[bool | Mapping[str, Any]]"


class UnknownSchemaError(LookupError):
    """No schema file has this name."""


def _is_integer(_: "TypeChecker", value: object) -> bool:
    """Tell 10 from 10.0, as serde and most typed readers do: JSON Schema alone does not."""
    return isinstance(value, int) and not isinstance(value, bool)


@cache
def _validator_class() -> "type[Draft202012Validator]":
    # The schema library takes as long to import as all the rest of a fake server; what fits needs none of it.
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415

    made: type[Draft202012Validator] = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
    )
    return made


def names() -> tuple[str, ...]:
    """Return the names of all schemas, sorted."""
    return tuple(sorted(_schemas()))


def schema(name: str) -> Schema:
    """Return the schema of a name. Raises ``UnknownSchemaError``; the value is shared: read only."""
    file = _folder().joinpath(f"{name}{ENDING}")
    if not name or not file.is_file():
        raise UnknownSchemaError(f"no schema {name!r}; there are: {', '.join(names()) or 'none'}")
    return _read_once(name)


@cache
def validator(name: str) -> "Draft202012Validator":
    """Return the validator of a name, with every other schema at hand for its references.

    That the files themselves are schemas is a test's affair: to check it here would cost each start of the
    fake server a tenth of a second.
    """
    return _validator_class()(_without_dialect(schema(name)), registry=_registry())


def build_validator(document: Schema) -> "Draft202012Validator":
    """Return a validator for any schema document that may refer to the files here."""
    _validator_class().check_schema(document)
    return _validator_class()(_without_dialect(document), registry=_registry())


def problems(name: str, value: object) -> list[str]:
    """Return what is wrong with a value, a line each, ``/json/pointer: message``; empty if valid.

    Of a choice (anyOf, oneOf) the branch that fits best is quoted.
    """
    if glance(name).fits(value):
        return []
    return sorted({describe(error) for error in validator(name).iter_errors(value)})


@cache
def glance(name: str, definition: str = "") -> Glance:
    """Return the quick look at values of a schema, or of one of its ``$defs``.

    It says yes only to what the validator lets pass.
    """
    looked_at = {"$ref": f"#/$defs/{definition}"} if definition else schema(name)
    return Glance(looked_at, _resolver(name))


def _resolver(name: str) -> Resolve:
    """Resolve references from within the schema of a name."""

    def resolve(reference: str) -> tuple[Schema | bool, Resolve]:
        identifier, _, pointer = reference.partition("#")
        there = identifier.removeprefix(URN).replace(":", "/") if identifier else name
        found: Any = schema(there)
        for step in filter(None, pointer.split("/")):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        return found, resolve if there == name else _resolver(there)

    return resolve


def describe(error: "ValidationError") -> str:
    """Return one error as ``/json/pointer: message``; the root is ``/``."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    closest = best_match([error]) or error
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in closest.absolute_path)
    message = closest.message
    if len(message) > MAX_MESSAGE:
        message = f"{message[: MAX_MESSAGE // 2]} … {message[-MAX_MESSAGE // 2 :]}"
    return f"/{'/'.join(steps)}: {message}"


@cache
def _folder() -> Traversable:
    return resources.files("tgi_conformance.contracts.schema").joinpath("schemas")


@cache
def _read_once(name: str) -> Schema:
    return _read(_folder().joinpath(f"{name}{ENDING}"), name)


@cache
def _schemas() -> Mapping[str, Schema]:
    return {name: _read_once(name) for name in _find(_folder(), "")}


def _find(folder: Traversable, prefix: str) -> list[str]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _find(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(ENDING):
            found.append(prefix + entry.name.removesuffix(ENDING))
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
    from referencing import Registry  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    empty: SchemaRegistry = Registry()
    return empty.with_resources(
        (str(document["$id"]), DRAFT202012.create_resource(_without_dialect(document)))
        for document in _schemas().values()
    )
