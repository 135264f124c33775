"""What a value is to a call: a future, a stream, an answer, the same as before."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any


def same(left: object, right: object) -> bool:
    """Deep equality by type and value, where NaN equals NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right or (left != left and right != right)  # NaN


def is_future(value: object) -> bool:
    """Whether a value behaves like ``concurrent.futures.Future``."""
    return isinstance(value, Future) or (
        not isinstance(value, Mapping)
        and all(callable(getattr(value, name, None)) for name in ("result", "cancel", "done"))
    )


def is_stream(value: object, *, asked: bool) -> bool:
    """Whether a call's value is a stream; when one was asked for, any iterable that is no answer will do."""
    if isinstance(value, (str, bytes, Mapping)) or value is None or dataclasses.is_dataclass(value):
        return False
    if hasattr(value, "__next__") or hasattr(value, "__anext__") or hasattr(value, "__aiter__"):
        return True
    return asked and hasattr(value, "__iter__")


def runs_on_loop(method: Callable[..., Any]) -> bool:
    """Whether calling the method gives a coroutine or an async generator."""
    call = getattr(method, "__call__", method)  # noqa: B004 -- its code is asked for, not whether it exists
    return any(
        test(candidate)
        for candidate in (inspect.unwrap(method), call)
        for test in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    )


def as_info(info: Any) -> Any:
    """``None`` and a bare kind are short for an ErrorInfo."""
    if info is None:
        return {"kind": "unmapped"}
    return {"kind": info} if isinstance(info, str) else info


def truth(value: Any) -> bool | None:
    """``bool(value)``; None where that fails."""
    try:
        return bool(value)
    except Exception:  # noqa: BLE001 -- a value that has no truth; said as null
        return None
