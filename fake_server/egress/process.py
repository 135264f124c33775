"""The egress as a process: orders on the first line of standard input, one ready line out, a clean end.

``GET /tgic/spent`` with the token tells what has been asked so far.
"""

import asyncio
import contextlib
import hmac
import json
import signal
import sys
from contextlib import aclosing
from dataclasses import asdict
from time import monotonic
from typing import Final

from tgi_conformance.fake_server.egress.endpoints import Orders, orders_of
from tgi_conformance.fake_server.egress.passing import Passage, Refused
from tgi_conformance.fake_server.engine.heads import LAST_CHUNK, reason_of
from tgi_conformance.fake_server.forwarding.onward import PROBLEM_HEADER, TOKEN_HEADER
from tgi_conformance.fake_server.forwarding.reaching import UpstreamError
from tgi_conformance.fake_server.forwarding.upstream import End, Head, Piece
from tgi_conformance.fake_server.http.parsing import ParseError, Request, RequestReader
from tgi_conformance.fake_server.owner import end_with_owner

SPENT: Final = "/tgic/spent"
_READ: Final = 65_536
_MAX_BODY: Final = 64 * 1024 * 1024
_FRAMING: Final = frozenset({"transfer-encoding", "connection", "keep-alive"})


class Egress:
    """Serves the fake servers of one run."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._notes: list[str] = []
        self._passage = Passage(orders, note=self._notes.append)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: a request, its answer, the end."""
        requests = RequestReader(max_body=_MAX_BODY)
        with contextlib.suppress(ConnectionError):
            try:
                while data := await reader.read(_READ):
                    for request in requests.feed(data, monotonic()):
                        await self._serve(request, reader, writer)
                        return
            except ParseError as error:
                writer.write(_plain(error.status, "no-http", str(error)))
            finally:
                writer.close()

    async def _serve(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if request.method == "GET" and request.target == SPENT:
            writer.write(self._spent(request))
            return
        answer = asyncio.ensure_future(self._answer(request, writer))
        gone = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not answer.done():  # the client has left: so does the egress
            answer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answer

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        relay = _Relay(writer)
        try:
            async with aclosing(self._passage.exchange(request)) as parts:
                async for part in parts:
                    await relay.take(part)
        except Refused as refused:
            writer.write(_plain(refused.status, refused.problem, str(refused)))
        except UpstreamError as error:
            # An answer that has begun cannot be taken back: it breaks off, as the endpoint's own did.
            if not relay.begun:
                writer.write(_plain(502, error.obstacle, str(error)))

    def _spent(self, request: Request) -> bytes:
        given = request.first.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(given.encode(), self._orders.token.encode()):
            return _plain(403, "key", "the token of the egress is needed")
        value = {**asdict(self._passage.budget.spent), "echoed": self._passage.echoed, "notes": self._notes}
        return _whole(200, "application/json", json.dumps(value).encode())


class _Relay:
    """Writes an answer as it comes."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._chunked = False
        #: The head is written.
        self.begun = False

    async def take(self, part: Head | Piece | End) -> None:
        """Write the next part."""
        writer = self._writer
        if isinstance(part, Head):
            self.begun, self._chunked = True, not _has_length(part)
            writer.write(_head(part, chunked=self._chunked))
        elif isinstance(part, Piece):
            content = part.content
            writer.write(b"%X\r\n%b\r\n" % (len(content), content) if self._chunked else content)
        elif part.ending == "complete" and self._chunked:
            writer.write(LAST_CHUNK)
        elif part.ending == "rst":
            writer.transport.abort()
        await writer.drain()


def _has_length(head: Head) -> bool:
    return head.status in {204, 304} or any(name.lower() == "content-length" for name, _ in head.headers)


def _head(head: Head, *, chunked: bool) -> bytes:
    lines = [f"HTTP/1.1 {head.status} {head.reason}"]
    lines += (f"{name}: {value}" for name, value in head.headers if name.lower() not in _FRAMING)
    lines.append("transfer-encoding: chunked" if chunked else "connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _plain(status: int, problem: str, text: str) -> bytes:
    return _whole(status, "text/plain; charset=utf-8", text.encode(), (PROBLEM_HEADER, problem))


def _whole(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {reason_of(status)}", f"content-type: {content_type}"]
    lines += (f"{name}: {value}" for name, value in headers)
    lines += [f"content-length: {len(body)}", "connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def main() -> int:
    """Run until standard input closes or SIGTERM comes."""
    try:
        orders = orders_of(sys.stdin.readline())
        return asyncio.run(_serve(orders))
    except (OSError, ValueError) as error:
        print(f"egress: {error}", file=sys.stderr)  # noqa: T201
        return 2


async def _serve(orders: Orders) -> int:
    egress = Egress(orders)
    server = await asyncio.start_server(egress.serve, "127.0.0.1", 0)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    # Ctrl-C reaches the whole process group; the owner still wants to know what was spent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_owner(loop, ended)
    print(  # noqa: T201
        json.dumps({"ready": True, "url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}),
        flush=True,
    )
    await ended.wait()
    server.close()
    return 0
