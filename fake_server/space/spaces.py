"""All spaces of the process: opened, found, closed, and in the end forgotten."""

from collections import deque
from collections.abc import Callable, Mapping
from errno import EMFILE, ENFILE
from typing import Final

from tgi_conformance.contracts.script import Script
from tgi_conformance.fake_server.journal.builder import MAX_EXCHANGES, ExchangeRecord
from tgi_conformance.fake_server.space.certificates import Certificate, self_signed
from tgi_conformance.fake_server.space.readiness import Readiness, readiness_here
from tgi_conformance.fake_server.space.space import NAMES, Connect, Space

_NO_DESCRIPTORS: Final = frozenset({EMFILE, ENFILE})


class Spaces:
    """All spaces of the process; a closed one stays reachable for the next ``kept`` spaces."""

    def __init__(
        self,
        connect: Connect,
        host: str,
        *,
        max_body: int,
        max_exchanges: int = MAX_EXCHANGES,
        shared_port: bool = False,
    ) -> None:
        self._connect = connect
        self._max_exchanges = max_exchanges
        self._shared_port = shared_port
        self._host = host
        self._max_body = max_body
        self._spaces: dict[str, Space] = {}
        self._closed: deque[Space] = deque()
        self._count = 0
        self.kept = 200
        #: Told of each exchange that is over, in any space.
        self.observe: Callable[[Space, ExchangeRecord], None] | None = None
        self._certificate: Certificate | None = None
        self._readiness: Readiness | None = None

    def __len__(self) -> int:
        return sum(not space.closed for space in self._spaces.values())

    async def open(self, script: Script, keys: Mapping[str, str], *, port: int = 0) -> Space:
        """Open a space; raises OSError if a port cannot be had (then nothing of it is left)."""
        self._count += 1
        limits = {"max_body": self._max_body, "max_exchanges": self._max_exchanges}
        space = Space(str(self._count), script, keys, **limits)
        space.shared_port = self._shared_port
        if self._readiness is None:
            self._readiness = readiness_here()
        space.readiness = self._readiness
        try:
            await space.listen(self._connect, self._host, port, self._certify)
        except OSError as error:
            space.retire()
            if error.errno not in _NO_DESCRIPTORS or not self._closed:
                raise
            # What came late to a closed space is lost now; to open none would be worse.
            self._retire_old(kept=0)
            return await self.open(script, keys, port=port)
        space.observe = self.observe
        self._spaces[space.id] = space
        self._retire_old()
        return space

    def _certify(self) -> Certificate:
        """The certificate of this process, made when the first TLS origin needs it."""
        if self._certificate is None:
            self._certificate = self_signed((*NAMES, self._host) if self._host not in NAMES else NAMES)
        return self._certificate

    def get(self, space_id: str) -> Space | None:
        """The space of an id, also a closed one that is still kept."""
        return self._spaces.get(space_id)

    def close(self, space: Space) -> str:
        """Close a space and return its journal; its listeners stay bound for the spaces to come."""
        if space.closed:
            return space.encoded()
        journal = space.close()
        self._closed.append(space)
        return journal

    def late(self, lag: float) -> None:
        """Book a lateness of the heartbeat with every space that lives."""
        for space in self._spaces.values():
            if not space.closed and lag > space.journal.lag:
                space.journal.lag = lag

    def refused(self, port: int, why: str) -> None:
        """Book that a connection to a port could not be accepted, with every space that lives there."""
        for space in self._spaces.values():
            if not space.closed and port in space.ports.values():
                space.journal.fault(why)

    def stop_listening(self) -> None:
        """Take no new connections, in any space."""
        for space in self._spaces.values():
            space.stop_listening()

    def drain(self) -> bool:
        """Let every connection end after its exchange; false once none is left."""
        left = [connection for space in self._spaces.values() for connection in tuple(space.connections)]
        for connection in left:
            connection.drain()
        return bool(left)

    def retire_all(self) -> None:
        """Close everything."""
        for space in self._spaces.values():
            space.retire()
        self._spaces.clear()
        if self._readiness is not None:
            self._readiness.close()
            self._readiness = None

    def _retire_old(self, kept: int | None = None) -> None:
        while len(self._closed) > (self.kept if kept is None else kept):
            space = self._closed.popleft()
            space.retire()
            del self._spaces[space.id]
