"""Frozen dataclasses to JSON values and back, by their type hints.

One model serves the Python builder and the JSON form: a field is a key, a field at its default is
left out, ``UNSET`` is never written. What the hints cannot say (ranges, "exactly one of") is said by
the JSON schema of the kind and by ``__post_init__``.
"""

import base64
import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.unset import UNSET, Unset

T = TypeVar("T")


class DecodeError(ValueError):
    """A JSON value that does not fit its type; ``pointer`` (RFC 6901) says where."""

    def __init__(self, pointer: str, problem: str) -> None:
        super().__init__(f"{pointer or '/'}: {problem}")
        self.pointer = pointer
        self.problem = problem


def to_json(value: object) -> JSON:
    """Turn a dataclass (or a container of them) into a JSON value.

    Bytes become base64 text; sets become sorted lists; fields at their default are left out.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_json(item)
            for field in dataclasses.fields(value)
            if not _is_default(field, item := getattr(value, field.name))
        }
    if isinstance(value, Enum):
        return typing.cast("JSON", value.value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, frozenset | set):
        return sorted(typing.cast("set[str]", value))
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(item) for item in value]
    return typing.cast("JSON", value)


def from_json(cls: type[T], value: JSON, pointer: str = "") -> T:
    """Build ``cls`` from a JSON value; raises :class:`DecodeError` with the pointer of the mistake."""
    return typing.cast("T", _decode(cls, value, pointer))


def _is_default(field: "dataclasses.Field[Any]", value: object) -> bool:
    if value is UNSET:
        return True
    if field.default is not dataclasses.MISSING:
        return type(value) is type(field.default) and bool(value == field.default)
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return False


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _decode(hint: Any, value: Any, pointer: str) -> Any:
    if hint is Any:  # a field of type JSON
        return value
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(get_args(hint), value, pointer)
    if origin is typing.Literal:
        if value not in get_args(hint) or isinstance(value, bool) not in {
            isinstance(option, bool) for option in get_args(hint)
        }:
            raise DecodeError(pointer, f"{value!r} is not one of {list(get_args(hint))}")
        return value
    if origin is not None:
        return _decode_container(origin, get_args(hint), value, pointer)
    if dataclasses.is_dataclass(hint):
        return _decode_dataclass(typing.cast("type", hint), value, pointer)
    return _decode_scalar(hint, value, pointer)


def _decode_union(options: tuple[Any, ...], value: Any, pointer: str) -> Any:
    if value is None and type(None) in options:
        return None
    rest = [option for option in options if option not in (type(None), Unset)]
    problems: list[DecodeError] = []
    for option in rest:
        try:
            return _decode(option, value, pointer)
        except DecodeError as error:
            problems.append(error)
    # The option that got deepest is the one that was meant.
    raise max(problems, key=lambda error: len(error.pointer))


def _decode_container(origin: Any, args: tuple[Any, ...], value: Any, pointer: str) -> Any:
    if issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise DecodeError(pointer, f"an object is needed, not {_kind(value)}")
        return {k: _decode(args[1], v, f"{pointer}/{escape(k)}") for k, v in value.items()}
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise DecodeError(pointer, f"an array is needed, not {_kind(value)}")
    if origin is tuple and (len(args) != 2 or args[1] is not Ellipsis):
        if len(value) != len(args):
            raise DecodeError(pointer, f"{len(args)} items are needed, not {len(value)}")
        pairs = zip(args, value, strict=True)
        return tuple(_decode(a, v, f"{pointer}/{i}") for i, (a, v) in enumerate(pairs))
    items = (_decode(args[0], item, f"{pointer}/{i}") for i, item in enumerate(value))
    return frozenset(items) if issubclass(origin, frozenset) else tuple(items)


def _decode_dataclass(cls: type, value: Any, pointer: str) -> Any:
    if not isinstance(value, Mapping):
        raise DecodeError(pointer, f"an object is needed, not {_kind(value)}")
    hints = _hints(cls)
    for key in value:
        if key not in hints:
            raise DecodeError(f"{pointer}/{escape(key)}", f"unknown key; known: {sorted(hints)}")
    fields = {k: _decode(hints[k], v, f"{pointer}/{escape(k)}") for k, v in value.items()}
    try:
        return cls(**fields)
    except (TypeError, ValueError) as error:
        raise DecodeError(pointer, str(error)) from error


def _decode_scalar(hint: Any, value: Any, pointer: str) -> Any:
    if hint is bytes:
        return _decode_bytes(value, pointer)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError as error:
            raise DecodeError(pointer, f"{value!r} is not one of {[m.value for m in hint]}") from error
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise DecodeError(pointer, f"{_kind(value)} where {hint.__name__} is needed")
    return value


def _decode_bytes(value: Any, pointer: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError) as error:
        raise DecodeError(pointer, f"base64 text is needed: {error}") from error


def escape(key: str) -> str:
    """Escape one key for a JSON pointer (RFC 6901 §3)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def _kind(value: object) -> str:
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a boolean"),
        ((int, float), "a number"),
        (str, "a string"),
        (Mapping, "an object"),
    )
    if value is None:
        return "null"
    return next((name for cls, name in kinds if isinstance(value, cls)), "an array")
