"""``tgi-conformance drift``: where a real server, the contracts and the fake server disagree."""

import json
from collections.abc import Sequence

import click

from tgi_conformance.check.asked import Asked
from tgi_conformance.check.drift import Row, drift
from tgi_conformance.check.running import server_of
from tgi_conformance.check.sending import Target, sending_to, within
from tgi_conformance.cli.real_server.target import requests_from, target_of, unusable, wrong_use
from tgi_conformance.contracts.script import Generation, Reply, Script
from tgi_conformance.fake_server.client import FakeServer
from tgi_conformance.fake_server.egress.budget import Budget
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.readable import visible

_SHOWN = 3


def show_drift(
    url: str, *, folder: str | None, cacert: str | None, max_requests: int, max_tokens: int, as_json: bool
) -> int:
    """Print who disagrees with whom; returns 0: nobody, 1: somebody, 4: wrong use, 14: no answer."""
    try:
        requests = requests_from(folder)
        send = sending_to(target_of(url, cacert=cacert))
    except (OSError, ValueError) as problem:
        return wrong_use(problem)
    info = send(Asked(name="info", method="GET", path="/info", content_type=None))
    if info.problem:
        return unusable(url, info.problem)
    server = server_of(info.value)
    budget = Budget(max_requests, max_tokens)
    allowed = [asked for asked, refused in within(budget, requests) if not refused]
    script = Script(server=server, otherwise=Reply(tgi=Generation(toy=True)))
    with FakeServer.start() as fake, fake.space(script) as space:
        rows = [*drift(allowed, send, sending_to(Target(url=space.base_url)), server)]
    _print(rows, len(requests) - len(allowed), as_json=as_json)
    return Exit.FAILED if any(row.verdict for row in rows) else Exit.OK


def _print(rows: Sequence[Row], left: int, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_row(row) for row in rows if row.verdict], indent=2, ensure_ascii=False))
        return
    verdicts: dict[str, list[Row]] = {}
    for row in rows:
        verdicts.setdefault(row.verdict, []).append(row)
    for verdict, found in sorted(verdicts.items()):
        if not verdict:
            continue
        click.echo(f"{verdict}: {len(found)}")
        for row in found[:_SHOWN]:
            said = [f"{each.rule}: {each.observed}" for each in (*row.real, *row.fake)]
            where = f"{row.asked.method} {row.asked.path}  {row.asked.name}"
            click.echo(visible(f"  {where}: {'; '.join(said or row.differences)}"))
        if len(found) > _SHOWN:
            click.echo(f"  and {len(found) - _SHOWN} more")
    agree = len(verdicts.get("", ()))
    rest = f", {left} not asked for want of budget" if left else ""
    click.echo(f"{len(rows)} requests: in {agree} all three agree{rest}")


def _row(row: Row) -> dict[str, object]:
    return {
        "request": row.asked.name,
        "route": f"{row.asked.method} {row.asked.path}",
        "verdict": row.verdict,
        "real": [f"{each.rule}: expected {each.expected}; observed {each.observed}" for each in row.real],
        "fake": [f"{each.rule}: expected {each.expected}; observed {each.observed}" for each in row.fake],
        "differences": list(row.differences),
    }
