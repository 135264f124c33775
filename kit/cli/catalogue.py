"""``tgi-conformance list`` and ``explain``: the catalogue, and the cases that decide it."""

import difflib
import json
import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import click

from tgi_conformance.cli.case_listing import Listed, list_cases
from tgi_conformance.cli.coverage import show_coverage
from tgi_conformance.cli.invariants import show_invariants
from tgi_conformance.cli.last_failed import latest
from tgi_conformance.cli.last_run import last_run
from tgi_conformance.cli.persona_pairs import show_personas
from tgi_conformance.cli.real_cases import show_real
from tgi_conformance.contracts.catalogue.clauses import Clause, load_catalogue
from tgi_conformance.contracts.verdict import RUN_WIDE
from tgi_conformance.plugin.options import DEFAULT_RESULTS
from tgi_conformance.plugin.selection import unknown_case, unknown_clause
from tgi_conformance.reports.readable import visible
from tgi_conformance.reports.repro import run_words
from tgi_conformance.reports.ruling_marks import MARKS
from tgi_conformance.reports.verdict_lines import VerdictLinesError

_WIDTH = 100


def show_list(
    *,
    areas: Sequence[str],
    level: str | None,
    with_cases: bool,
    coverage: bool,
    invariants: bool,
    personas: bool,
    real: bool,
    backends: tuple[str, ...],
    as_json: bool,
) -> int:
    """Print the clauses, with their cases; or their coverage, what a real endpoint decides, and so on."""
    clauses = _chosen(areas, level)
    for wanted, show in ((personas, show_personas), (real, show_real), (coverage, show_coverage)):
        if wanted:
            show(clauses, list_cases(backends=backends), as_json=as_json)
            return 0
    if invariants:
        chosen = {clause.area for clause in clauses}
        show_invariants(chosen, list_cases(backends=backends), as_json=as_json)
        return 0
    cases: dict[str, list[Listed]] = defaultdict(list)
    if with_cases:
        for listed in list_cases(backends=backends):
            cases[listed.clause].append(listed)
    if as_json:
        click.echo(json.dumps([_row(clause, cases[clause.id], with_cases) for clause in clauses], indent=2))
        return 0
    for clause in clauses:
        click.echo(_one_line(clause))
        for listed in cases[clause.id]:
            click.echo(f"    {listed.case}")
        if with_cases and not cases[clause.id]:
            click.echo("    (no case of its own)")
    counted = f", {sum(len(cases[clause.id]) for clause in clauses)} cases" if with_cases else ""
    click.echo(f"{len(clauses)} clauses{counted}")
    return 0


def _chosen(areas: Sequence[str], level: str | None) -> list[Clause]:
    """The clauses of these areas (all if none is named) and this level."""
    catalogue = load_catalogue()
    known = [area.name for area in catalogue.areas]
    wanted = {area.upper() for area in areas}
    if unknown := sorted(wanted - set(known)):
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        text = f"{', '.join(unknown)}; {hint}areas: {', '.join(known)}"
        raise click.BadParameter(text, param_hint="--area")
    return [
        clause
        for clause in catalogue
        if (not wanted or clause.area in wanted) and (level is None or clause.level == level)
    ]


def explain(name: str, backends: tuple[str, ...], results: str | None) -> int:
    """Print all that is known of a clause or a case, and what the last run says of it."""
    catalogue = load_catalogue()
    clause_id, _, slug = name.upper().partition("/")
    if clause_id not in catalogue:
        several = "one clause or case, not a pattern; `tgi-conformance list --area A` lists the clauses"
        raise click.UsageError(unknown_clause(clause_id) or several)
    cases = list_cases((clause_id,), backends)
    if slug:
        every = [listed.case for listed in cases]
        cases = [listed for listed in cases if listed.case.upper() == name.upper()]
        if not cases and slug != RUN_WIDE.upper():
            raise click.UsageError(unknown_case(name, every))
        slug = cases[0].case.partition("/")[2] if cases else RUN_WIDE
    _print_clause(catalogue[clause_id])
    _print_cases(cases)
    wanted = f"{clause_id}/{slug}" if slug else clause_id
    folder = Path(results or DEFAULT_RESULTS)
    _print_verdicts(wanted, folder)
    _print_hint(wanted, backends, results, folder)
    return 0


