"""``tgi-conformance check-server``: whether a server that says it is TGI answers as TGI does."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from tgi_conformance.check.asked import Asked
from tgi_conformance.check.kinds import KINDS
from tgi_conformance.check.report import as_json, as_junit, lines
from tgi_conformance.check.running import check
from tgi_conformance.check.sending import Target, sending_to
from tgi_conformance.cli.drift import requests_from
from tgi_conformance.fake_server.egress.budget import Budget
from tgi_conformance.fake_server.egress.endpoints import header_of
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
        given = tuple(header_of(text) for text in headers)
        path = None if cacert is None else Path(cacert)
        target = Target(url=url, key=os.environ.get("HF_API_KEY", ""), headers=given, cacert=path)
        send = sending_to(target)
        requests = requests_from(folder)
    except (OSError, ValueError) as problem:
        click.echo(f"Error: {problem}", err=True)
        return Exit.USAGE
    first = send(Asked(name="is anybody there", method="GET", path="/health", content_type=None))
    if first.problem:
        click.echo(visible(f"{url}: {first.problem}"), err=True)
        return Exit.ENDPOINT_UNUSABLE
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
