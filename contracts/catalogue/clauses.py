"""The catalogue of clauses: what a correct TGI client must do, read from ``areas/*.toml``.

One file an area. A clause says what must hold, what brings it about, what decides it, where it
comes from, and which key of the results map it counts for.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, Literal, TypeAlias, TypeVar, get_args

from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.catalogue.needs import FIELDS, METHODS, SCRIPT
from tgi_conformance.contracts.catalogue.results_keys import NEW_KEYS, RESULTS_KEYS

__all__ = [
    "AREA_FILES",
    "CAPABILITIES",
    "Area",
    "Catalogue",
    "CatalogueError",
    "Clause",
    "Grounds",
    "Level",
    "Source",
    "load_catalogue",
    "read_catalogue",
]

AREA_FILES: Final = (
    "init",
    "req",
    "resp",
    "stream",
    "gen",
    "mux",
    "queue",
    "retry",
    "err",
    "img",
    "stat",
    "sec",
    "res",
    "tool",
    "real",
    "decl",
)
"""The catalogue's order; files are named after their area in lower case."""

Grounds: TypeAlias = Literal["public-issue", "shipped-code"]
"""A public issue or pull request shows the failure; or shipped code at a fixed commit does."""


T = TypeVar("T", bound=str)


class Level(StrEnum):
    """How much a clause weighs.

    MUST: breaking it loses output, doubles work, leaks a secret, hangs, or cannot be served.
    SHOULD: a proven class of failure where a careful client may differ with a reason.
    MAY: recorded in the report, never scored.
    """

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class CatalogueError(ValueError):
    """A clause file does not have the form described here: names file, clause and field."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a clause comes from: markdown text, in which short forms are those of SOURCES.toml."""

    text: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule. Texts are markdown; ``needs`` names the outcome fields that the clause demands.

    ``methods``, ``fields`` and ``script`` say what its cases call, read and script, in the words of
    :mod:`tgi_conformance.contracts.catalogue.needs`.
    """

    id: str
    area: str
    level: Level
    capabilities: tuple[str, ...]
    statement: str
    stimulus: str
    observable: str
    sources: tuple[Source, ...]
    grounds: tuple[Grounds, ...]
    results_key: str
    methods: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    script: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    #: What to change in a client for which it does not hold, in one line.
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Area:
    """A group of clauses, e.g. ``STREAM``, in the order of its file."""

    name: str
    title: str
    note: str
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All areas in catalogue order; iterates over clauses, ``catalogue["STREAM-12"]`` finds one."""

    areas: tuple[Area, ...]
    _by_id: Mapping[str, Clause]

    def __getitem__(self, clause_id: str) -> Clause:
        try:
            return self._by_id[clause_id]
        except KeyError:
            raise KeyError(f"no clause {clause_id!r} in the catalogue") from None

    def __contains__(self, clause_id: object) -> bool:
        return clause_id in self._by_id

    def __iter__(self) -> Iterator[Clause]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def by_results_key(self) -> Mapping[str, tuple[Clause, ...]]:
        """Return the clauses of each key: the guide's keys in its order, then the new ones."""
        keys = (*RESULTS_KEYS, *NEW_KEYS)
        return {key: tuple(c for c in self if c.results_key == key) for key in keys}


@cache
def load_catalogue() -> Catalogue:
    """Read the catalogue that comes with the package, once.

    Raises ``CatalogueError`` where a file does not have the right form.
    """
    return read_catalogue(resources.files("tgi_conformance.contracts.catalogue").joinpath("areas"))


def read_catalogue(folder: Traversable) -> Catalogue:
    """Read the area files of a folder in catalogue order. Raises ``CatalogueError``."""
    areas = tuple(_read_area(folder.joinpath(f"{name}.toml"), name.upper()) for name in AREA_FILES)
    return Catalogue(areas, {clause.id: clause for area in areas for clause in area.clauses})


def _read_area(file: Traversable, name: str) -> Area:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{file.name}: not TOML: {error}") from error
    fields = _Fields(table, file.name)
    if (stated := fields.text("area")) != name:
        raise fields.error("area", f"{name!r} after the file's name, not {stated!r}")
    title, note = fields.text("title"), fields.text("note", default="")
    rows = fields.tables("clause")
    fields.end()
    clauses: dict[str, Clause] = {}
    for number, row in enumerate(rows, 1):
        clause = _read_clause(_Fields(row, f"{file.name}: clause {row.get('id', number)}"), name)
        if clause.id in clauses:
            raise CatalogueError(f"{file.name}: clause {clause.id}: field 'id': stands twice")
        clauses[clause.id] = clause
    return Area(name, title, note, tuple(clauses.values()))


