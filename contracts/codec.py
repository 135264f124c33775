"""Frozen dataclasses to JSON values and back, by their type hints.

One model serves the Python builder and the JSON form: a field is a key, a field at its default is
left out, ``UNSET`` is never written. What the hints cannot say (ranges, "exactly one of") is said by
the JSON schema of the kind and by ``__post_init__``.

What has to be done for a type is worked out once: every script, journal and verdict passes here.
"""

import base64
import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.unset import UNSET, Unset

T = TypeVar("T")
#: Turns a value of one type into JSON; what is JSON already has none.
Encoder = Callable[[Any], JSON]
#: Builds what a hint asks for; raises :class:`DecodeError` with a pointer that begins at its value.
Decoder = Callable[[Any], Any]


class DecodeError(ValueError):
    """A JSON value that does not fit its type; ``pointer`` (RFC 6901) says where."""

    def __init__(self, pointer: str, problem: str) -> None:
        super().__init__(f"{pointer or '/'}: {problem}")
        self.pointer = pointer
        self.problem = problem

    def below(self, prefix: str) -> "DecodeError":
        """The same mistake, told from further out."""
        return DecodeError(prefix + self.pointer, self.problem)


def to_json(value: object) -> JSON:
    """Turn a dataclass (or a container of them) into a JSON value.

    Bytes become base64 text; sets become sorted lists; fields at their default are left out.
    """
    cls: type = type(value)
    encode = _encoder(cls)
    return typing.cast("JSON", value) if encode is None else encode(value)


def from_json(cls: type[T], value: JSON, pointer: str = "") -> T:
    """Build ``cls`` from a JSON value; raises :class:`DecodeError` with the pointer of the mistake."""
    try:
        return typing.cast("T", _decoder(cls)(value))
    except DecodeError as error:
        if not pointer:
            raise
        raise error.below(pointer) from error.__cause__


# --- out ----------------------------------------------------------------------------------------------


@cache
def _encoder(cls: type) -> Encoder | None:
    if dataclasses.is_dataclass(cls):
        return _dataclass_encoder(cls)
    if issubclass(cls, Enum):
        return lambda value: typing.cast("JSON", value.value)
    if issubclass(cls, bytes):
        return lambda value: base64.b64encode(value).decode("ascii")
    if issubclass(cls, frozenset | set):
        return lambda value: typing.cast("JSON", sorted(value))
    if issubclass(cls, Mapping):
        return lambda value: {str(key): to_json(item) for key, item in value.items()}
    if issubclass(cls, Sequence) and not issubclass(cls, str):
        return lambda value: [to_json(item) for item in value]
    return None


def _dataclass_encoder(cls: type) -> Encoder:
    fields = tuple((field.name, _default_test(field)) for field in dataclasses.fields(cls))

    def encode(value: Any) -> JSON:
        out: dict[str, JSON] = {}
        for name, is_default in fields:
            item = getattr(value, name)
            if item is not UNSET and not is_default(item):
                out[name] = to_json(item)
        return out

    return encode


def _default_test(field: "dataclasses.Field[Any]") -> Callable[[Any], bool]:
    default, kind, factory = field.default, type(field.default), field.default_factory
    if default is not dataclasses.MISSING:
        return lambda value: value is default or (type(value) is kind and bool(value == default))
    if factory is not dataclasses.MISSING:
        return lambda value: bool(value == factory())
    return lambda _: False


# --- in -----------------------------------------------------------------------------------------------


def _decoder(hint: Any) -> Decoder:
    if hint is Any:  # a field of type JSON
        return _unchanged
    origin = get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(get_args(hint))
    if origin is typing.Literal:
        return _literal_decoder(get_args(hint))
    if origin is not None:
        return _container_decoder(origin, get_args(hint))
    if dataclasses.is_dataclass(hint):
        return _dataclass_decoder(typing.cast("type", hint))
    if hint is bytes:
        return _bytes
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_decoder(hint)
    return _scalar_decoder(hint)


