"""``tgi-conformance list --coverage``: the cases, properties and mutants behind each clause.

What must be there: a case for each clause, on each way to make the call that the clause binds on
(``suites/ways/binding.py``); a property, or the stateful model, for each that an invariant names
(``contracts/catalogue/areas/invariants.toml``); a mutant for each MUST and SHOULD that one can break.
"""

import ast
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from tgi_conformance.cli.case_listing import Listed
from tgi_conformance.contracts.catalogue.clauses import Clause, Level, load_catalogue
from tgi_conformance.contracts.catalogue.notes import load_invariants
from tgi_conformance.plugin.quick.choice import is_property
from tgi_conformance.suites.ways.binding import binding_of
from tgi_conformance.suites.ways.words import ROUTES, WAYS, Way

#: Where a source tree keeps the mutants, backends broken on purpose, and what names the clause of each.
MUTANTS: Final = Path("tests", "mutants")
_BREAKS: Final = "breaks"
#: Clauses that no backend can break, and what shows that their cases can fail.
NO_BACKEND: Final[Mapping[str, str]] = {
    "REAL-05": "a duty of the suite alone; tests/of_suites/test_real_duties.py breaks it",
}
#: The stateful model: a clause that one of its modules names is decided by its programs.
_MODEL: Final = "tgi_conformance.suites.model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What stands behind one clause; ``mutants`` is None outside a source tree.

    ``model``: the stateful model decides it, under its run-wide ruling. ``ways``: of each way that it binds
    on, or is tried on, whether it is tried. ``missing``: what should be there.
    """

    clause: str
    level: str
    cases: int
    properties: int
    model: bool
    mutants: int | None
    ways: Mapping[str, bool] = field(default_factory=dict)
    missing_ways: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def source_tree() -> Path | None:
    """Return the root of the source tree that this package runs from; None: it is an installed package."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / MUTANTS).is_dir() else None


def count_mutants(root: Path) -> Counter[str]:
    """Count the mutants of a source tree by the clause that they break; nothing is imported."""
    found: Counter[str] = Counter()
    for file in sorted((root / MUTANTS).glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.update(_clause_of(node))
    return found


def _clause_of(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        named = any(isinstance(target, ast.Name) and target.id == _BREAKS for target in targets)
        value = statement.value if isinstance(statement, ast.Assign) else None
        if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def model_clauses() -> frozenset[str]:
    """The clauses that the stateful model names; nothing is imported."""
    found = {
        node.value
        for file in Path(str(files(_MODEL))).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return frozenset(clause.id for clause in load_catalogue() if clause.id in found)


def measure(clauses: Iterable[Clause], cases: Sequence[Listed], root: Path | None) -> list[Coverage]:
    """Count what stands behind each clause."""
    every = Counter(listed.clause for listed in cases)
    properties = Counter(listed.clause for listed in cases if is_property(listed.case.partition("/")[2]))
    mutants = None if root is None else count_mutants(root)
    model = model_clauses()
    tried: dict[str, set[Way]] = {}
    for listed in cases:
        tried.setdefault(listed.clause, set()).update(listed.ways)
    rows = (
        Coverage(
            clause=clause.id,
            level=str(clause.level),
            cases=every[clause.id],
            properties=properties[clause.id],
            model=clause.id in model,
            mutants=None if mutants is None else mutants[clause.id],
            ways=_ways(clause.id, tried.get(clause.id, set())),
            missing_ways=tuple(binding_of(clause.id).gaps(tried.get(clause.id, set()))),
        )
        for clause in clauses
    )
    return [replace(row, missing=tuple(_missing(row))) for row in rows]


def _ways(clause: str, tried: Set[Way]) -> dict[str, bool]:
    binding = binding_of(clause)
    return {str(way): way in tried for way in WAYS if way in tried or binding.reason(way) is None}


def _missing(row: Coverage) -> Iterator[str]:
    if not row.cases:
        yield "no case"
    named = any(row.clause in invariant.clauses for invariant in load_invariants().values())
    if named and not row.properties and not row.model:
        yield "no property"
    if row.mutants == 0 and row.level != Level.MAY and row.clause not in NO_BACKEND:
        yield "no mutant"


def show_coverage(clauses: Iterable[Clause], cases: Sequence[Listed], *, as_json: bool) -> None:
    """Print the coverage of these clauses, and by name what is missing."""
    rows = measure(clauses, cases, source_tree())
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    click.echo(f"{'clause':<11}{'level':<7}{'cases':>6}{'properties':>12}{'mutants':>9}  ways")
    for row in rows:
        click.echo(_line(row))
    for line in _totals(rows):
        click.echo(line)


def _line(row: Coverage) -> str:
    mutants = "-" if row.mutants is None else str(row.mutants)
    properties = f"{row.properties}{'+model' if row.model else ''}"
    notes = [*row.missing, *([NO_BACKEND[row.clause]] if row.clause in NO_BACKEND else [])]
    marks = " ".join("".join(_mark(row, way) for way in WAYS if way.route == route) for route in ROUTES)
    line = f"{row.clause:<11}{row.level:<7}{row.cases:>6}{properties:>12}{mutants:>9}  {marks}"
    return f"{line}  {', '.join(notes)}".rstrip()


def _mark(row: Coverage, way: Way) -> str:
    return {True: "+", False: "-", None: "."}[row.ways.get(str(way))]


def _totals(rows: Sequence[Coverage]) -> Iterator[str]:
    without = [row.clause for row in rows if not row.cases]
    cases, properties = (sum(getattr(row, name) for row in rows) for name in ("cases", "properties"))
    yield (
        f"\n{len(rows)} clauses: {len(rows) - len(without)} with cases ({cases} cases, {properties} of them "
        f"properties), {len(without)} without"
    )
    yield (
        f"ways: {', '.join(ROUTES)}, each plain and streamed; + is tried, - is not tried, . does not bind, "
        "or another route stands for it"
    )
    for row in rows:
        if row.cases and row.missing_ways:
            yield f"a way that binds has no case: {row.clause} ({', '.join(row.missing_ways)})"
    for what, names in _by_missing(rows).items():
        yield click.wrap_text(f"{what}: {', '.join(names)}", 100, "", "  ")
    if any(row.mutants is None for row in rows):
        yield "mutants are counted in a source tree only"
        return
    if not any(row.missing or row.missing_ways for row in rows):
        yield "nothing is missing"
    seen = sum(bool(row.mutants) for row in rows)
    yield f"{sum(row.mutants or 0 for row in rows)} mutants, of {seen} clauses"


def _by_missing(rows: Sequence[Coverage]) -> dict[str, list[str]]:
    """Clauses by what they are missing."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for what in row.missing:
            found.setdefault(what, []).append(row.clause)
    return found
