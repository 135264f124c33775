"""The short way to read a body: values that plainly fit their types, which nearly all do.

What is doubtful is left to :mod:`~tgi_conformance.contracts.tgi.requests.reading`, which has the last word.
Most values fit as they are, which their Python type alone shows (``Struct.plain``, ``Struct.small``).
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.tgi.requests.field_types import (
    RANGES,
    SMALL,
    Anything,
    ListOf,
    OneOf,
    Scalar,
    Struct,
    Tagged,
    Type,
    Variant,
    plain_types,
)


class Doubt(ValueError):
    """Whether a value fits has to be asked in full."""


class _Unfit(Doubt):
    """A value that surely does not fit."""


def fitted(kind: Type, value: JSON) -> JSON:
    """What is read of a value as one type: what is unknown is left out; raises :class:`Doubt`."""
    if value is None and kind.nullable:
        return None
    return _CHECKS[type(kind)](kind, value)


def _check_scalar(kind: Scalar, value: JSON) -> JSON:
    if type(value) in plain_types(kind):
        return value
    if kind.expected in RANGES and type(value) is int:
        least, most = RANGES[kind.expected]
        if least <= value <= most:
            return value
    raise _Unfit(kind.expected)


def _check_list(kind: ListOf, value: JSON) -> JSON:
    if not isinstance(value, list):
        raise _Unfit(kind)
    plain = plain_types(kind.item)
    return [item if type(item) in plain else fitted(kind.item, item) for item in value]


def _check_struct(kind: Struct, value: JSON) -> JSON:
    if not isinstance(value, dict):
        raise Doubt(kind.name) if isinstance(value, list) else _Unfit(kind.name)
    found: dict[str, JSON] = {}
    aliases, plain = kind.aliases, kind.plain
    for key, item in value.items():
        name = aliases.get(key, key)
        if name not in plain:
            continue
        if name in found:
            raise Doubt(name)
        if type(item) in plain[name] or (type(item) is int and name in kind.small and 0 <= item <= SMALL):
            found[name] = item
        else:
            found[name] = fitted(kind.fields[name], item)
    for name in kind.required:
        if name not in found:
            raise _Unfit(name)
    if kind.flattened is not None:
        return {**found, **cast("dict[str, JSON]", fitted(kind.flattened, value))}
    return found


def _check_one_of(kind: OneOf, value: JSON) -> JSON:
    for option in kind.options:
        try:
            found = fitted(option, value)
        except _Unfit:
            continue
        if found == []:
            raise Doubt(kind.name)
        return found
    raise _Unfit(kind.name)


def _check_variant(kind: Variant, value: JSON) -> JSON:
    if not isinstance(value, dict):
        raise Doubt(kind.name) if isinstance(value, list) else _Unfit(kind.name)
    tag = value.get("type")
    if not isinstance(tag, str):
        raise Doubt(kind.name)
    if tag not in kind.variants:
        raise _Unfit(tag)
    return {"type": tag, **cast("dict[str, JSON]", fitted(kind.variants[tag], value))}


def _check_tagged(kind: Tagged, value: JSON) -> JSON:
    if not isinstance(value, dict):
        raise Doubt(kind.name)
    tag = value.get("type")
    if not isinstance(tag, str) or tag not in kind.values or "value" not in value:
        raise Doubt(kind.name)
    return {"type": tag, "value": fitted(kind.values[tag], value["value"])}


def _check_anything(_: Anything, value: JSON) -> JSON:
    return value


_Check: TypeAlias = Callable[..., JSON]
_CHECKS: Final[Mapping[type, _Check]] = {
    Scalar: _check_scalar,
    ListOf: _check_list,
    Struct: _check_struct,
    OneOf: _check_one_of,
    Variant: _check_variant,
    Tagged: _check_tagged,
    Anything: _check_anything,
}