def _print_clause(clause: Clause) -> None:
    click.echo(f"{clause.id}  {clause.level}\n")
    click.echo(click.wrap_text(clause.statement, _WIDTH, "  ", "  "))
    rows = [
        ("binds", "backends that claim " + ", ".join(clause.capabilities)),
        ("needs", ", ".join(clause.needs)),
        ("stimulus", clause.stimulus),
        ("decided by", clause.observable),
        ("to mend it", clause.advice),
        ("counts for", clause.results_key),
        ("grounds", ", ".join(clause.grounds)),
    ]
    click.echo()
    for head, text in rows:
        if text:
            click.echo(click.wrap_text(text, _WIDTH, f"  {head + ':':<12}", " " * 14))
    click.echo("  sources:")
    for source in clause.sources:
        click.echo(f"    {source.text}" + (f"  {source.url}" if source.url else ""))


def _print_cases(cases: Sequence[Listed]) -> None:
    if not cases:
        click.echo(
            "\n  no case of its own: it is watched in every case and ruled once a run, or not built yet"
        )
        return
    click.echo("\n  cases:")
    shown = ""
    for listed in cases:
        if listed.doc and listed.doc != shown:
            shown = listed.doc
            click.echo(click.wrap_text(shown, _WIDTH, "    # ", "    # "))
        click.echo(f"    {listed.case}  ({listed.nodeid.partition('::')[0]})")


def _print_verdicts(wanted: str, folder: Path) -> None:
    """What the last runs in the folder came to; nothing where there were none, or they cannot be read."""
    try:
        known = [v for v in latest(folder).values() if wanted in (v.case, v.clause)]
    except (OSError, VerdictLinesError) as problem:
        click.echo(visible(f"\n  the last run cannot be read: {problem}"))
        return
    for backend in dict.fromkeys(verdict.backend for verdict in known):
        verdicts = [verdict for verdict in known if verdict.backend == backend]
        rulings = Counter(verdict.ruling for verdict in verdicts)
        counts = ", ".join(f"{rulings[ruling]} {ruling}" for ruling in MARKS if rulings[ruling])
        click.echo(visible(f"\n  last run of {backend}: {counts}"))
        for verdict in verdicts:
            if verdict.red:
                text = visible(f"{verdict.case}: {verdict.reason or verdict.ruling}")
                click.echo(click.wrap_text(" ".join(text.split()), _WIDTH, "    ", "      "))


def _print_hint(wanted: str, backends: Sequence[str], results: str | None, folder: Path) -> None:
    """The command that runs it, with the backend that was named, else that of the last run."""
    options = [("--tgi-backend", backend) for backend in backends]
    run = None if backends else last_run(folder)
    if run is not None:
        options = [option for backend in run.backends for option in backend.options]
        options += run.options
    if results:
        options.append(("--tgi-results", results))
    click.echo(f"\n  run: {visible(shlex.join(run_words(options)))} --case '{wanted}'")


def _row(clause: Clause, cases: Sequence[Listed], with_cases: bool) -> dict[str, object]:  # noqa: FBT001
    row: dict[str, object] = {
        "id": clause.id,
        "level": str(clause.level),
        "area": clause.area,
        "capabilities": list(clause.capabilities),
        "results_key": clause.results_key,
        "statement": clause.statement,
    }
    return row | {"cases": [listed.case for listed in cases]} if with_cases else row


def _one_line(clause: Clause) -> str:
    head = f"{clause.id:<10} {clause.level:<6} "
    room = _WIDTH + 20 - len(head)
    text = clause.statement if len(clause.statement) <= room else f"{clause.statement[: room - 1]}…"
    return head + text
