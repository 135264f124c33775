"""``tgi-conformance list --personas``: the case of each clause and persona, and why there is none."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import click

from tgi_conformance.cli.case_listing import Listed
from tgi_conformance.contracts.catalogue.clauses import Clause
from tgi_conformance.contracts.tgi.personas import PERSONAS
from tgi_conformance.suites.personas.matrix import pairs

#: Clause of the healthy round trips, whose cases are named after the persona alone.
_ROUND_TRIPS: Final = "REAL-02"
_WIDTH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaPair:
    """A clause and a persona: the case that tries it, or why there is none."""

    clause: str
    persona: str
    case: str | None
    left_out: str | None


def persona_pairs(clauses: Iterable[Clause], cases: Sequence[Listed]) -> list[PersonaPair]:
    """The pairs of these clauses in the order of the catalogue, the round trips last."""
    wanted = {clause.id for clause in clauses}
    there = {listed.case for listed in cases}
    found = [
        PersonaPair(
            clause=pair.clause,
            persona=pair.persona,
            case=pair.case if pair.case in there else None,
            left_out=pair.left_out or None,
        )
        for pair in pairs()
        if pair.clause in wanted and pair.clause != _ROUND_TRIPS
    ]
    if _ROUND_TRIPS in wanted:
        found += [
            PersonaPair(clause=_ROUND_TRIPS, persona=persona, case=f"{_ROUND_TRIPS}/{persona}", left_out=None)
            for persona in PERSONAS
            if f"{_ROUND_TRIPS}/{persona}" in there
        ]
    return found


def show_personas(clauses: Iterable[Clause], cases: Sequence[Listed], *, as_json: bool) -> None:
    """Print the pairs that are tried, then those left out, grouped by their reason."""
    rows = persona_pairs(clauses, cases)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    tried = [row for row in rows if row.left_out is None]
    for row in tried:
        click.echo(f"{row.clause:<11}{row.persona:<15}{row.case or 'no case'}")
    left = [row for row in rows if row.left_out is not None]
    click.echo(f"\n{len(tried)} pairs of clause and persona; {len(left)} are left out:")
    for reason, names in _by_reason(left).items():
        click.echo(click.wrap_text(f"{reason}: {', '.join(names)}", _WIDTH, "  ", "      "))


def _by_reason(rows: Iterable[PersonaPair]) -> dict[str, list[str]]:
    """Clauses by reason; a persona is named where the reason is not one for all of them."""
    personas: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        personas.setdefault((row.left_out or "", row.clause), []).append(row.persona)
    grouped: dict[str, list[str]] = {}
    for (reason, clause), names in personas.items():
        every = len(names) == len(PERSONAS) - 1
        shown = clause if every or all(name in reason for name in names) else f"{clause} ({', '.join(names)})"
        grouped.setdefault(reason, []).append(shown)
    return grouped
