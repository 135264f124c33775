"""How a connection ends, whoever ends it: what is done to the socket, and what the journal says."""

import asyncio
import contextlib
import socket
import struct
from time import monotonic
from typing import Final

from tgi_conformance.contracts.journal import ClosedBy
from tgi_conformance.fake_server.journal.builder import ConnectionRecord, JournalBuilder

#: How long what a client still sends is read and dropped after the last answer (seconds).
LINGER_SECONDS: Final = 1.0
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Closing:
    """The ends of one connection."""

    def __init__(
        self,
        journal: JournalBuilder,
        record: ConnectionRecord,
        transport: asyncio.Transport,
        sock: socket.socket,
    ) -> None:
        self._journal = journal
        self._record = record
        self._transport = transport
        self._socket = sock

    def book(self, by: ClosedBy, at: float | None = None) -> None:
        """Book who closed it, and when (monotonic seconds; default now)."""
        self._journal.close_connection(self._record, by, monotonic() if at is None else at)

    def impossible(self, move: str) -> None:
        """Book a move that no table of states has, a mistake of this server's, and end the connection."""
        self._journal.fault(f"connection {self._record.id}: {move}")
        self._transport.abort()

    def reset(self) -> None:
        """Close it with RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.book("server")
        self._transport.abort()

    def shut(self) -> None:
        """Shut the write side of the TCP connection; over TLS without its own goodbye."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self, *, shut: bool = True) -> None:
        """Close it once what was written is out.

        ``shut``: the write side first, since a close with unread bytes would reset the connection and could
        take the answer with it.
        """
        self.book("server")
        if shut:
            self.shut()
        self._transport.close()

    def linger(self) -> None:
        """Close it for writing now and for good a little later: what still comes is read and dropped."""
        self.book("server")
        with contextlib.suppress(OSError, NotImplementedError):
            self._transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.close)

    def by_client(self) -> ClosedBy | None:
        """How the client has closed it, where the loop may not have heard of that yet; None: it has not."""
        if self._record.closed_at is not None:
            return None
        try:
            if self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                return "client-fin"
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return "client-rst"
        return None