def _read_clause(fields: "_Fields", area: str) -> Clause:
    clause_id = fields.text("id")
    prefix, _, number = clause_id.partition("-")
    if prefix != area or len(number) != 2 or not number.isdecimal():
        raise fields.error("id", f"{area}- and two digits, not {clause_id!r}")
    clause = Clause(
        id=clause_id,
        area=area,
        level=Level(fields.one_of("level", tuple(Level))),
        capabilities=fields.some_of("capabilities", tuple(CAPABILITIES)),
        statement=fields.text("statement"),
        stimulus=fields.text("stimulus"),
        observable=fields.text("observable"),
        advice=fields.text("advice"),
        sources=_read_sources(fields),
        grounds=fields.some_of("grounds", get_args(Grounds)),
        results_key=fields.one_of("results_key", (*RESULTS_KEYS, *NEW_KEYS)),
        methods=fields.words("methods", frozenset(METHODS)),
        fields=fields.words("fields", FIELDS),
        script=fields.words("script", SCRIPT),
        needs=fields.texts("needs", default=[]),
    )
    if not clause.capabilities:
        raise fields.error("capabilities", "at least one capability")
    fields.end()
    return clause


def _read_sources(fields: "_Fields") -> tuple[Source, ...]:
    sources = []
    for row in fields.tables("sources"):
        source = _Fields(row, f"{fields.where}: field 'sources'")
        sources.append(Source(source.text("text"), source.text("url", default="") or None))
        source.end()
    if not sources:
        raise fields.error("sources", "at least one source")
    return tuple(sources)


class _Fields:
    """The fields of one TOML table, taken one by one; ``where`` is file and clause."""

    def __init__(self, table: Mapping[str, object], where: str) -> None:
        self._left = dict(table)
        self.where = where

    def error(self, field: str, expected: str) -> CatalogueError:
        return CatalogueError(f"{self.where}: field {field!r}: must be {expected}")

    def end(self) -> None:
        """Raise for fields that nothing reads: a typing error would go unnoticed otherwise."""
        if self._left:
            raise CatalogueError(f"{self.where}: unknown field {min(self._left)!r}")

    def text(self, field: str, *, default: str | None = None) -> str:
        value = self._left.pop(field, default)
        if not isinstance(value, str) or (not value and default is None):
            raise self.error(field, f"a string with text, not {value!r}")
        return value

    def texts(self, field: str, *, default: list[str] | None = None) -> tuple[str, ...]:
        value = self._left.pop(field, default)
        if not isinstance(value, list):
            raise self.error(field, f"an array of strings, not {value!r}")
        items = tuple(item for item in value if isinstance(item, str))
        if len(items) != len(value) or len(set(items)) != len(items):
            raise self.error(field, f"an array of different strings, not {value!r}")
        return items

    def tables(self, field: str) -> list[dict[str, object]]:
        value = self._left.pop(field, None)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(field, f"an array of tables, not {value!r}")
        return value

    def one_of(self, field: str, allowed: tuple[str, ...]) -> str:
        value = self.text(field)
        if value not in allowed:
            raise self.error(field, f"one of {', '.join(allowed)}, not {value!r}")
        return value

    def some_of(self, field: str, allowed: tuple[T, ...]) -> tuple[T, ...]:
        values = self.texts(field)
        chosen = tuple(known for value in values for known in allowed if known == value)
        if len(chosen) != len(values):
            raise self.error(field, f"only of {', '.join(allowed)}, not {list(values)!r}")
        return chosen

    def words(self, field: str, vocabulary: frozenset[str]) -> tuple[str, ...]:
        """At least one word, and only those that ``clause_needs`` knows."""
        values = self.texts(field)
        if not values:
            raise self.error(field, "at least one word of contracts/catalogue/needs.py")
        if unknown := sorted(set(values) - vocabulary):
            raise self.error(field, f"words of contracts/catalogue/needs.py, which has no {unknown[0]!r}")
        return values
