"""Exceptions and objects of a backend as bounded texts."""

from __future__ import annotations

import importlib
import os
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from .frames import frames_of
from .protocol import CHAIN_LIMIT, TEXT_LIMIT, Message

#: How the names of files begin whose frames lead from the host to the adapter.
_FRAMES_OF_OTHERS = (os.path.dirname(__file__), os.path.dirname(importlib.__file__), "<frozen importlib")


def type_name(cls: type) -> str:
    """Return ``module.Class``, without the module for builtins."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def cut(text: str) -> str:
    """Bound a text, saying how much is missing."""
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}[+{len(text) - TEXT_LIMIT} characters]"


def shown(how: Callable[[Any], str], value: object) -> str:
    """Return ``repr(value)`` or ``str(value)``, bounded, also where the value's own method fails."""
    try:
        return cut(str(how(value)))
    except BaseException as error:  # noqa: BLE001 -- foreign code; whatever it raises is what it shows
        return f"<{how.__name__}() raised {type(error).__name__}>"


def exception_chain(error: BaseException) -> list[Message]:
    """List the exception, then what it came from, breadth first; a suppressed context stays out."""
    links: list[Message] = []
    seen: set[int] = set()
    todo: deque[tuple[BaseException, str]] = deque([(error, "raised")])
    while todo and len(links) < CHAIN_LIMIT:
        link, relation = todo.popleft()
        if id(link) in seen:
            continue
        seen.add(id(link))
        links.append(_link(link, relation))
        if link.__cause__ is not None:
            todo.append((link.__cause__, "cause"))
        elif link.__context__ is not None and not link.__suppress_context__:
            todo.append((link.__context__, "context"))
        members = getattr(link, "exceptions", ())
        if isinstance(members, tuple):
            todo.extend((member, "group") for member in members if isinstance(member, BaseException))
    return links


def own_traceback(error: BaseException) -> str:
    """The traceback from the first frame that is the adapter's; empty where it would repeat the error.

    Frames of the host and of the import system say nothing to who wrote the adapter.
    """
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename.startswith(_FRAMES_OF_OTHERS):
        step = step.tb_next
    told = step is not None or isinstance(error, SyntaxError) or error.__cause__ or error.__context__
    return cut("".join(traceback.format_exception(type(error), error, step))) if told else ""


def _link(error: BaseException, relation: str) -> Message:
    args = error.args if isinstance(error.args, tuple) else ()
    notes = getattr(error, "__notes__", None) or ()
    frames, began = frames_of(error)
    return {
        "type": type_name(type(error)),
        "message": shown(str, error),
        "repr": shown(repr, error),
        "args": [
            *(shown(repr, item) for item in args[:20]),
            *(f"note: {note}"[:TEXT_LIMIT] for note in notes),
        ],
        "relation": relation,
        "frames": frames,
        "began": began,
    }
