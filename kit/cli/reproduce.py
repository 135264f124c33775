"""``tgi-conformance reproduce``: the server's side of a case as a script that needs no kit, or as HAR."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.codec import DecodeError, from_json
from tgi_conformance.contracts.journal import Exchange, Journal, KeptAnswer
from tgi_conformance.contracts.script import Reply, Script
from tgi_conformance.contracts.verdict import Evidence
from tgi_conformance.fake_server.keeping.offline import planned_answer
from tgi_conformance.plugin.options import DEFAULT_RESULTS
from tgi_conformance.reports.atomic import json_text, write_json
from tgi_conformance.reports.evidence_files import EvidenceError
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.har import Made, har_of
from tgi_conformance.reports.reproducer.kept_case import Kept, NotKeptError, kept_case
from tgi_conformance.reports.reproducer.program import program
from tgi_conformance.reports.reproducer.turns import CannotPlayError, play_of
from tgi_conformance.reports.verdict_lines import VerdictLinesError

#: What ``--har`` takes for it.
_STANDARD_OUTPUT: Final = "-"
_PROBLEMS: Final = (NotKeptError, CannotPlayError, EvidenceError, VerdictLinesError, OSError)


def reproduce(
    name: str, *, results: str | None, backend: str | None, server: int | None, har: str | None
) -> int:
    """Print the script of a case, or write its evidence as HAR; 4 where that cannot be."""
    try:
        kept = kept_case(Path(results or DEFAULT_RESULTS), name, backend)
        if har is None:
            click.echo(_script(kept, server), nl=False)
        elif har == _STANDARD_OUTPUT:
            click.echo(json_text(har_of(kept.verdict, kept.evidence, _made(kept)), indent=2))
        else:
            write_json(Path(har), har_of(kept.verdict, kept.evidence, _made(kept)))
    except _PROBLEMS as problem:
        click.echo(f"reproduce {name}: {problem}", err=True)
        return Exit.USAGE
    return Exit.OK


def _script(kept: Kept, server: int | None) -> str:
    number, script, journal = _chosen(kept.evidence, server)
    told = f"{kept.backend} (server {number} of {len(kept.evidence.spaces)})"
    catalogue = load_catalogue()
    clause = kept.verdict.clause
    return program(
        play_of(script, journal, _planned),
        kept.verdict,
        rule=catalogue[clause].statement if clause in catalogue else kept.verdict.expected,
        calls=tuple(_calls(kept.evidence)),
        backend=told if len(kept.evidence.spaces) > 1 else kept.backend,
    )


def _made(kept: Kept) -> Made:
    versions = kept.run.get("versions")
    kit = versions.get("tgi_conformance") if isinstance(versions, dict) else None
    try:
        started = datetime.fromisoformat(kept.said("started"))
    except ValueError:
        started = datetime.fromtimestamp(0, UTC)
    return Made(backend=kept.backend, started=started, kit=kit if isinstance(kit, str) else "unknown")


def _planned(script: Script, reply: Reply | None, asked: Exchange) -> KeptAnswer:
    return planned_answer(script, reply, asked, int(time.time()))


def _chosen(evidence: Evidence, number: int | None) -> tuple[int, Script, Journal]:
    """The server with that number, from 1; else the last that was spoken to: a case may be tried again."""
    servers = [(place, *_read(space)) for place, space in enumerate(evidence.spaces, 1)]
    if number is not None and not 1 <= number <= len(servers):
        raise NotKeptError(f"--server {number}: the case had {len(servers)}")
    if number is not None:
        return servers[number - 1]
    if not servers:
        raise CannotPlayError("no server took part in this case")
    return next((each for each in reversed(servers) if each[2].connections), servers[-1])


def _read(space: object) -> tuple[Script, Journal]:
    try:
        given = space if isinstance(space, dict) else {}
        return from_json(Script, given.get("script")), from_json(Journal, given.get("journal"))
    except DecodeError as error:
        raise NotKeptError(
            f"its evidence is of another version of the kit ({error}); run the case again"
        ) from error


def _calls(evidence: Evidence) -> list[str]:
    told = [call.get("call") for call in evidence.calls if isinstance(call, dict)]
    return [text for text in told if isinstance(text, str) and "(" in text]