def _unchanged(value: Any) -> Any:
    return value


def _union_decoder(options: tuple[Any, ...]) -> Decoder:
    optional = type(None) in options
    decoders = [_decoder(option) for option in options if option not in (type(None), Unset)]

    def decode(value: Any) -> Any:
        if value is None and optional:
            return None
        problems: list[DecodeError] = []
        for each in decoders:
            try:
                return each(value)
            except DecodeError as error:
                problems.append(error)
        # The option that got deepest is the one that was meant.
        raise max(problems, key=lambda error: len(error.pointer))

    return decode


def _literal_decoder(options: tuple[Any, ...]) -> Decoder:
    booleans = {isinstance(option, bool) for option in options}

    def decode(value: Any) -> Any:
        if value not in options or isinstance(value, bool) not in booleans:
            raise DecodeError("", f"{value!r} is not one of {list(options)}")
        return value

    return decode


def _container_decoder(origin: Any, args: tuple[Any, ...]) -> Decoder:
    if issubclass(origin, Mapping):
        return _mapping_decoder(_decoder(args[1]))
    if origin is tuple and (len(args) != 2 or args[1] is not Ellipsis):
        return _tuple_decoder([_decoder(arg) for arg in args])
    return _items_decoder(_decoder(args[0]), frozenset if issubclass(origin, frozenset) else tuple)


def _mapping_decoder(decode_item: Decoder) -> Decoder:
    def decode(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise DecodeError("", f"an object is needed, not {_kind(value)}")
        return {key: _at(key, decode_item, item) for key, item in value.items()}

    return decode


def _tuple_decoder(decoders: Sequence[Decoder]) -> Decoder:
    def decode(value: Any) -> Any:
        _needs_array(value)
        if len(value) != len(decoders):
            raise DecodeError("", f"{len(decoders)} items are needed, not {len(value)}")
        pairs = zip(decoders, value, strict=True)
        return tuple(_at(number, each, item) for number, (each, item) in enumerate(pairs))

    return decode


def _items_decoder(decode_item: Decoder, container: Callable[[Any], Any]) -> Decoder:
    def decode(value: Any) -> Any:
        _needs_array(value)
        return container([_at(number, decode_item, item) for number, item in enumerate(value)])

    return decode


def _needs_array(value: Any) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise DecodeError("", f"an array is needed, not {_kind(value)}")


def _at(key: object, decode: Decoder, value: Any) -> Any:
    """Decode what lies at a key; a mistake in it is told with the key before it."""
    try:
        return decode(value)
    except DecodeError as error:
        raise error.below(f"/{escape(str(key))}") from error.__cause__


@cache
def _field_decoders(cls: type) -> dict[str, Decoder]:
    return {name: _decoder(hint) for name, hint in typing.get_type_hints(cls).items()}


def _dataclass_decoder(cls: type) -> Decoder:
    def decode(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise DecodeError("", f"an object is needed, not {_kind(value)}")
        # Looked up at the first value: a type may hold itself.
        decoders = _field_decoders(cls)
        for key in value:
            if key not in decoders:
                raise DecodeError(f"/{escape(key)}", f"unknown key; known: {sorted(decoders)}")
        fields = {key: _at(key, decoders[key], item) for key, item in value.items()}
        try:
            return cls(**fields)
        except (TypeError, ValueError) as error:
            raise DecodeError("", str(error)) from error

    return decode


def _enum_decoder(cls: type[Enum]) -> Decoder:
    def decode(value: Any) -> Any:
        try:
            return cls(value)
        except ValueError as error:
            raise DecodeError("", f"{value!r} is not one of {[m.value for m in cls]}") from error

    return decode


def _scalar_decoder(hint: Any) -> Decoder:
    def decode(value: Any) -> Any:
        if value.__class__ is hint:
            return value
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
            raise DecodeError("", f"{_kind(value)} where {hint.__name__} is needed")
        return value

    return decode


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError) as error:
        raise DecodeError("", f"base64 text is needed: {error}") from error


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
