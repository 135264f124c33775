"""Where an exception was raised: its innermost frames, by file, line and function, and how it began there.

Only what stands in the traceback is looked at; no source is read, so that an exception stays cheap.
"""

from __future__ import annotations

import functools
import opcode
import os
from collections import deque
from types import CodeType, TracebackType
from typing import Any

from .protocol import FRAME_LIMIT, Message

#: Instructions that hand over to other code: what failed there may be native code, which has no frames.
CALLING = frozenset(
    {name for name in opcode.opname if "CALL" in name}
    | {"FOR_ITER", "GET_ITER", "GET_AITER", "SETUP_WITH", "SETUP_ASYNC_WITH", "BEFORE_WITH"}
    | {"BEFORE_ASYNC_WITH", "LOAD_SPECIAL", "WITH_EXCEPT_START"}
)
#: Instructions at which a coroutine or generator stands still: an exception there came from elsewhere.
STANDING = frozenset(
    {"SEND", "END_SEND", "YIELD_FROM", "YIELD_VALUE", "RESUME", "GET_AWAITABLE", "GET_ANEXT"}
    | {"END_ASYNC_FOR", "CLEANUP_THROW", "RERAISE"}
)
_STANDARD = os.path.dirname(os.__file__) + os.sep
_INSTALLED = ("site-packages", "dist-packages")


def frames_of(error: BaseException) -> tuple[list[Message], str]:
    """Return the innermost frames, the innermost first and the host's own left out; and how it began."""
    kept: deque[TracebackType] = deque(maxlen=FRAME_LIMIT)
    trace, ours = error.__traceback__, False
    while trace is not None:
        ours = trace.tb_frame.f_globals.get("__package__") == __package__
        if not ours:
            kept.appendleft(trace)
        trace = trace.tb_next
    frames: list[Message] = [
        {
            "file": relative(each.tb_frame.f_code.co_filename, each.tb_frame.f_globals.get("__name__")),
            "line": each.tb_lineno or 0,
            "function": each.tb_frame.f_code.co_name,
        }
        for each in kept
    ]
    if ours or not kept:
        return frames, "delivered" if ours else "unknown"
    return frames, _beginning(error, kept[0])


def definition(function: Any) -> list[Message]:
    """Return a frame for the head of a function, as if it had begun; none for code of another kind."""
    plain = getattr(function, "__func__", function)
    code = getattr(plain, "__code__", None)
    if code is None:
        return []
    file = relative(code.co_filename, plain.__module__)
    return [{"file": file, "line": code.co_firstlineno, "function": code.co_name}]


def place(error: BaseException) -> str:
    """Return `` at file:line in function``, nothing where there is no frame."""
    frames, _ = frames_of(error)
    return " at {file}:{line} in {function}".format(**frames[0]) if frames else ""


@functools.lru_cache(maxsize=4096)
def relative(path: str, module: Any) -> str:
    """Return a file's path below the folder it is imported from; of the standard library, below ``lib/``.

    The folders are those of the module's name, so that nothing of the machine is in it.
    """
    name = path if path.startswith("<") else os.path.basename(path)
    if standard(path):
        rest = path[len(_STANDARD) :] if path.startswith(_STANDARD) else name
        return f"lib/{rest}"
    parts = module.split(".") if isinstance(module, str) else []
    folders = parts if os.path.splitext(name)[0] == "__init__" else parts[:-1]
    return "/".join([*folders, name])[:200]


def standard(path: str) -> bool:
    """Whether a file belongs to the interpreter's standard library."""
    if path.startswith("<frozen "):
        return True
    return path.startswith(_STANDARD) and not path[len(_STANDARD) :].startswith(_INSTALLED)


def _beginning(error: BaseException, innermost: TracebackType) -> str:
    """Say how it began: by a statement that failed, or was meant to raise, or by code that is not seen."""
    name = _instruction(innermost.tb_frame.f_code, innermost.tb_lasti)
    if name == "RAISE_VARARGS":
        handled = error.__cause__ is not None or error.__context__ is not None
        return "translated" if handled else "raised"
    if name in STANDING:
        return "delivered"
    if name in CALLING:
        return "called"
    return "failed" if name else "unknown"


@functools.lru_cache(maxsize=4096)
def _instruction(code: CodeType, at: int) -> str:
    """Return the instruction's name; empty where the code is none of Python's own (Cython's frames)."""
    return opcode.opname[code.co_code[at]] if 0 <= at < len(code.co_code) else ""
