"""``tgi-conformance list --real``: where each clause's answers come from in a run against a real endpoint."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import click

from tgi_conformance.cli.case_listing import Listed
from tgi_conformance.contracts.catalogue.clauses import Clause
from tgi_conformance.suites.real.table import Where, forwarded_cases, where, why_embedded


@dataclass(frozen=True, slots=True, kw_only=True)
class RealRow:
    """One clause: the cases that are forwarded, and why the others, or all, are embedded."""

    clause: str
    level: str
    capabilities: tuple[str, ...]
    forwarded: tuple[str, ...] = ()
    embedded: int = 0
    why: str = ""


def real_rows(clauses: Iterable[Clause], cases: Sequence[Listed]) -> list[RealRow]:
    """A row for each clause, in their order."""
    return [_row(clause, [each for each in cases if each.clause == clause.id]) for clause in clauses]


def _row(clause: Clause, cases: Sequence[Listed]) -> RealRow:
    forwarded = tuple(each.case for each in cases if where(each.case) is Where.FORWARDED)
    others = [each for each in cases if each.case not in forwarded]
    return RealRow(
        clause=clause.id,
        level=str(clause.level),
        capabilities=tuple(clause.capabilities),
        forwarded=forwarded,
        embedded=len(others),
        why=why_embedded(others[0].case, load=all(each.load for each in others)) if others else "",
    )


def show_real(clauses: Iterable[Clause], cases: Sequence[Listed], *, as_json: bool) -> None:
    """Print the table."""
    rows = real_rows(clauses, cases)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    for row in rows:
        slugs = ", ".join(case.partition("/")[2] for case in row.forwarded)
        rest = f"{row.embedded} embedded: {row.why}" if row.embedded else ""
        click.echo(f"{row.clause:<11}{row.level:<7}{'; '.join(part for part in (slugs, rest) if part)}")
    known = {case for row in rows for case in row.forwarded}
    of = sum(bool(row.forwarded) for row in rows)
    click.echo(f"\n{len(known)} cases of {of} clauses are forwarded, of {len(rows)} clauses")
    if stray := sorted(forwarded_cases() - {each.case for each in cases}):
        click.echo(f"not collected here: {', '.join(stray)}")
