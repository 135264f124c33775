"""A listener that speaks TLS and books the handshakes that fail: asyncio's own says nothing of them."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from errno import ECONNRESET
from time import monotonic
from typing import Final

from tgi_conformance.contracts.journal import ClosedBy
from tgi_conformance.fake_server.journal.builder import JournalBuilder
from tgi_conformance.fake_server.space.accepting import in_words

_RETRY_SECONDS: Final = 0.5
"""How long accepting rests where the process has no descriptor left."""

#: Part of OpenSSL's reason -> what it means here; the first that fits.
_MEANINGS: Final = (
    ("ALERT_UNKNOWN_CA", "the client refused the certificate"),
    ("ALERT_BAD_CERTIFICATE", "the client refused the certificate"),
    ("ALERT_CERTIFICATE", "the client refused the certificate"),
    ("HTTP_REQUEST", "the client spoke plain HTTP"),
    ("ALERT", "the client broke the handshake off"),
    ("", "what the client sent is no TLS handshake that the server takes"),
)


class TLSListener:
    """Accepts connections and hands those whose handshake succeeds to their protocol."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        connect: Callable[[], asyncio.BaseProtocol],
        journal: JournalBuilder,
        origin: str,
        backlog: int,
    ) -> None:
        self._listener = listener
        self._context = context
        self._connect = connect
        self._journal = journal
        self._origin = origin
        self._handshakes: set[asyncio.Task[None]] = set()
        listener.listen(backlog)
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Take no new connections; those that are there go on."""
        # The loop lets go of the listener when the task has ended; its number must not be another's then.
        self._accepting.add_done_callback(lambda _: self._listener.close())
        self._accepting.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                self._journal.fault(in_words(error))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            task = loop.create_task(self._shake(accepted))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake(self, accepted: socket.socket) -> None:
        began = monotonic()
        accepted.setblocking(False)  # noqa: FBT003
        try:
            with contextlib.suppress(OSError):  # the client may have gone
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connect, accepted, ssl=self._context
            )
        except OSError as error:
            self._book(error, began)

    def _book(self, error: OSError, began: float) -> None:
        """A connection that closed without an exchange, and why."""
        by, why = failure(error)
        record = self._journal.open_connection(self._origin, began)
        self._journal.note(f"connection {record.id}: no TLS: {why}")
        self._journal.close_connection(record, by, monotonic())


def agreed_protocol(transport: asyncio.BaseTransport) -> str | None:
    """The protocol that client and server agreed on in the TLS handshake (ALPN); None: on none."""
    over_tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    return None if over_tls is None else over_tls.selected_alpn_protocol()


def failure(error: OSError) -> tuple[ClosedBy, str]:
    """Who closed a connection whose handshake failed with an error, and what it means."""
    if isinstance(error, ssl.SSLError):
        reason = str(error.reason or error)
        meaning = next(meaning for part, meaning in _MEANINGS if part in reason)
        return "server", f"{meaning} ({reason})"
    if isinstance(error, ConnectionError):
        by: ClosedBy = "client-rst" if error.errno == ECONNRESET else "client-fin"
        return by, "the client left during the handshake"
    return "server", f"the handshake failed ({error!r})"
