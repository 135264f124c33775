"""``tgi-conformance list --invariants``: the properties of the catalogue, and the cases that hold them.

A property's slug begins with the number of its invariant (``RETRY-05/property-p12``). Where a clause has
none of its own, the stateful model decides it, and the cases that run the model stand for it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import click

from tgi_conformance.cli.case_listing import Listed
from tgi_conformance.cli.coverage import model_clauses
from tgi_conformance.contracts.catalogue.notes import Invariant, load_invariants

_NUMBERED: Final = re.compile(r"property-p(\d\d)(?:-|$)")
#: How the slug of a case begins that runs the stateful model, or its load.
_MODEL: Final = ("property-model", "property-load")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One invariant and what holds it."""

    id: str
    name: str
    statement: str
    clauses: tuple[str, ...]
    #: Its properties, and the model's cases where the model decides one of its clauses.
    cases: tuple[str, ...]
    #: The clauses that the model decides, under their run-wide rulings.
    by_model: tuple[str, ...] = ()


def invariant_of(case: str) -> str | None:
    """The invariant that a case's slug names, as ``P-12``; None: it names none."""
    found = _NUMBERED.match(case.partition("/")[2])
    return None if found is None else f"P-{found[1]}"


def held(cases: Sequence[Listed]) -> list[Held]:
    """Each invariant with its cases, in the order of the catalogue."""
    decided = model_clauses()
    model = [listed.case for listed in cases if listed.case.partition("/")[2].startswith(_MODEL)]
    return [_held(invariant, cases, decided, model) for invariant in load_invariants().values()]


def _held(
    invariant: Invariant, cases: Sequence[Listed], decided: frozenset[str], model: Sequence[str]
) -> Held:
    own = [listed for listed in cases if invariant_of(listed.case) == invariant.id]
    with_own = {listed.clause for listed in own}
    by_model = tuple(clause for clause in invariant.clauses if clause in decided - with_own)
    return Held(
        id=invariant.id,
        name=invariant.name,
        statement=invariant.statement,
        clauses=tuple(invariant.clauses),
        cases=tuple(sorted([listed.case for listed in own] + (list(model) if by_model else []))),
        by_model=by_model,
    )


def show_invariants(areas: Iterable[str], cases: Sequence[Listed], *, as_json: bool) -> None:
    """Print the invariants that name a clause of these areas, each with its cases."""
    wanted = tuple(f"{area}-" for area in areas)
    rows = [row for row in held(cases) if any(clause.startswith(wanted) for clause in row.clauses)]
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    for row in rows:
        click.echo(f"{row.id}  {row.name}: {', '.join(row.clauses)}")
        click.echo(click.wrap_text(row.statement, 100, "      ", "      "))
        for case in row.cases:
            click.echo(f"    {case}")
        if row.by_model:
            click.echo(f"    by the stateful model, ruled run-wide: {', '.join(row.by_model)}")
    count = len({case for row in rows for case in row.cases})
    click.echo(f"{len(rows)} invariants, {count} cases")
