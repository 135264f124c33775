"""The server that ``check-server``, ``drift`` and ``record`` are pointed at, and what it is asked."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from tgi_conformance.check.asked import Asked
from tgi_conformance.check.generating import every_request
from tgi_conformance.check.recorded import asked_of
from tgi_conformance.check.sending import Target
from tgi_conformance.fake_server.egress.endpoints import header_of
from tgi_conformance.fake_server.recording.replay import read_recordings
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.readable import visible


def target_of(url: str, *, headers: Sequence[str] = (), cacert: str | None = None) -> Target:
    """The server at ``url``, with the key of ``HF_API_KEY``; raises ``ValueError`` for a bad header."""
    return Target(
        url=url,
        key=os.environ.get("HF_API_KEY", ""),
        headers=tuple(header_of(text) for text in headers),
        cacert=None if cacert is None else Path(cacert),
    )


def requests_from(folder: str | None) -> list[Asked]:
    """The requests of a folder of recordings, or those of the domains; raises ``RecordingsError``."""
    if folder is None:
        return [*every_request()]
    return [asked_of(name, each.request) for name, each in read_recordings(Path(folder)).items()]


def wrong_use(problem: Exception) -> int:
    """Say what is wrong with the command line, and give the exit code."""
    click.echo(visible(f"Error: {problem}"), err=True)
    return Exit.USAGE


def unusable(url: str, problem: object) -> int:
    """Say why a server cannot be asked, and give the exit code."""
    click.echo(visible(f"{url}: {problem}"), err=True)
    return Exit.ENDPOINT_UNUSABLE
