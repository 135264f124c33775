"""Whose code is whose: the adapter's own files, what they import, and whether they build the requests.

The source is read once, when the adapter has described itself. Where there is none, nothing is known, and
then nothing is said to be the adapter's.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import re
import sys
import tokenize
from types import ModuleType
from typing import Any

from .frames import relative, standard
from .protocol import Message

#: What an adapter imports of the kit to speak with it; it is no client.
VOCABULARY = ("tgi_conformance.adapter", "tgi_conformance.contracts")
#: A text that is the path of a generation route, or its end. Whoever has it builds the requests.
ROUTE = re.compile(r"\S*/(?:generate|completions)(?:[?]\S*)?|\S*generate_stream(?:[?]\S*)?")


def code_of(adapter: Any) -> Message:
    """Return what ``hello`` says of the adapter's code (docs/adapter-protocol.md)."""
    modules = _modules(adapter)
    # A package's own name is no end: what it imports of its other modules is not the adapter.
    own = (*(name for name, module in modules.items() if not hasattr(module, "__path__")), *VOCABULARY)
    imports: set[str] = set()
    routes = False
    for module in modules.values():
        for node in ast.walk(_tree(str(module.__file__))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [name for name in _imported(node, module) if not _within(name, own)]
                imports |= {name.partition(".")[0] for name in names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                routes = routes or ROUTE.fullmatch(node.value) is not None
    imports = {top for top in imports if not _of_python(top)}
    return {
        "files": sorted(relative(str(module.__file__), name) for name, module in modules.items()),
        "imports": sorted(imports),
        "native": _native(imports),
        "routes": routes,
    }


def _modules(adapter: Any) -> dict[str, ModuleType]:
    """Return the modules of the adapter: of its class, and of the methods that only an adapter has."""
    parts = (type(adapter), *(getattr(adapter, name, None) for name in ("describe", "classify")))
    names = {getattr(part, "__module__", None) for part in parts}
    found = {name: sys.modules[name] for name in names if isinstance(name, str) and name in sys.modules}
    return {
        name: module
        for name, module in found.items()
        if getattr(module, "__file__", None) and not standard(str(module.__file__))
    }


def _tree(path: str) -> ast.AST:
    try:
        with tokenize.open(path) as source:
            return ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):  # compiled, zipped, no Python: nothing is known of it
        return ast.Module(body=[], type_ignores=[])


def _imported(node: ast.Import | ast.ImportFrom, module: ModuleType) -> list[str]:
    """Return the full names that an import statement binds."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    try:
        relative_name = "." * node.level + (node.module or "")
        base = importlib.util.resolve_name(relative_name, getattr(module, "__package__", None))
    except (ImportError, ValueError):  # a relative import that leads nowhere
        return []
    return [f"{base}.{alias.name}" for alias in node.names]


def _within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _of_python(top: str) -> bool:
    """Whether a top-level name is the standard library's."""
    known = getattr(sys, "stdlib_module_names", None)
    if known is not None:
        return top in known
    path = getattr(sys.modules.get(top), "__file__", None)  # Python 3.9 has no list of them
    return path is None or standard(path)


def _native(imports: set[str]) -> list[str]:
    """Return the packages, of those imported, that hold native code: its exceptions have no frames."""
    endings = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    loaded = ((name, getattr(module, "__file__", None)) for name, module in list(sys.modules.items()))
    tops = {name.partition(".")[0] for name, path in loaded if path and path.endswith(endings)}
    return sorted(imports & tops)
