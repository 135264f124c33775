"""A space: one case's listeners, script, keys, gates and journal."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from typing import Final, TypeAlias

from tgi_conformance.contracts.journal import KeptAnswer
from tgi_conformance.contracts.script import Limits, Reply, Script
from tgi_conformance.contracts.script.places import script_with_origins, with_origins
from tgi_conformance.fake_server.engine.answer_cache import AnswerCache
from tgi_conformance.fake_server.engine.chaos import Lots
from tgi_conformance.fake_server.engine.plan_cache import PlanCache
from tgi_conformance.fake_server.engine.plans import Plan
from tgi_conformance.fake_server.engine.selection import Replies, ReplySource
from tgi_conformance.fake_server.engine.traffic import Traffic
from tgi_conformance.fake_server.journal.builder import (
    MAX_ANSWER_BYTES,
    MAX_ANSWERS,
    MAX_EXCHANGES,
    ExchangeRecord,
    JournalBuilder,
)
from tgi_conformance.fake_server.journal.json_form import encoded
from tgi_conformance.fake_server.journal.metrics import Metrics
from tgi_conformance.fake_server.keeping.kept import kept_answer
from tgi_conformance.fake_server.space.certificates import Certificate, self_signed
from tgi_conformance.fake_server.space.disconnects import Disconnects
from tgi_conformance.fake_server.space.gates import SpaceGate
from tgi_conformance.fake_server.space.open_connection import OpenConnection
from tgi_conformance.fake_server.space.readiness import Readiness
from tgi_conformance.fake_server.space.tls_listening import TLSListener

BACKLOG: Final = 1024
REFUSED: Final = "refused:"
IPV6: Final = "ipv6:"
"""What the name of an origin begins with that listens on ::1, whatever the others listen on."""
RECEIVE_BUFFER: Final = 4096
"""Bytes that the kernel may hold for a slow reader; with its usual megabytes no client would notice."""
NAMES: Final = ("127.0.0.1", "localhost", "::1")
"""Names in the certificate of TLS origins."""

#: Space, origin -> what serves a new connection to it.
Connect: TypeAlias = Callable[["Space", str], asyncio.BufferedProtocol]


def self_signed_here() -> Certificate:
    """A new certificate for this machine."""
    return self_signed(NAMES)


class Space:
    """What one case has to itself. Times are monotonic seconds."""

    def __init__(
        self,
        space_id: str,
        script: Script,
        keys: Mapping[str, str],
        *,
        max_body: int,
        max_exchanges: int = MAX_EXCHANGES,
    ) -> None:
        self.id = space_id
        self.script = script
        self.max_body = max_body
        self.journal = JournalBuilder(monotonic, max_exchanges=max_exchanges)
        self.replies: ReplySource = Replies(script.replies)
        self.traffic = Traffic(script.limits) if script.limits != Limits() else None
        self.lots = None if script.chaos is None else Lots(script.chaos)
        #: Whether something may stand between a request and the replies.
        self.unsettled = self.traffic is not None or self.lots is not None
        #: Told of each exchange that is over.
        self.observe: Callable[[Space, ExchangeRecord], None] | None = None
        #: PEM of the certificate that the TLS origins show.
        self.certificate: str | None = None
        self.connections: set[OpenConnection] = set()
        self.disconnects = Disconnects()
        #: What reads the plain connections; None: their transports do.
        self.readiness: Readiness | None = None
        #: When, in monotonic seconds, what was read was read just before the kernel was last asked who left.
        self.peeked_at = 0.0
        self.plan_cache = PlanCache()
        #: Whether other processes listen on the same port.
        self.shared_port = False
        self.ports: dict[str, int] = {}
        #: Scheme, host and port of each origin.
        self.origins: dict[str, str] = {}
        self.closed = False
        self.metrics = Metrics(script.server)
        #: Exchange, and how many permits it holds.
        self._permits: list[tuple[ExchangeRecord, int]] = []
        self._keys = {value: alias for alias, value in keys.items()}
        self._admitted = frozenset(f"bearer {value}".lower() for value in keys.values())
        self._answer_caches: dict[str, AnswerCache] = {}
        self._gates: dict[str, SpaceGate] = {}
        self._servers: list[asyncio.Server | TLSListener] = []
        self._refusing: list[socket.socket] = []

    async def listen(
        self,
        connect: Connect,
        host: str,
        port: int = 0,
        certificate: Callable[[], Certificate] = self_signed_here,
    ) -> None:
        """Open a listener for each origin; a refused one has its port bound, and nobody listens."""
        loop = asyncio.get_running_loop()
        listeners = self._bind(host, port)
        self._fill_in(host)
        for origin, listener in listeners.items():
            made_for = partial(connect, self, origin)
            if origin in self.script.tls:
                made = certificate()
                self.certificate = made.pem
                context = made.server_context()
                if self.script.alpn:
                    context.set_alpn_protocols(list(self.script.alpn))
                self._servers.append(TLSListener(listener, context, made_for, self.journal, origin, BACKLOG))
            else:
                self._servers.append(await loop.create_server(made_for, sock=listener, backlog=BACKLOG))

    def _bind(self, host: str, port: int) -> dict[str, socket.socket]:
        """Bind a port for each origin; returns the sockets of those that are to listen."""
        listeners: dict[str, socket.socket] = {}
        for origin in self.script.origins:
            try:
                listener = _bound(_host_of(origin, host), port, shared=self.shared_port)
            except OSError:
                for bound in listeners.values():
                    bound.close()
                raise
            port = 0
            self.ports[origin] = listener.getsockname()[1]
            if origin.startswith(REFUSED):
                self._refusing.append(listener)
                continue
            if self.script.reading is not None:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            listeners[origin] = listener
        return listeners

    def _fill_in(self, host: str) -> None:
        """Put the origins' addresses where the script names them, now that their ports are known."""
        for origin, port in self.ports.items():
            own = _host_of(origin, host)
            shown = f"[{own}]" if ":" in own else own
            scheme = "https" if origin in self.script.tls else "http"
            self.origins[origin] = f"{scheme}://{shown}:{port}"
        script = script_with_origins(self.script, self.origins)
        if script != self.script:
            self.script = script
            self.replies = Replies(script.replies)
            self.traffic = None if self.traffic is None else Traffic(script.limits)
            self.lots = None if script.chaos is None else Lots(script.chaos)

    @property
    def urls(self) -> dict[str, str]:
        """Base URL of each origin, the mount included."""
        return {origin: address + self.script.mount for origin, address in self.origins.items()}

    def alias(self, authorization: str | None) -> str:
        """The alias of the key in an Authorization value: "none" without one, "other" if unknown."""
        if authorization is None:
            return "none"
        scheme, _, key = authorization.partition(" ")
        return self._keys.get(key, "other") if scheme.lower() == "bearer" else "other"

    @property
    def keys(self) -> dict[str, str]:
        """Key by alias."""
        return {alias: value for value, alias in self._keys.items()}

    def admits(self, authorization: str | None) -> bool:
        """Whether TGI lets a request in: it compares the whole value, without regard to case."""
        return authorization is not None and authorization.lower() in self._admitted

    @property
    def permits_used(self) -> int:
        """How many permits are held by requests that are being answered as TGI would."""
        if self._permits:
            self._permits = [held for held in self._permits if held[0].unanswered]
        return sum(count for _, count in self._permits)

    def hold_permits(self, record: ExchangeRecord, count: int) -> None:
        """Count an exchange among those that hold permits until it is over."""
        self._permits.append((record, count))

    def gate(self, name: str) -> SpaceGate:
        """The gate of a name."""
        return self._gates.setdefault(name, SpaceGate())

    def play(self, replies: tuple[Reply, ...]) -> None:
        """Append replies."""
        self._forget_answers()
        self.replies.extend(with_origins(reply, self.origins) for reply in replies)

    def answer_cache(self, origin: str) -> AnswerCache:
        """The cached answers to requests of an origin."""
        return self._answer_caches.setdefault(origin, AnswerCache())

    def _forget_answers(self) -> None:
        for cache in self._answer_caches.values():
            cache.forget()

    def peek(self, at: float | None = None) -> None:
        """Book the closes that clients have sent but the loop has not yet reported; ``at``: as of then."""
        for connection in self.disconnects.suspects():
            connection.peek(at)

    def encoded(self) -> str:
        """The journal as it stands, as JSON text."""
        self.peek()
        return encoded(self.journal, self.replies.uses())

    def answers(self) -> dict[int, KeptAnswer]:
        """What was answered, by the number of the exchange, as far as it is kept and not in the journal."""
        answers: dict[int, KeptAnswer] = {}
        room = MAX_ANSWER_BYTES
        for record in self.journal.exchanges[:MAX_ANSWERS]:
            if isinstance(record.plan, Plan) and record.answer is None:
                answers[record.id] = kept_answer(record.plan, record.written_at, most=room)
                room -= sum(len(step.data) for step in answers[record.id].wire)
        return answers

    def close(self) -> str:
        """End what still runs and return the journal; the listeners stay, for what comes late."""
        journal = self.encoded()
        self.journal.forget_long_plans()
        self.closed = True
        self._forget_answers()
        for connection in tuple(self.connections):
            connection.end_with_space()
        return journal

    def stop_listening(self) -> None:
        """Close the listeners; connections go on."""
        for server in self._servers:
            server.close()

    def retire(self) -> None:
        """Close the listeners and whatever still hangs on them."""
        for server in self._servers:
            server.close()
        for refusing in self._refusing:
            refusing.close()
        for connection in tuple(self.connections):
            connection.abort()


def _host_of(origin: str, host: str) -> str:
    """Where an origin listens, or nobody does."""
    return "::1" if origin.startswith(IPV6) else host


def _bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol was named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.setblocking(False)  # noqa: FBT003
    except OSError:
        listener.close()
        raise
    return listener
