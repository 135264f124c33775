"""Which connections can be read, asked of the kernel and served for all of them at once.

asyncio spends some five microseconds on each socket that is ready: a key, a handle, a context, the
transport's own checks. Here the loop watches one descriptor, an epoll of the connections' sockets; when
it is ready, all that came is read, and then answered in the order in which it came.

All is read before anything is answered, so that one question to the kernel tells which clients had left
before any of these requests came (:mod:`tgi_conformance.fake_server.space.disconnects`).
"""

import asyncio
import select
import socket
from collections.abc import Callable
from time import monotonic
from typing import Final

from tgi_conformance.fake_server.space.open_connection import AskedWhoLeft, ReadConnection

#: Where there is no epoll, asyncio's transports read.
CAN_WATCH: Final = hasattr(select, "epoll")
_READ: Final = 64 * 1024
"""Bytes read at once: below what malloc maps by itself, so that a read costs no system call for memory."""
_AT_ONCE: Final = 64
"""Connections that are read before they are served."""
_ROUNDS_SECONDS: Final = 0.0002
"""How long it goes on while more comes in; timers wait meanwhile."""


class Readiness:
    """The connections of one event loop that are read here and not by their transports."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        #: By descriptor: how it is read, and whose it is.
        self._connections: dict[int, tuple[Callable[[int], bytes], ReadConnection, AskedWhoLeft]] = {}
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self._serve)

    def add(self, wire: socket.socket, connection: ReadConnection, space: AskedWhoLeft) -> None:
        """Read a connection from now on."""
        self._connections[wire.fileno()] = wire.recv, connection, space
        self._epoll.register(wire.fileno(), select.EPOLLIN)

    def remove(self, wire: socket.socket) -> None:
        """Read a connection no more (for now); harmless where it is not read."""
        if self._connections.pop(wire.fileno(), None) is not None:
            self._epoll.unregister(wire.fileno())

    def close(self) -> None:
        """Read nothing any more, and give the descriptor back."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._connections.clear()

    def _serve(self) -> None:
        """Serve what is ready, and what has become ready meanwhile, but no longer than a moment."""
        begun = 0.0
        while ready := self._epoll.poll(0, _AT_ONCE):
            taken = self._read(ready)
            at = monotonic()
            for connection, space, data in taken:
                if space.peeked_at != at:
                    space.peek(at)
                    space.peeked_at = at
                self._pass_on(connection, data, at)
            begun = begun or at
            if monotonic() - begun > _ROUNDS_SECONDS or self._epoll.closed:
                return

    def _read(self, ready: list[tuple[int, int]]) -> list[tuple[ReadConnection, AskedWhoLeft, bytes]]:
        """What has come, in order; no bytes: the client has shut its side."""
        taken = []
        for descriptor, _ in ready:
            receive, connection, space = self._connections[descriptor]
            try:
                data = receive(_READ)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError:
                connection.reading_failed()
                continue
            taken.append((connection, space, data))
        return taken

    def _pass_on(self, connection: ReadConnection, data: bytes, at: float) -> None:
        try:
            connection.read(data, at)
        except Exception as error:  # noqa: BLE001 - told to the loop, as its own transports do
            message = "Fatal error: a connection could not take what was read."
            self._loop.call_exception_handler(
                {"message": message, "exception": error, "protocol": connection}
            )
            connection.failed(error)


def readiness_here() -> Readiness | None:
    """One for the running loop; None where the platform has no epoll."""
    return Readiness(asyncio.get_running_loop()) if CAN_WATCH else None
