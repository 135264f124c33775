"""``tgi-conformance check-server``: whether a server that says it is TGI answers as TGI does."""

from collections.abc import Sequence
from pathlib import Path

import click

from tgi_conformance.check.asked import Asked
from tgi_conformance.check.kinds import KINDS
from tgi_conformance.check.report import as_json, as_junit, lines
from tgi_conformance.check.running import check
from tgi_conformance.check.sending import sending_to
from tgi_conformance.cli.real_server.target import requests_from, target_of, unusable, wrong_use
from tgi_conformance.fake_server.egress.budget import Budget
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.readable import visible


def check_server(
    url: str,
    *,
    headers: Sequence[str],
    cacert: str | None,
    max_requests: int,
    max_tokens: int,
    folder: str | None,
    kind: str,
    json_file: str | None,
    junit_file: str | None,
) -> int:
    """Check a server and print what was found.

    Returns 0 where nothing was, 1 where something was, 4 for wrong use, 14 where the server does not answer.
    """
    try:
        send = sending_to(target_of(url, headers=headers, cacert=cacert))
        requests = requests_from(folder)
    except (OSError, ValueError) as problem:
        return wrong_use(problem)
    first = send(Asked(name="is anybody there", method="GET", path="/health", content_type=None))
    if first.problem:
        return unusable(url, first.problem)
    found = check(send, url, Budget(max_requests, max_tokens), requests, KINDS[kind])
    for line in lines(found):
        click.echo(visible(line))
    unwritten = False
    for file, text in ((json_file, as_json), (junit_file, as_junit)):
        try:
            if file is not None:
                Path(file).write_text(text(found), encoding="utf-8")
        except OSError as problem:
            click.echo(f"Error: {file} is not written, what was found stands above: {problem}", err=True)
            unwritten = True
    if found.findings:
        return Exit.FAILED
    return Exit.USAGE if unwritten else Exit.OK
