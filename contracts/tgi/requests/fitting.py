"""Whether a value fits its type, as serde judges it: the first misfit, in serde's words.

Most values fit as they are, which their Python type alone shows (``Struct.plain``, ``Struct.small``): the
checks here look closer at the others.
"""

import json
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.positions import Path
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
    Where,
    plain_types,
)


class Misfit(ValueError):
    """A value that does not fit its field: what serde says, the path it names, the place it means.

    serde points after a scalar, before a container, and after an object that lacks a field. An
    untagged choice in a field is placed by the object around it, which by then has tried to take its
    own end ("after").
    """

    def __init__(self, detail: str, path: Path, *, at: Path | None = None, where: Where = "end") -> None:
        super().__init__(detail)
        self.detail = detail
        self.path = path
        self.at = path if at is None else at
        self.where = where


def fitted(kind: Type, value: JSON, path: Path) -> JSON:
    """What is read of a value as one type: what is unknown is left out; raises :class:`Misfit`."""
    if value is None and kind.nullable:
        return None
    return _CHECKS[type(kind)](kind, value, path)


def _described(value: JSON) -> str:
    """A value as serde names it in "invalid type"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, float):
        return f"floating point `{_rust_float(value)}`"
    if isinstance(value, str):
        return f"string {json.dumps(value, ensure_ascii=False)}"
    return "map" if isinstance(value, Mapping) else "sequence"


def _rust_float(value: float) -> str:
    text = repr(value)
    return text.replace("e+", "e") if "e" in text else text


def _invalid_type(value: JSON, expected: str, path: Path) -> Misfit:
    where: Where = "start" if isinstance(value, list | dict) else "end"
    return Misfit(f"invalid type: {_described(value)}, expected {expected}", path, where=where)


def _check_scalar(kind: Scalar, value: JSON, path: Path) -> JSON:
    expected = kind.expected
    if expected == "a boolean":
        fits = isinstance(value, bool)
    elif expected == "a string":
        fits = isinstance(value, str)
    elif expected == "f32":
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        return _check_integer(expected, value, path)
    if not fits:
        raise _invalid_type(value, expected, path)
    return value


def _check_integer(expected: str, value: JSON, path: Path) -> JSON:
    if isinstance(value, int) and not isinstance(value, bool):
        least, most = RANGES[expected]
        if least <= value <= most:
            return value
        if -(2**63) <= value < 2**64:
            raise Misfit(f"invalid value: integer `{value}`, expected {expected}", path)
        value = float(value)  # serde_json reads an integer beyond 64 bits as a float
    raise _invalid_type(value, expected, path)


def _check_list(kind: ListOf, value: JSON, path: Path) -> JSON:
    if not isinstance(value, list):
        raise _invalid_type(value, "a sequence", path)
    plain = plain_types(kind.item)
    return [
        item if type(item) in plain else fitted(kind.item, item, (*path, index))
        for index, item in enumerate(value)
    ]


def _check_struct(kind: Struct, value: JSON, path: Path) -> JSON:
    if isinstance(value, list):
        return _check_listed(kind, value, path)
    if not isinstance(value, dict):
        raise _invalid_type(value, f"struct {kind.name}", path)
    found: dict[str, JSON] = {}
    aliases, plain = kind.aliases, kind.plain
    for key, item in value.items():
        name = aliases.get(key, key)
        if name not in plain:
            continue
        if name in found:
            raise Misfit(f"duplicate field `{name}`", path, at=(*path, key), where="start")
        if type(item) in plain[name] or (type(item) is int and name in kind.small and 0 <= item <= SMALL):
            found[name] = item
        else:
            found[name] = fitted(kind.fields[name], item, (*path, key))
    for name in kind.required:
        if name not in found:
            raise Misfit(f"missing field `{name}`", path)
    if kind.flattened is not None:
        return {**found, **cast("dict[str, JSON]", fitted(kind.flattened, value, path))}
    return found


def _check_listed(kind: Struct, value: list[JSON], path: Path) -> JSON:
    if len(value) < kind.least_listed:
        count = len(kind.fields)
        detail = f"invalid length {len(value)}, expected struct {kind.name} with {count} elements"
        raise Misfit(detail, path)
    pairs = zip(kind.fields.items(), value, strict=False)
    return {
        name: fitted(item_kind, item, (*path, index)) for index, ((name, item_kind), item) in enumerate(pairs)
    }


def _check_one_of(kind: OneOf, value: JSON, path: Path) -> JSON:
    for option in kind.options:
        try:
            found = fitted(option, value, path)
        except Misfit:
            continue
        if found == [] and kind.empty is not None:
            raise Misfit(kind.empty, path, where="after")
        return found
    raise Misfit(f"data did not match any variant of untagged enum {kind.name}", path, where=kind.misfit_at)


def _check_tagged(kind: Tagged, value: JSON, path: Path) -> JSON:
    if isinstance(value, str) and value in kind.values:
        return value  # the tag itself, as message chunks name it
    if not isinstance(value, dict):
        raise _invalid_type(value, "internally tagged enum GrammarType", path)
    if "type" not in value:
        raise Misfit("missing field `type`", path)
    tag = value["type"]
    if not isinstance(tag, str):
        raise _invalid_type(tag, "variant identifier", (*path, "type"))
    if tag not in kind.values:
        known = ", ".join(f"`{name}`" for name in kind.values)
        raise Misfit(f"unknown variant `{tag}`, expected one of {known}", (*path, "type"))
    if "value" not in value:
        raise Misfit("missing field `value`", path)
    return {"type": tag, "value": fitted(kind.values[tag], value["value"], (*path, "value"))}


def _check_anything(_: Anything, value: JSON, __: Path) -> JSON:
    return value


_Check: TypeAlias = Callable[..., JSON]
_CHECKS: Final[Mapping[type, _Check]] = {
    Scalar: _check_scalar,
    ListOf: _check_list,
    Struct: _check_struct,
    OneOf: _check_one_of,
    Tagged: _check_tagged,
    Anything: _check_anything,
}
