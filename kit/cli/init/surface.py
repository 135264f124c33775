"""What a client's source says of its interface: client class, methods, parameters, errors. Pure.

Nothing is imported. It is a guess that saves typing and no judgement: ``doctor`` says what works.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

#: What a client may call a method -> the adapter's method that it serves, the likeliest name first.
METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "generate": ("generate", "text_generation", "generate_text", "complete"),
    "chat": ("chat", "chat_completion", "chat_completions", "create_chat_completion"),
}
#: A method of its own for streams: the name of the plain one with one of these.
_STREAM_ENDINGS: Final = ("_stream", "_streaming")
_STATUS_NAMES: Final = ("status_code", "status", "code", "http_status")
_ERROR_ENDINGS: Final = ("Error", "Exception")
_JS_CLASS: Final = re.compile(r"^export\s+(?:default\s+)?class\s+(\w+)", re.MULTILINE)
_JS_METHOD: Final = re.compile(r"^\s+(?:async\s+)?\*?\s*(\w+)\s*\([^)]*\)\s*\{", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One public method of a class."""

    name: str
    #: Names of its parameters, without ``self``.
    parameters: tuple[str, ...] = ()
    #: Whether it takes any keyword.
    takes_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientClass:
    """A class that callers make clients of."""

    name: str
    #: Module that it is imported from.
    module: str = ""
    #: Parameters of its constructor, without ``self``.
    made_with: tuple[str, ...] = ()
    methods: Mapping[str, Method] = field(default_factory=dict)

    def serving(self, wanted: str) -> Method | None:
        """The method that can serve the adapter's ``generate`` or ``chat``."""
        return next((self.methods[name] for name in METHODS[wanted] if name in self.methods), None)

    def stream_of(self, method: Method) -> Method | None:
        """The method that gives a stream of the same call, where that is one of its own."""
        names = (method.name + ending for ending in _STREAM_ENDINGS)
        return next((self.methods[name] for name in names if name in self.methods), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What is known of a client's interface."""

    client: ClientClass | None = None
    #: Attribute of its errors that holds the HTTP status; empty: none was found.
    status: str = ""


def surface_of(sources: Mapping[str, str]) -> Surface:
    """Read a Python package: module -> source text, its own first. What is no Python is left out."""
    top, text = next(iter(sources.items()), ("", ""))
    classes = [(module, node) for module, source in sources.items() for node in _classes(source)]
    clients = [
        _client(node, top if re.search(rf"\b{node.name}\b", text) else module)
        for module, node in classes
        if not _is_error(node.name)
    ]
    errors = [node for _, node in classes if _is_error(node.name)]
    return Surface(
        client=max(clients, key=_likeness, default=None) if any(map(_likeness, clients)) else None,
        status=next((name for name in _STATUS_NAMES if any(_sets(node, name) for node in errors)), ""),
    )


def javascript_surface_of(source: str) -> Surface:
    """Read one JavaScript module: its exported classes by name, its methods by their look."""
    methods = {name: Method(name=name, takes_all=True) for name in _JS_METHOD.findall(source)}
    names = [name for name in _JS_CLASS.findall(source) if not _is_error(name)]
    clients = [ClientClass(name=name, methods=methods) for name in names]
    status = next((name for name in _STATUS_NAMES if re.search(rf"\bthis\.{name}\b", source)), "")
    return Surface(client=max(clients, key=_likeness, default=None), status=status)


def _classes(source: str) -> Iterator[ast.ClassDef]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # of another version of Python, or no text
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node


def _is_error(name: str) -> bool:
    return name.endswith(_ERROR_ENDINGS)


def _likeness(client: ClientClass) -> int:
    """How much a class looks like the client: by its methods, then its name; an async one comes second."""
    serves = sum(client.serving(wanted) is not None for wanted in METHODS)
    named = client.name.endswith(("Client", "OpenAI"))
    return 4 * serves + 2 * named - (1 if client.name.startswith("Async") and (serves or named) else 0)


def _client(node: ast.ClassDef, module: str) -> ClientClass:
    functions = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
    found = {item.name: _method(item) for item in functions if not _is_property(item)}
    made = found.get("__init__", Method(name="__init__"))
    public = {name: method for name, method in found.items() if not name.startswith("_")}
    return ClientClass(name=node.name, module=module, made_with=made.parameters, methods=public)


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list)


def _method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Method:
    taken = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    return Method(
        name=node.name,
        parameters=tuple(argument.arg for argument in taken if argument.arg != "self"),
        takes_all=node.args.kwarg is not None,
    )


def _sets(node: ast.ClassDef, name: str) -> bool:
    """Whether a class gives its objects an attribute of this name."""
    for item in ast.walk(node):
        if isinstance(item, ast.Attribute) and item.attr == name and isinstance(item.ctx, ast.Store):
            return True
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id == name:
            return True
    return False
