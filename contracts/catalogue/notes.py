"""What stands beside the clauses: invariants, contested points, and the short forms of sources."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Invariant:
    """A property that holds over generated inputs, and the clauses that its assertions decide."""

    id: str
    name: str
    statement: str
    clauses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contested:
    """A point where the sources disagree, and how the catalogue scores it."""

    number: int
    title: str
    text: str
    clauses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceForm:
    """What a short form in a clause's sources stands for; ``url`` may be empty."""

    short: str
    title: str
    url: str


def _load(name: str) -> Mapping[str, list[dict[str, object]]]:
    folder = resources.files("tgi_conformance.contracts.catalogue").joinpath("areas")
    return tomllib.loads(folder.joinpath(name).read_text(encoding="utf-8"))


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"an array of strings expected, not {value!r}")
    return tuple(str(item) for item in value)


@cache
def load_invariants() -> Mapping[str, Invariant]:
    """Read the invariants by id, ``P-01`` to ``P-25``."""
    return MappingProxyType(
        {
            str(row["id"]): Invariant(
                str(row["id"]), str(row["name"]), str(row["statement"]), _texts(row["clauses"])
            )
            for row in _load("invariants.toml")["invariant"]
        }
    )


@cache
def load_contested() -> tuple[Contested, ...]:
    """Read the contested points in the order of their numbers."""
    return tuple(
        Contested(int(str(row["number"])), str(row["title"]), str(row["text"]), _texts(row["clauses"]))
        for row in _load("contested.toml")["contested"]
    )


@cache
def load_source_forms() -> Mapping[str, SourceForm]:
    """Read the short forms by name: files at a fixed commit, and texts named by their section."""
    tables = _load("SOURCES.toml")
    files = [
        SourceForm(str(row["short"]), f"{row['repository']}@{row['commit']}:{row['path']}", str(row["url"]))
        for row in tables["file"]
    ]
    texts = [
        SourceForm(str(row["short"]), str(row["title"]), str(row.get("url", ""))) for row in tables["text"]
    ]
    return MappingProxyType({form.short: form for form in files + texts})
