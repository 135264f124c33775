"""Values of a backend as JSON values, with tags for what JSON lacks."""

from __future__ import annotations

import base64
import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from .protocol import DEPTH_LIMIT, EXACT_INT, TAGS, VALUE_LIMIT, UnsendableError
from .texts import shown, type_name


class Encoder:
    """Turns one value into JSON values, with tags for what JSON lacks.

    ``strict``: an object of an unknown type is an error; else it goes out as ``$object``, with its texts.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._left = VALUE_LIMIT

    def encode(self, value: object, depth: int = 0) -> Any:
        """Return the JSON value; raises :class:`UnsendableError` over the limits, TypeError when strict."""
        if isinstance(value, Enum):
            return self.encode(value.value, depth)
        if isinstance(value, str):
            self._spend(len(value) + 2)
            return str(value)
        if value is None or isinstance(value, bool):
            self._spend(5)
            return value
        if isinstance(value, (int, float)):
            return self._number(value)
        if depth > DEPTH_LIMIT:
            raise UnsendableError(f"the value is nested more than {DEPTH_LIMIT} deep, or holds itself")
        return self._container(value, depth + 1)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise UnsendableError(f"the value is over the limit of {VALUE_LIMIT >> 20} MiB")

    def _number(self, value: float) -> Any:
        self._spend(20)
        if isinstance(value, int):
            return int(value) if abs(value) <= EXACT_INT else {"$int": str(int(value))}
        if value != value:  # NaN is the one value that differs from itself
            return {"$float": "nan"}
        if value in (float("inf"), float("-inf")):
            return {"$float": "inf" if value > 0 else "-inf"}
        return float(value)

    def _container(self, value: object, depth: int) -> Any:
        if isinstance(value, Printed):
            return self._texts(value.value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            self._spend(len(value) * 4 // 3)
            return {"$bytes": base64.b64encode(bytes(value)).decode("ascii")}
        if isinstance(value, Mapping):
            return self._mapping(value.items(), depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
            return self._mapping(pairs, depth)
        if isinstance(value, (list, tuple, deque)):
            return [self.encode(item, depth) for item in value]
        if isinstance(value, (set, frozenset)):
            return [self.encode(item, depth) for item in sorted(value, key=_sort_key)]
        return self._object(value, depth)

    def _mapping(self, pairs: Iterable[tuple[Any, Any]], depth: int) -> Any:
        out = {}
        for key, item in pairs:
            if is_unset(item):
                continue
            name = key.value if isinstance(key, Enum) else key
            name = name if isinstance(name, str) else str(name)
            self._spend(len(name) + 4)
            out[name] = self.encode(item, depth)
        if len(out) == 1 and not TAGS.isdisjoint(out):
            return {"$map": [[key, item] for key, item in out.items()]}
        return out

    def _object(self, value: object, depth: int) -> Any:
        if hasattr(type(value), "__index__"):
            return self.encode(value.__index__(), depth)  # type: ignore[attr-defined]
        if self._strict:
            raise TypeError(f"{type(value).__qualname__} cannot be an argument of a call")
        if hasattr(type(value), "__float__"):
            return self._number(float(value))  # type: ignore[arg-type]
        return self._texts(value)

    def _texts(self, value: object) -> Any:
        texts = {"type": type_name(type(value)), "repr": shown(repr, value), "str": shown(str, value)}
        self._spend(sum(map(len, texts.values())))
        return {"$object": texts}


class Printed:
    """An object of which only the texts go out, whatever it is (``public_objects``)."""

    def __init__(self, value: object) -> None:
        self.value = value


def printed(value: object) -> list[Printed]:
    """Mark what ``public_objects`` gave: not its fields but what a user sees who prints it is judged."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return [Printed(item) for item in items]


def is_unset(value: object) -> bool:
    """Whether a value is the kit's UNSET (known by its name: the kit may not be importable here)."""
    return isinstance(value, Enum) and value.name == "UNSET"


def _sort_key(item: object) -> tuple[str, str]:
    return (type(item).__name__, str(item))
