"""Mistakes with content codings (RESP-11, STREAM-20): what is offered, and what is made of it."""
# ruff: noqa: ARG002, PLW0108 - the parts exchanged take more than each mistake needs; each part begins anew

import zlib
from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from typing import Any

from seams import Broken, exchange

from tgi_conformance.backends.reference import transport

#: The window bits of zlib for each coding that it undoes.
_WBITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class UndoesCodings(Broken):
    """No mistake yet: the reference client, which offers gzip and deflate and undoes both as they come."""

    offers = "gzip, deflate"

    def damage(self) -> None:
        def offering(right: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
            return lambda request: right(request) | {"Accept-Encoding": self.offers}

        def undoing(right: Callable[..., AsyncGenerator[bytes, None]]) -> Callable[..., Any]:
            async def chunks(reply: transport.Reply) -> AsyncGenerator[bytes, None]:
                coding = reply.headers.pop("content-encoding", "identity")
                undo = self.undo(coding, reply)
                async for part in right(reply):
                    yield undo(part)

            return chunks

        exchange(transport, "_headers", offering)
        exchange(transport.Reply, "chunks", undoing)

    def undo(self, coding: str, reply: transport.Reply) -> Callable[[bytes], bytes]:
        """What undoes the parts of a body in this coding."""
        return zlib.decompressobj(_WBITS[coding]).decompress if coding in _WBITS else bytes


class OffersBrotliWithoutIt(UndoesCodings):
    """Offers ``br`` as browsers do, and has no library for it."""

    breaks = "RESP-11"
    key = "post_request"
    offers = "gzip, deflate, br"


class OffersWhatBrowsersDo(UndoesCodings):
    """Copies a browser's header, weights and all."""

    breaks = "RESP-11"
    key = "post_request"
    offers = "gzip, deflate;q=0.8, zstd;q=0.5, br;q=0"


class ReadsStreamsRaw(UndoesCodings):
    """Undoes codings of whole answers; its streams read what comes from the socket."""

    breaks = "RESP-11"
    key = "post_request"
    shows_in = ("streams",)

    def undo(self, coding: str, reply: transport.Reply) -> Callable[[bytes], bytes]:
        return bytes if reply.is_event_stream else super().undo(coding, reply)


class ReadsErrorsRaw(UndoesCodings):
    """Undoes codings of answers; what a failed one says is read from the socket."""

    breaks = "RESP-11"
    key = "post_request"

    def undo(self, coding: str, reply: transport.Reply) -> Callable[[bytes], bytes]:
        return super().undo(coding, reply) if reply.status == HTTPStatus.OK else bytes


class UndoesEachPartByItself(UndoesCodings):
    """Begins anew with each part that it reads, as if each were a body."""

    breaks = "RESP-11"
    key = "post_request"

    def undo(self, coding: str, reply: transport.Reply) -> Callable[[bytes], bytes]:
        right = super().undo
        return lambda part: right(coding, reply)(part)


class UndoesStreamsAtTheirEnd(UndoesCodings):
    """Gathers a coded stream until it is whole; its events come all at once."""

    breaks = "STREAM-20"
    key = "streaming"
    shows_in = ("streams",)

    def damage(self) -> None:
        super().damage()

        def gathering(right: Callable[..., AsyncGenerator[bytes, None]]) -> Callable[..., Any]:
            async def chunks(reply: transport.Reply) -> AsyncGenerator[bytes, None]:
                gathers = "content-encoding" in reply.headers
                body = b""
                async for part in right(reply):
                    body += part
                    if not gathers:
                        yield part
                if gathers:
                    yield body

            return chunks

        exchange(transport.Reply, "chunks", gathering)
