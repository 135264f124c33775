"""``tgi-conformance list --coverage``: the cases, properties and broken backends behind each clause."""

import ast
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from tgi_conformance._case_listing import Listed
from tgi_conformance._quick import is_property
from tgi_conformance.contracts.catalogue import Clause

#: Where a source tree keeps backends that are broken on purpose, and the attribute that names their clause.
BROKEN: Final = Path("tests", "broken")
_BREAKS: Final = "breaks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What stands behind one clause; ``broken`` is None outside a source tree."""

    clause: str
    level: str
    cases: int
    properties: int
    broken: int | None


def source_tree() -> Path | None:
    """Return the root of the source tree that this package runs from; None: it is an installed package."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / BROKEN).is_dir() else None


def broken_variants(root: Path) -> Counter[str]:
    """Count the broken backends of a source tree by the clause that they break; nothing is imported."""
    found: Counter[str] = Counter()
    for file in sorted((root / BROKEN).glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.update(_broken_by(node))
    return found


def _broken_by(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        named = any(isinstance(target, ast.Name) and target.id == _BREAKS for target in targets)
        value = statement.value if isinstance(statement, ast.Assign) else None
        if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def measure(clauses: Iterable[Clause], cases: Sequence[Listed], root: Path | None) -> list[Coverage]:
    """Count what stands behind each clause."""
    every = Counter(listed.clause for listed in cases)
    properties = Counter(listed.clause for listed in cases if is_property(listed.case.partition("/")[2]))
    broken = None if root is None else broken_variants(root)
    return [
        Coverage(
            clause=clause.id,
            level=str(clause.level),
            cases=every[clause.id],
            properties=properties[clause.id],
            broken=None if broken is None else broken[clause.id],
        )
        for clause in clauses
    ]


def show_coverage(clauses: Iterable[Clause], cases: Sequence[Listed], *, as_json: bool) -> None:
    """Print the coverage of these clauses, those without a case by name."""
    rows = measure(clauses, cases, source_tree())
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    click.echo(f"{'clause':<11}{'level':<7}{'cases':>6}{'properties':>12}{'broken':>8}")
    for row in rows:
        click.echo(_line(row))
    for line in _totals(rows):
        click.echo(line)


def _line(row: Coverage) -> str:
    broken = "-" if row.broken is None else str(row.broken)
    line = f"{row.clause:<11}{row.level:<7}{row.cases:>6}{row.properties:>12}{broken:>8}"
    return line if row.cases else f"{line}  no case"


def _totals(rows: Sequence[Coverage]) -> Iterator[str]:
    without = [row.clause for row in rows if not row.cases]
    cases, properties = (sum(getattr(row, name) for row in rows) for name in ("cases", "properties"))
    yield (
        f"\n{len(rows)} clauses: {len(rows) - len(without)} with cases ({cases} cases, {properties} of them "
        f"properties), {len(without)} without"
    )
    if without:
        yield click.wrap_text(f"without a case: {', '.join(without)}", 100, "", "  ")
    if any(row.broken is None for row in rows):
        yield "broken backends are counted in a source tree only"
        return
    seen = sum(bool(row.broken) for row in rows)
    yield f"{sum(row.broken or 0 for row in rows)} broken backends, of {seen} clauses"
