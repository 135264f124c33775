"""``tgi-conformance drift`` and ``record``: a real server beside contracts and fake, and on file."""

import asyncio
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import click

from tgi_conformance.check.asked import Asked
from tgi_conformance.check.drift import Row, drift
from tgi_conformance.check.generating import every_request
from tgi_conformance.check.recorded import ForeignRecordingError, asked_of, converted
from tgi_conformance.check.running import server_of
from tgi_conformance.check.sending import Target, sending_to, within
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.recording import Recording
from tgi_conformance.contracts.script import Generation, Reply, Script
from tgi_conformance.fake_server.client import FakeServer
from tgi_conformance.fake_server.egress.budget import Budget
from tgi_conformance.fake_server.forwarding.reaching import UpstreamError
from tgi_conformance.fake_server.forwarding.upstream import End, Head, Piece, Upstream
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.recording.recorder import recording
from tgi_conformance.fake_server.recording.replay import read_recordings
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.readable import visible

_SHOWN = 3


def requests_from(folder: str | None) -> list[Asked]:
    """The requests of a folder of recordings, or those of the domains; raises ``RecordingsError``."""
    if folder is None:
        return [*every_request()]
    return [asked_of(name, each.request) for name, each in read_recordings(Path(folder)).items()]


def show_drift(
    url: str, *, folder: str | None, cacert: str | None, max_requests: int, max_tokens: int, as_json: bool
) -> int:
    """Print who disagrees with whom; returns 0: nobody, 1: somebody, 4: wrong use, 14: no answer."""
    try:
        requests = requests_from(folder)
        path = None if cacert is None else Path(cacert)
        send = sending_to(Target(url=url, key=os.environ.get("HF_API_KEY", ""), cacert=path))
    except (OSError, ValueError) as problem:
        click.echo(f"Error: {problem}", err=True)
        return Exit.USAGE
    info = send(Asked(name="info", method="GET", path="/info", content_type=None))
    if info.problem:
        click.echo(visible(f"{url}: {info.problem}"), err=True)
        return Exit.ENDPOINT_UNUSABLE
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


# --- recording ---------------------------------------------------------------------------------------------


def record_cases(url: str, folder: str, *, cacert: str | None, max_requests: int, max_tokens: int) -> int:
    """Ask a server all that the check asks, and write each exchange in the kit's form, without secrets."""
    try:
        path = None if cacert is None else Path(cacert)
        upstream = Upstream(
            url, option="record", identity=True, whole_chunks=True, cacert=path, by_proxy=True
        )
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as problem:
        click.echo(f"Error: {problem}", err=True)
        return Exit.USAGE
    key = os.environ.get("HF_API_KEY", "")
    count = 0
    for asked, refused in within(Budget(max_requests, max_tokens), every_request()):
        if refused:
            click.echo(f"{refused}: {count} exchanges are written")
            return Exit.ENDPOINT_UNUSABLE
        try:
            made = asyncio.run(_recorded(upstream, asked, key))
        except UpstreamError as error:
            click.echo(f"{url}: {error}", err=True)
            return Exit.ENDPOINT_UNUSABLE
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
