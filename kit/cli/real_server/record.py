"""``tgi-conformance record``: exchanges with a real server on file, in the kit's own form."""

import asyncio
import json
import re
from pathlib import Path
from time import monotonic

import click

from tgi_conformance.check.asked import Asked
from tgi_conformance.check.generating import every_request
from tgi_conformance.check.recorded import ForeignRecordingError, converted
from tgi_conformance.check.sending import within
from tgi_conformance.cli.real_server.target import target_of, unusable, wrong_use
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.recording import Recording
from tgi_conformance.fake_server.egress.budget import Budget
from tgi_conformance.fake_server.forwarding.reaching import UpstreamError
from tgi_conformance.fake_server.forwarding.upstream import End, Head, Piece, Upstream
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.recording.recorder import recording
from tgi_conformance.reports.gate import Exit


def record_cases(url: str, folder: str, *, cacert: str | None, max_requests: int, max_tokens: int) -> int:
    """Ask a server all that the check asks, and write each exchange in the kit's form, without secrets."""
    try:
        target = target_of(url, cacert=cacert)
        upstream = Upstream(
            url, option="record", identity=True, whole_chunks=True, cacert=target.cacert, by_proxy=True
        )
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as problem:
        return wrong_use(problem)
    count = 0
    for asked, refused in within(Budget(max_requests, max_tokens), every_request()):
        if refused:
            click.echo(f"{refused}: {count} exchanges are written")
            return Exit.ENDPOINT_UNUSABLE
        try:
            made = asyncio.run(_recorded(upstream, asked, target.key))
        except UpstreamError as error:
            return unusable(url, error)
        count += 1
        _write(Path(folder), count, asked.name, made)
    click.echo(f"{count} exchanges are written to {folder}")
    return Exit.OK


async def _recorded(upstream: Upstream, asked: Asked, key: str) -> Recording:
    headers = [("accept", "*/*")]
    if asked.body is not None and asked.content_type is not None:
        headers.append(("content-type", asked.content_type))
    if key:
        headers.append(("authorization", f"Bearer {key}"))
    request = Request(asked.method, asked.path, "1.1", tuple(headers), b"", monotonic(), asked.body or b"")
    head: Head | None = None
    pieces: list[Piece] = []
    end = End("complete")
    async for part in upstream.exchange(request):
        if isinstance(part, Head):
            head = part
        elif isinstance(part, Piece):
            pieces.append(part)
        else:
            end = part
    if head is None:
        raise UpstreamError("no answer began", "lost")
    return recording(request, head, pieces, end)


def convert(source: str, folder: str) -> int:
    """Write the laboratory's recordings of a folder in the kit's form, and say which cannot be had in it."""
    files = sorted(Path(source).glob("*.json"))
    if not files:
        click.echo(f"Error: {source}: no recordings (*.json) there", err=True)
        return Exit.USAGE
    Path(folder).mkdir(parents=True, exist_ok=True)
    written = 0
    for file in files:
        try:
            made = converted(json.loads(file.read_text(encoding="utf-8")))
        except (ForeignRecordingError, ValueError, KeyError, TypeError) as problem:
            click.echo(f"{file.name}: left out: {problem}")
            continue
        written += 1
        (Path(folder) / file.name).write_text(_text(made), encoding="utf-8")
    click.echo(f"{written} of {len(files)} recordings are written to {folder}")
    return Exit.OK


def _write(folder: Path, number: int, name: str, made: Recording) -> None:
    words = re.sub(r"[^A-Za-z0-9]+", "-", f"{made.request.method} {made.request.target} {name}").strip("-")
    (folder / f"{number:04}-{words[:80]}.json").write_text(_text(made), encoding="utf-8")


def _text(made: Recording) -> str:
    return json.dumps(to_json(made), indent=1, ensure_ascii=False) + "\n"
