"""Which functions of the reference client a mutant changes, seen by making one.

A mutant overrides methods, or exchanges parts of the client's modules when it is made. So the modules are
compared before and after, each mutant in a process forked off: parts are never put back. ``python changed.py
req:BareStop`` says it of one.
"""

import inspect
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any

import httpx
from kill_runs import Mutant, class_of, mutants
from kill_sources import WATCHED, name_of

from tgi_conformance.backends.reference.adapter import AsyncReferenceAdapter, ReferenceAdapter

FACES = (ReferenceAdapter, AsyncReferenceAdapter)
#: Changed, and called once a process only, before the first case: all cases rest on it.
_OUTSIDE_CASES = frozenset(
    {"adapter.py:ReferenceAdapter.describe", "adapter.py:AsyncReferenceAdapter.describe"}
)


def face_of(mutant: Mutant) -> str:
    """The face of the reference that a mutant derives from, by name."""
    return next(face.__name__ for face in FACES if issubclass(class_of(mutant), face))


def changed_functions(given: Sequence[Mutant]) -> dict[str, frozenset[str]]:
    """The functions that each mutant changes, by its id; empty where any case may reach the change.

    Raises :class:`RuntimeError` for a mutant that cannot be made.
    """
    # A process of one thread, which may fork.
    command = [sys.executable, __file__, *(mutant.id for mutant in given)]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"a mutant cannot be made: {done.stdout.strip()}")
    told = {name: frozenset(functions) for name, functions in json.loads(done.stdout).items()}
    return {name: frozenset() if found & _OUTSIDE_CASES else found for name, found in told.items()}


def _in_a_fork(made: type) -> list[str]:
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        text = ""
        try:
            text = json.dumps(sorted(_changed(made)))
        finally:  # an exception shows itself on stderr, and an empty text here
            if not text:
                traceback.print_exc()
            os.write(write_end, text.encode())
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        sys.exit(f"{made.__module__}:{made.__name__}")
    told: list[str] = json.loads(text)
    return told


def _changed(made: type) -> set[str]:
    before = dict(_parts())
    face = next(face for face in FACES if issubclass(made, face))
    parts = set(_overridden(made, face))
    explained = {base for own in _collaborators(made, face) for base in own.__mro__ if _is_watched(base)}
    made()
    for (owner, name), was in before.items():
        now = vars(owner).get(name)
        if now is not was and not any(was is base for base in explained):
            parts |= set(_names_in(was)) or set(_users_of(name, owner))
    for own in _collaborators(made, face):
        base = next((base for base in own.__mro__ if _is_watched(base)), None)
        if base is not None:
            parts |= set(_overridden(own, base))
    return parts


def _parts() -> Iterator[tuple[tuple[Any, str], object]]:
    """Each name of the watched modules and of their classes, and of the HTTP library, with its value."""
    for module in _modules():
        for name, value in list(vars(module).items()):
            yield (module, name), value
            if isinstance(value, type) and value.__module__ == module.__name__:
                for attribute, member in list(vars(value).items()):
                    yield (value, attribute), member
    for name, value in list(vars(httpx).items()):
        yield (httpx, name), value


def _modules() -> list[ModuleType]:
    return [m for m in list(sys.modules.values()) if (getattr(m, "__file__", None) or "").startswith(WATCHED)]


def _is_watched(cls: type) -> bool:
    module = sys.modules.get(cls.__module__)
    return (getattr(module, "__file__", None) or "").startswith(WATCHED)


def _collaborators(made: type, face: type) -> list[type]:
    """Classes that the mutant names as its own, to be put in the place of the client's."""
    own = made.__mro__[: made.__mro__.index(face)]
    names = dict.fromkeys(name for cls in own for name in vars(cls) if not name.startswith("__"))
    return [value for name in names if isinstance(value := getattr(made, name), type)]


def _overridden(made: type, base: type) -> Iterator[str]:
    """Functions of ``base`` that the classes between it and ``made`` define anew."""
    for cls in made.__mro__[: made.__mro__.index(base)]:
        for name in vars(cls):
            if (name != "__init__" or base not in FACES) and hasattr(base, name):
                yield from _names_in(inspect.getattr_static(base, name))


def _names_in(value: object) -> Iterator[str]:
    """The watched functions behind a value: a function, a property, a class with all that is in it."""
    if isinstance(value, type):
        for member in vars(value).values() if _is_watched(value) else ():
            if not isinstance(member, type):
                yield from _names_in(member)
    elif isinstance(value, property):
        yield from (name for part in (value.fget, value.fset) for name in _names_in(part))
    else:
        plain = inspect.unwrap(getattr(value, "__func__", value))  # type: ignore[arg-type]
        if isinstance(plain, FunctionType) and plain.__code__.co_filename.startswith(WATCHED):
            yield name_of(plain.__code__.co_filename, plain.__code__.co_qualname)


def _users_of(name: str, owner: object) -> Iterator[str]:
    """The functions that read a name which holds no function: a constant, or a class of another package."""
    for module in _modules() if owner is httpx else [owner]:
        for code in _codes(vars(module).values()):
            if name in code.co_names:
                yield name_of(code.co_filename, code.co_qualname)


def _codes(values: Iterable[object]) -> Iterator[CodeType]:
    for value in values:
        if isinstance(value, type) and _is_watched(value):
            yield from _codes(vars(value).values())
            continue
        plain = inspect.unwrap(getattr(value, "__func__", value)) if callable(value) else None
        if isinstance(plain, FunctionType) and plain.__code__.co_filename.startswith(WATCHED):
            yield from _with_inner(plain.__code__)


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


if __name__ == "__main__":
    print(json.dumps({v.id: _in_a_fork(class_of(v)) for v in mutants() if v.id in sys.argv[1:]}))
