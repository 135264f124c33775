"""The adapter: found by its name or its file, and loaded."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from typing import Any

from .protocol import PROTOCOL

#: How many classes of a module are named where the one asked for is not there.
CLASSES_SHOWN = 20


class StartError(Exception):
    """The adapter cannot be used; ``stage`` is import, create, describe or protocol."""

    def __init__(self, stage: str, text: str) -> None:
        super().__init__(text)
        self.stage = stage


def check_protocol(offered: list[int]) -> None:
    """Raise :class:`StartError` where the driver does not speak this protocol."""
    if PROTOCOL not in offered:
        raise StartError("protocol", f"this host speaks protocol {PROTOCOL}, not {offered}")


def load_adapter(spec: str) -> Any:
    """Load and make the adapter that ``package.module:Class`` or ``folder/file.py:Class`` names."""
    where, _, attribute = spec.rpartition(":")
    if not where or not attribute:
        raise StartError("import", f"{spec!r} is not of the form module:Class or file.py:Class")
    module = _load_file(where) if where.endswith(".py") else importlib.import_module(where)
    try:
        made = functools.reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        raise StartError("import", f"{where} has no {attribute}{_classes_near(module, attribute)}") from error
    return made


def _classes_near(module: Any, name: str) -> str:
    """Say which class was meant, or which classes the module defines."""
    import difflib  # noqa: PLC0415 -- takes milliseconds of every start, and is needed by a misspelt one

    own = [
        key
        for key, item in vars(module).items()
        if isinstance(item, type) and item.__module__ == module.__name__
    ]
    near = difflib.get_close_matches(name, own, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; its classes: {', '.join(own[:CLASSES_SHOWN])}" if own else "; it defines no class"


def _module_name(path: str) -> str:
    """The file's stem, unless another module has it: an adapter in queue.py must not hide the standard."""
    standard = getattr(sys, "stdlib_module_names", sys.builtin_module_names)
    stem = os.path.splitext(os.path.basename(path))[0]
    there = sys.modules.get(stem)
    other = there is not None and getattr(there, "__file__", None) != path
    return f"adapter_{stem}" if stem in standard or other else stem


def _load_file(path: str) -> Any:
    if not os.path.isfile(path):
        raise StartError("import", f"there is no file {path}")
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StartError("import", f"{path} cannot be loaded as a module")
    sys.path.append(os.path.dirname(os.path.realpath(path)))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
