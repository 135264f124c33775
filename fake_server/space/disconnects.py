"""Which connections of a space have been closed by their clients, asked of the kernel in one call.

Before a request is booked, closes that were sent before it have to be booked. Asking each connection
costs a system call for each; an epoll of their hang-ups alone costs one, however many there are.
"""

import contextlib
import select
from collections.abc import Iterable
from typing import Final

from tgi_conformance.fake_server.space.open_connection import OpenConnection

#: Where the kernel cannot be asked so, every connection is looked at.
_CAN_ASK: Final = hasattr(select, "epoll")


class Disconnects:
    """The open connections of one space, by descriptor."""

    def __init__(self) -> None:
        self._connections: dict[int, OpenConnection] = {}
        self._epoll: select.epoll | None = None

    def add(self, descriptor: int, connection: OpenConnection) -> None:
        """Watch a connection."""
        self._connections[descriptor] = connection
        if not _CAN_ASK:
            return
        if self._epoll is None:
            self._epoll = select.epoll()
        self._epoll.register(descriptor, select.EPOLLRDHUP)

    def remove(self, descriptor: int, connection: OpenConnection) -> None:
        """Watch a connection no more.

        Over TLS its descriptor is closed by then (the kernel has forgotten it), or is another's already.
        """
        if self._connections.get(descriptor) is not connection:
            return
        del self._connections[descriptor]
        if self._epoll is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(descriptor)

    def suspects(self) -> Iterable[OpenConnection]:
        """Every connection that may have been closed by its client; the others surely have not."""
        if self._epoll is None:
            return tuple(self._connections.values())
        found = self._epoll.poll(0, len(self._connections) or 1)
        return [self._connections[descriptor] for descriptor, _ in found] if found else ()

    def close(self) -> None:
        """Give the descriptor back."""
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None
