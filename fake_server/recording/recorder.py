"""``serve --record``: passes requests on to a real server, writes each exchange to a file without secrets."""

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Final

from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.recording import Content, Part, RecordedAnswer, RecordedRequest, Recording
from tgi_conformance.fake_server.engine.heads import LAST_CHUNK, reason_of
from tgi_conformance.fake_server.forwarding.reaching import UpstreamError
from tgi_conformance.fake_server.forwarding.upstream import End, Head, Piece, Upstream
from tgi_conformance.fake_server.http.parsing import ParseError, Request, RequestReader
from tgi_conformance.fake_server.journal.secrecy import (
    credentials,
    redact_bytes,
    stripped_headers,
    stripped_target,
)

#: In a recording every credential has the same name, so that a replay knows the request with any key.
ALIAS: Final = "any"
_READ: Final = 65_536


class Recorder:
    """A proxy for one upstream server, and the folder that its exchanges go to."""

    def __init__(self, upstream: Upstream, folder: Path, *, max_body: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._upstream = upstream
        self._folder = folder
        self._max_body = max_body
        self._count = max(
            (int(path.name[:4]) for path in folder.glob("[0-9][0-9][0-9][0-9]-*.json")), default=0
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client connection until it ends."""
        requests = RequestReader(max_body=self._max_body)
        try:
            while data := await reader.read(_READ):
                for request in requests.feed(data, monotonic()):
                    if request.too_large or not await self._pass_on(request, writer):
                        return
        except ParseError as error:
            writer.write(_plain(error.status, str(error)))
        except ConnectionError:
            return
        finally:
            writer.close()

    async def _pass_on(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Do one exchange; false: the connection ends with it."""
        head: Head | None = None
        pieces: list[Piece] = []
        ending = "complete"
        try:
            async for part in self._upstream.exchange(request):
                if isinstance(part, Head):
                    head = part
                    writer.write(_head(head))
                elif isinstance(part, Piece):
                    pieces.append(part)
                    writer.write(_framed(part.content, head))
                else:
                    ending = part.ending
                await writer.drain()
        except UpstreamError as error:
            print(f"record: {request.method} {request.path}: {error}", file=sys.stderr)  # noqa: T201
            if head is None:
                writer.write(_plain(502, str(error)))
            return False
        if head is None:
            return False
        self._keep(request, head, pieces, End(ending))  # type: ignore[arg-type]
        if ending == "complete" and _is_chunked(head):
            writer.write(LAST_CHUNK)
        return ending == "complete" and not request.close and _has_length(head)

    def _keep(self, request: Request, head: Head, pieces: list[Piece], end: End) -> None:
        self._count += 1
        words = re.sub(r"[^A-Za-z0-9]+", "-", request.path).strip("-")[:60] or "root"
        path = self._folder / f"{self._count:04}-{request.method}-{words}.json"
        value = to_json(recording(request, head, pieces, end))
        path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def recording(request: Request, head: Head, pieces: list[Piece], end: End) -> Recording:
    """The exchange without its credentials."""
    keys = credentials((*request.headers, *head.headers), request.target, alias=ALIAS)
    return Recording(
        request=stripped_request(request, keys),
        answer=RecordedAnswer(
            status=head.status,
            headers=stripped_headers(head.headers, keys, ALIAS),
            head_ms=round(head.after * 1000, 2),
            parts=tuple(
                Part(
                    content=Content.of(redact_bytes(piece.content, keys)),
                    after_ms=round(piece.after * 1000, 2),
                )
                for piece in pieces
            ),
            ending=end.ending,
            reason=head.reason or None,
        ),
    )


def stripped_request(request: Request, keys: Mapping[str, str] | None = None) -> RecordedRequest:
    """What of a request is kept, and what a replay compares."""
    if keys is None:
        keys = credentials(request.headers, request.target, alias=ALIAS)
    return RecordedRequest(
        method=request.method,
        target=stripped_target(request.target, keys),
        headers=stripped_headers(request.headers, keys, ALIAS),
        body=Content.of(redact_bytes(request.body, keys)),
    )


def _has_length(head: Head) -> bool:
    names = {name.lower() for name, _ in head.headers}
    return head.status in {204, 304} or bool(names & {"content-length", "transfer-encoding"})


def _is_chunked(head: Head | None) -> bool:
    return head is not None and any(
        name.lower() == "transfer-encoding" and "chunked" in value.lower() for name, value in head.headers
    )


def _framed(content: bytes, head: Head | None) -> bytes:
    return b"%X\r\n%b\r\n" % (len(content), content) if _is_chunked(head) else content


def _head(head: Head) -> bytes:
    lines = [f"HTTP/1.1 {head.status} {head.reason or reason_of(head.status)}"]
    lines += (f"{name}: {value}" for name, value in head.headers)
    if not _has_length(head):
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _plain(status: int, text: str) -> bytes:
    body = json.dumps({"error": text, "error_type": "recorder"}).encode()
    head = f"HTTP/1.1 {status} {reason_of(status)}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode("ascii") + body
