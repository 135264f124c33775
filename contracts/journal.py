"""The journal: what the fake server saw. Times are seconds of the machine's monotonic clock."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.targets import path_of
from tgi_conformance.contracts.verdict import Ruling

#: The routes that make a server generate (clause REQ-15 counts POSTs to these).
GENERATION_ROUTES = frozenset(
    {
        "/",
        "/generate",
        "/generate_stream",
        "/v1/chat/completions",
        "/v1/completions",
        "/invocations",
        "/vertex",
    }
)

#: complete: all bytes handed to the kernel. fault: ended as the script said. client: the client went
#: away first. open: still running. none: nothing was answered (late request, no reply owed).
ReplyEnding = Literal["complete", "fault", "client", "open", "none"]
ClosedBy = Literal["client-fin", "client-rst", "server"]


class UnreadableBody(ValueError):
    """A request's body that is no JSON: the client's doing, so a case that had to read it has failed."""

    ruling = Ruling.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPart:
    """Bytes of an answer's body, without the framing of chunks, as they were handed to the kernel."""

    content: bytes
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WireStep:
    """One step of an answer as it was planned: bytes, seconds of silence, or a gate that has to be released.

    ``data`` are the bytes of the wire, head and chunks included; on HTTP/2 they are payload of the stream.
    """

    data: bytes = b""
    wait: float = 0.0
    gate: str = ""
    #: When the bytes were handed to the kernel; None: they were not, since the client had left.
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """An answer as it went to the client: kept where it was forwarded, of others where evidence is kept.

    ``upstream`` says how the other side ended it: "complete"; "fin" or "rst" where it broke off; "left" where
    this server left first, since a fault cut the answer or the client was gone; "failed" where there was no
    answer to be had.
    """

    status: int | None = None
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    parts: tuple[AnswerPart, ...] = ()
    upstream: Literal["complete", "fin", "rst", "left", "failed"] | None = None
    #: What went wrong at the upstream server, in words.
    problem: str = ""
    #: Bytes that were not kept, since they were too many.
    dropped_bytes: int = 0
    #: All that was planned, in order, also what a client that left did not get; none for what was forwarded.
    wire: tuple[WireStep, ...] = ()
    #: How the plan ended: "keep", "close", or the fault, as "fin", "rst", "stall".
    ended: str = ""
    #: What was sent again and again after it (ending "endless").
    repeat: tuple[WireStep, ...] = ()

    @property
    def body(self) -> bytes:
        """The parts together."""
        return b"".join(part.content for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what was answered."""

    id: int
    connection: int
    #: Name of the origin (listener) it came to.
    origin: str = "a"
    method: str
    target: str
    http_version: str = "1.1"
    headers: tuple[tuple[str, str], ...] = ()
    #: The request head exactly as received, up to and with the blank line.
    head: bytes = b""
    body: bytes = b""
    body_complete: bool = True
    #: Alias of the key it carried: "A", "B", ...; "none" (no Authorization), "other".
    key: str = "none"
    #: Name or index of the scripted reply that served it; None: no script asked for it.
    reply: str | None = None
    #: The reply's own status; None where none was sent.
    status: int | None = None
    sent_bytes: int = 0
    ending: ReplyEnding = "open"
    first_byte_at: float = 0.0
    received_at: float = 0.0
    #: Just before the head of the answer was written.
    reply_at: float | None = None
    #: The last byte of the answer was handed to the kernel.
    replied_at: float | None = None
    #: The client was seen to go away while the answer was owed or running.
    gone_at: float | None = None
    #: It came after its space had been closed.
    late: bool = False
    #: The answer itself, where it was kept.
    answer: KeptAnswer | None = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return path_of(self.target)

    @property
    def scripted(self) -> bool:
        """Whether a reply of the script served it."""
        return self.reply is not None

    def header(self, name: str) -> str | None:
        """The first value of a header, by case-insensitive name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def header_values(self, name: str) -> tuple[str, ...]:
        """All values of a header, in order."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())

    def json(self) -> JSON:
        """The body decoded as JSON; raises :class:`UnreadableBody` when it is none."""
        try:
            value: JSON = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise UnreadableBody(f"the body of {self.method} {self.path} is not JSON: {error}") from error
        return value

    @property
    def over_at(self) -> float | None:
        """When the server's side of the exchange was over: replied, or the client was gone."""
        ends = [at for at in (self.replied_at, self.gone_at) if at is not None]
        return min(ends) if ends else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One TCP connection."""

    id: int
    origin: str = "a"
    opened_at: float
    closed_at: float | None = None
    closed_by: ClosedBy | None = None
    requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyUse:
    """How often a scripted reply was asked for, against what it expected."""

    reply: str
    requests: int
    at_least: int
    at_most: int | None

    @property
    def met(self) -> bool:
        """Whether the count is inside the expectation."""
        return self.requests >= self.at_least and (self.at_most is None or self.requests <= self.at_most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """All that one space saw, in the order of booking."""

    exchanges: tuple[Exchange, ...] = ()
    connections: tuple[Connection, ...] = ()
    replies: tuple[ReplyUse, ...] = ()
    #: The largest lateness (seconds) of the server's own 20 ms heartbeat while the space lived.
    lag: float = 0.0
    #: What the server itself has to say: limits hit, parse errors with the raw bytes, dropped entries.
    notes: tuple[str, ...] = field(default=())
    #: Mistakes of the server itself: with one, the journal shows nothing of a client.
    faults: tuple[str, ...] = field(default=())
    #: The server's clock when this journal was taken.
    now: float = 0.0

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.exchanges)

    def select(self, accept: Callable[[Exchange], bool]) -> tuple[Exchange, ...]:
        """The exchanges that a predicate accepts, in order."""
        return tuple(exchange for exchange in self.exchanges if accept(exchange))

    @property
    def generations(self) -> tuple[Exchange, ...]:
        """POSTs to generation routes, in order."""
        return self.select(lambda e: e.method == "POST" and generates(e.path))

    @property
    def unscripted(self) -> tuple[Exchange, ...]:
        """Generation POSTs that no scripted reply asked for."""
        return tuple(e for e in self.generations if not e.scripted)

    @property
    def unmet(self) -> tuple[ReplyUse, ...]:
        """Scripted replies whose request count is not what they expected."""
        return tuple(use for use in self.replies if not use.met)

    def gaps(self, exchanges: Iterable[Exchange] | None = None) -> tuple[float, ...]:
        """Seconds from the start of each answer to the next attempt's first byte."""
        chosen = tuple(self.generations if exchanges is None else exchanges)
        return tuple(
            later.first_byte_at - (earlier.reply_at or earlier.received_at)
            for earlier, later in pairwise(chosen)
        )

    def most_open(self, exchanges: Iterable[Exchange] | None = None, *, grace: float = 0.05) -> int:
        """The largest number of requests open at one time.

        An overlap shorter than ``grace`` seconds is not counted: the client may have read the
        answer's last byte before the server booked it.
        """
        chosen = tuple(self.generations if exchanges is None else exchanges)
        marks: list[tuple[float, int]] = []
        for exchange in chosen:
            over = self.now if exchange.over_at is None else exchange.over_at
            if over - exchange.received_at > grace:
                marks += [(exchange.received_at + grace, 1), (over, -1)]
        most = current = 0
        for _, step in sorted(marks):
            current += step
            most = max(most, current)
        return most


def reply_label(reply: str | None) -> str:
    """What served a request, for people: the reply's name, or its number counted from one."""
    if reply is None:
        return "unscripted"
    return f"reply {int(reply) + 1}" if reply.isdecimal() else reply


def generates(path: str) -> bool:
    """Whether a POST to a path makes a server generate.

    The hosted router also serves the root route under ``/models/{model id}``.
    """
    return path.rstrip("/") in _ROUTES or path.startswith(_MODELS)


def route_of(path: str) -> str:
    """The route of TGI behind a path, with no slash at its end; the router's place of a model is ``/``."""
    return "/" if path.startswith(_MODELS) else path.rstrip("/") or "/"


_MODELS = "/models/"
#: The root route loses its slash under ``rstrip``; the others never end in one.
_ROUTES = frozenset(route.rstrip("/") for route in GENERATION_ROUTES)
