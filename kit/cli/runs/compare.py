"""``tgi-conformance compare A B``: what came out differently in two runs."""

import json
from pathlib import Path

import click

from tgi_conformance.reports.comparing.difference import Slowness, compare_runs
from tgi_conformance.reports.comparing.recorded import RecordedRunError, read_recorded
from tgi_conformance.reports.comparing.telling import in_json, in_text
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.readable import visible


def compare(before: str, after: str, *, as_json: bool, factor: float, seconds: float) -> int:
    """Print what differs; returns 1 where a case is red that was green."""
    try:
        first, second = read_recorded(Path(before)), read_recorded(Path(after))
    except RecordedRunError as problem:
        click.echo(f"compare: {problem}", err=True)
        return Exit.USAGE
    for warning in (*first.warnings, *second.warnings):
        click.echo(visible(warning), err=True)
    compared = compare_runs(first.run, second.run, Slowness(factor=factor, seconds=seconds))
    if as_json:
        click.echo(json.dumps(in_json(compared), indent=2))
    else:
        for line in in_text(compared):
            click.echo(visible(line))
    return Exit.FAILED if compared.broken else Exit.OK
