"""What a connection asks of whoever decides on answers, and how it hands itself over to HTTP/2."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from tgi_conformance.fake_server.engine.plans import Plan, Step, Write
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.journal.builder import ConnectionRecord, ExchangeRecord
from tgi_conformance.fake_server.space.space import Space

HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Feed(Protocol):
    """The further steps of a plan that grows."""

    @property
    def plan(self) -> Plan:
        """The plan as far as it is known; how it ends once ``over``."""

    @property
    def over(self) -> bool:
        """Whether no further step will come."""

    def take(self) -> Sequence[Step]:
        """The steps that have come; to ask again says that they are done, and that there is room for more."""

    def written(self, step: Write, at: float) -> None:
        """Hear of a write that was handed to the kernel, at so many monotonic seconds."""

    def leave(self) -> None:
        """Hear that no more is wanted."""


#: Opens the feed of a plan that grows, for its request; the last argument is called when something is new.
OpenFeed: TypeAlias = Callable[[Plan, ExchangeRecord, Callable[[], None]], Feed]


class Answering(Protocol):
    """Decides for the connections of one space."""

    def accept(self, origin: str) -> tuple[str, Plan] | None:
        """What is done for a new connection, if the script has something for it: name of the reply, plan."""

    def respond(self, request: Request, record: ExchangeRecord) -> Plan:
        """What is done for a request."""

    def early(self, request: Request, size: int, origin: str) -> Plan | None:
        """The answer that does not wait for the body, of which ``size`` bytes have come; None: read on."""

    def feed(self, plan: Plan, record: ExchangeRecord, wake: Callable[[], None]) -> Feed:
        """Open the feed of a plan that grows; ``wake`` is called when there is something new."""

    def remember(self, request: Request, record: ExchangeRecord, plan: Plan) -> None:
        """Keep the plan that a request got for the next such request, where it would get the same."""

    def refuse(self, status: int) -> bytes:
        """The answer to bytes that are no request (its status), or to a body that broke off (0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A connection that turned out to speak HTTP/2."""

    space: Space
    answering: Answering
    record: ConnectionRecord
    transport: asyncio.Transport
    socket: socket.socket
    #: The reply that leaves everything on this connection without an answer.
    silent: str | None
    #: What has come: the preface, and what came with it.
    received: bytes


#: Takes a connection over.
OpenHttp2: TypeAlias = Callable[[Handover], None]
