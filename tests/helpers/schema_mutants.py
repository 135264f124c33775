"""Mutants of recorded JSON values, made by tables that know TGI's structs but not the schemas.

A schema that lets a mutant pass has been weakened. The tables say what TGI may leave out, null or
fill with anything; all else must be refused once it is removed, nulled or given another type.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from tgi_conformance.contracts.json_types import JSON

Patterns = tuple[str, ...]
"""Paths as ``choices.*.delta``: keys joined by dots, ``*`` for an element; matched by fnmatch."""


@dataclass(frozen=True, slots=True)
class Freedom:
    """What TGI allows for the values of one schema.

    ``free`` values may be anything but must be there; ``ignored`` keys TGI does not know. ``also``:
    a path and the Python name of a second type that it accepts. In a closed schema no other key
    may stand than those that TGI writes.
    """

    optional: Patterns = ()
    nullable: Patterns = ()
    free: Patterns = ()
    ignored: Patterns = ()
    floats: Patterns = ()
    also: tuple[tuple[str, str], ...] = ()
    closed: bool = True

    def under(self, prefix: str) -> "Freedom":
        """Return the same freedom for values that stand at a path, e.g. ``instances.*.``."""

        def moved(patterns: Patterns) -> Patterns:
            return tuple(p if p.startswith("*") else prefix + p for p in patterns)

        return Freedom(
            optional=moved(self.optional),
            nullable=moved(self.nullable),
            free=moved(self.free),
            ignored=moved(self.ignored),
            floats=moved(self.floats),
            also=tuple((prefix + path, name) for path, name in self.also),
            closed=self.closed,
        )

    def __or__(self, other: "Freedom") -> "Freedom":
        return Freedom(
            optional=self.optional + other.optional,
            nullable=self.nullable + other.nullable,
            free=self.free + other.free,
            ignored=self.ignored + other.ignored,
            floats=self.floats + other.floats,
            also=self.also + other.also,
            closed=self.closed and other.closed,
        )


@dataclass(frozen=True, slots=True)
class Mutant:
    """A whole value with one thing wrong in it."""

    path: str
    change: str
    value: JSON


RETYPED: Final[tuple[JSON, ...]] = (True, 17, 1.5, "wrong", [[]], {"wrong": []})


def mutants(value: JSON, freedom: Freedom, path: str = "") -> Iterator[Mutant]:
    """Yield every mutant of a value; of an array its first and last element are changed."""
    if isinstance(value, Mapping):
        yield from _of_object(value, freedom, path)
    elif isinstance(value, list):
        for index in sorted({0, len(value) - 1}) if value else ():
            sub = _join(path, "*")
            for change, new in _replacements(value[index], freedom, sub):
                yield Mutant(sub, change, [*value[:index], new, *value[index + 1 :]])
            for inner in mutants(value[index], freedom, sub):
                changed = [*value[:index], inner.value, *value[index + 1 :]]
                yield Mutant(inner.path, inner.change, changed)


def _of_object(value: Mapping[str, JSON], freedom: Freedom, path: str) -> Iterator[Mutant]:
    if freedom.closed:
        yield Mutant(path, "unknown key added", {**value, "wrong": 1})
    either = {"content", "tool_calls"} if {"content", "tool_calls"} <= set(value) else set()
    for key, child in value.items():
        sub = _join(path, key)
        if not freedom.closed and key in either:
            continue  # a message of a request may have both: TGI takes the one that decodes
        if _any(freedom.ignored, sub):
            continue
        if not _any(freedom.optional, sub):
            yield Mutant(sub, "removed", {k: v for k, v in value.items() if k != key})
        if _any(freedom.free, sub):
            continue
        for change, new in _replacements(child, freedom, sub):
            yield Mutant(sub, change, {**value, key: new})
        for inner in mutants(child, freedom, sub):
            yield Mutant(inner.path, inner.change, {**value, key: inner.value})


def _replacements(child: JSON, freedom: Freedom, path: str) -> Iterator[tuple[str, JSON]]:
    if child is None:
        yield "null became an array in an array", [[]]
        return
    if not _any(freedom.nullable, path):
        yield "nulled", None
    is_float = _any(freedom.floats, path)
    accepted = {_type(child, is_float=is_float)}
    accepted |= {name for pattern, name in freedom.also if fnmatchcase(path, pattern)}
    for new in RETYPED:
        if _type(new, is_float=is_float) not in accepted:
            yield f"became {new!r}", new
    if isinstance(child, int) and not isinstance(child, bool) and not is_float:
        yield "got a fraction of zero", float(child)


def _type(value: JSON, *, is_float: bool) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return type(value).__name__
    return "float" if is_float else type(value).__name__


def _any(patterns: Patterns, path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def shape(value: JSON) -> str:
    """Return keys and types of a value, and how long its arrays are up to 2, as text."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{shape(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + "|".join([shape(value[0]), shape(value[-1])] if value else []) + "]"
    return type(value).__name__
