"""What one space saw, as it grows: mutable records inside, the frozen journal outside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias, cast

from tgi_conformance.contracts import journal as contract
from tgi_conformance.fake_server.http.parsing import Request

#: Bytes of heads and bodies that one journal keeps; beyond it bodies are dropped and a note says so.
MAX_BYTES: Final = 256 * 1024 * 1024
#: Exchanges, and connections, that one journal keeps unless told otherwise.
MAX_EXCHANGES: Final = 200_000
MAX_NOTES: Final = 200
#: Exchanges of one journal whose answers can be asked for, and how many bytes they are together.
MAX_ANSWERS: Final = 200
MAX_ANSWER_BYTES: Final = 512 * 1024
#: Bytes of the plans that a closed journal still holds for that.
MAX_PLAN_BYTES: Final = 4 * 1024 * 1024
#: Writes of one answer whose times are kept.
MAX_WRITES: Final = 4_096


@dataclass(slots=True)
class ConnectionRecord:
    """One connection while it lives."""

    id: int
    origin: str
    opened_at: float
    closed_at: float | None = None
    closed_by: contract.ClosedBy | None = None
    requests: int = 0

    def frozen(self) -> contract.Connection:
        """The contract's form."""
        return contract.Connection(
            id=self.id,
            origin=self.origin,
            opened_at=self.opened_at,
            closed_at=self.closed_at,
            closed_by=self.closed_by,
            requests=self.requests,
        )


@dataclass(slots=True)
class AnswerRecord:
    """An answer that is kept, while it runs."""

    status: int | None = None
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    parts: list[contract.AnswerPart] = field(default_factory=list)
    upstream: Literal["complete", "fin", "rst", "left", "failed"] | None = None
    problem: str = ""
    dropped_bytes: int = 0

    def frozen(self) -> contract.KeptAnswer:
        """The contract's form."""
        return contract.KeptAnswer(
            status=self.status,
            reason=self.reason,
            headers=self.headers,
            parts=tuple(self.parts),
            upstream=self.upstream,
            problem=self.problem,
            dropped_bytes=self.dropped_bytes,
        )


class Planned(Protocol):
    """The plan of an answer, as far as a journal has to know it."""

    @property
    def status(self) -> int | None:
        """Status of the answer."""

    @property
    def size(self) -> int:
        """Bytes of its writes."""


@dataclass(slots=True)
class ExchangeRecord:
    """One exchange while it runs."""

    id: int
    connection: ConnectionRecord
    request: Request
    key: str
    body: bytes
    late: bool = False
    reply: str | None = None
    status: int | None = None
    sent_bytes: int = 0
    ending: contract.ReplyEnding = "open"
    reply_at: float | None = None
    replied_at: float | None = None
    gone_at: float | None = None
    #: Tells how many bytes the kernel has taken so far, while the answer runs.
    progress: Callable[[], int] | None = field(default=None, repr=False)
    #: The answer itself, where it is kept.
    answer: AnswerRecord | None = field(default=None, repr=False)
    #: What was planned for it, for those who ask for the answer; and when each write of that went out.
    plan: Planned | None = field(default=None, repr=False)
    written_at: list[float] = field(default_factory=list, repr=False)
    #: The JSON text of it, once it is over.
    text: str | None = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.ending != "open"

    @property
    def unanswered(self) -> bool:
        """Whether the client still waits for (the rest of) its answer."""
        return self.ending == "open" and self.gone_at is None

    def answered_by(self, plan: Planned) -> list[float]:
        """Take note of the plan of the answer; returns where the times of its writes go."""
        if self.id < MAX_ANSWERS:
            self.plan = plan
        return self.written_at

    def frozen(self) -> contract.Exchange:
        """The contract's form."""
        request = self.request
        return contract.Exchange(
            id=self.id,
            connection=self.connection.id,
            origin=self.connection.origin,
            method=request.method,
            target=request.target,
            http_version=request.version,
            headers=request.headers,
            head=request.head,
            body=self.body,
            body_complete=request.complete,
            key=self.key,
            reply=self.reply,
            status=self.status,
            sent_bytes=self.progress() if self.progress else self.sent_bytes,
            ending=self.ending,
            first_byte_at=request.first_byte_at,
            received_at=request.received_at,
            reply_at=self.reply_at,
            replied_at=self.replied_at,
            gone_at=self.gone_at,
            late=self.late,
            answer=None if self.answer is None else self.answer.frozen(),
        )


class SameAgain(Protocol):
    """What exchanges have in common that got the same answer to the same head."""

    @property
    def request(self) -> Request:
        """A request with this head; its body and its times are of no account."""

    @property
    def key(self) -> str:
        """Alias of its key."""

    @property
    def reply(self) -> str | None:
        """Name of the reply that served it."""

    @property
    def status(self) -> int | None:
        """Status of the answer."""

    @property
    def sent_bytes(self) -> int:
        """Bytes of the answer."""

    @property
    def plan(self) -> Planned:
        """The plan of the answer."""

    @property
    def writes(self) -> tuple[bytes, ...]:
        """What was sent, a call each."""


#: An exchange that got a cached answer: number, connection, what it has in common with others, body, and
#: when it was received, its answer began and was over.
_Answered: TypeAlias = tuple[int, ConnectionRecord, SameAgain, bytes, tuple[float, float, float]]


def _record_of(answered: _Answered) -> ExchangeRecord:
    number, connection, cached, body, (received_at, reply_at, replied_at) = answered
    again = cached.request
    request = Request(
        again.method,
        again.target,
        again.version,
        again.headers,
        again.head,
        received_at,
        body,
        received_at=received_at,
        first=again.first,
    )
    return ExchangeRecord(
        number,
        connection,
        request,
        cached.key,
        body,
        reply=cached.reply,
        status=cached.status,
        sent_bytes=cached.sent_bytes,
        ending="complete",
        reply_at=reply_at,
        replied_at=replied_at,
        plan=cached.plan if number < MAX_ANSWERS else None,
        written_at=[reply_at] * len(cached.writes) if number < MAX_ANSWERS else [],
    )


class JournalBuilder:
    """The journal of one space; ``changed`` is called after each booking with the time of it."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        max_bytes: int = MAX_BYTES,
        max_exchanges: int = MAX_EXCHANGES,
    ) -> None:
        self._exchanges: list[ExchangeRecord | _Answered] = []
        #: Up to where they are records.
        self._told = 0
        self.connections: list[ConnectionRecord] = []
        self.lag = 0.0
        self.last_activity = clock()
        self._clock = clock
        self._notes: list[str] = []
        self._faults: list[str] = []
        self._bytes_left = max_bytes
        self._most = max_exchanges
        self._booked = 0
        self._opened = 0
        self._on_change: list[Callable[[], None]] = []

    @property
    def exchanges(self) -> "Sequence[ExchangeRecord]":
        """The exchanges so far. What was answered without a record gets one when somebody looks."""
        exchanges = self._exchanges
        for place in range(self._told, len(exchanges)):
            entry = exchanges[place]
            if isinstance(entry, tuple):
                exchanges[place] = _record_of(entry)
        self._told = len(exchanges)
        return cast("list[ExchangeRecord]", exchanges)

    @property
    def watched(self) -> bool:
        """Whether somebody is to be called after each booking."""
        return bool(self._on_change)

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after each booking; returns what ends that."""
        self._on_change.append(callback)
        return lambda: self._on_change.remove(callback)

    def changed(self) -> None:
        """Note that something was booked."""
        self.last_activity = self._clock()
        if self._on_change:
            for callback in tuple(self._on_change):
                callback()

    def note(self, text: str) -> None:
        """Add what the server itself has to say."""
        if len(self._notes) < MAX_NOTES:
            self._notes.append(text)
        elif len(self._notes) == MAX_NOTES:
            self._notes.append(f"more than {MAX_NOTES} notes; further ones are dropped")
        self.changed()

    def fault(self, text: str) -> None:
        """Add a mistake of the server itself: what this journal holds shows nothing of a client."""
        if len(self._faults) < MAX_NOTES:
            self._faults.append(text)
        self.changed()

    def open_connection(self, origin: str, at: float) -> ConnectionRecord:
        """Book a new connection."""
        record = ConnectionRecord(self._opened, origin, at)
        self._opened += 1
        if self._opened <= self._most:
            self.connections.append(record)
        elif self._opened == self._most + 1:
            self.note(f"more than {self._most} connections: later ones are served and not kept here")
        self.changed()
        return record

    def close_connection(self, record: ConnectionRecord, by: contract.ClosedBy, at: float) -> None:
        """Book the end of a connection; the first cause stands."""
        if record.closed_at is None:
            record.closed_at, record.closed_by = at, by
            self.changed()

    def book(self, request: Request, connection: ConnectionRecord, *, key: str, late: bool) -> ExchangeRecord:
        """Book a request."""
        record = ExchangeRecord(self._booked, connection, request, key, self._kept(request.body), late=late)
        connection.requests += 1
        self._booked += 1
        if self._booked <= self._most:
            self._exchanges.append(record)
        elif self._booked == self._most + 1:
            self._note_most()
        self.changed()
        return record

    def book_answered(
        self,
        connection: ConnectionRecord,
        cached: SameAgain,
        data: bytes,
        times: tuple[float, float, float],
    ) -> None:
        """Book a request that got a cached answer; ``data`` are its bytes, ``times`` the row's."""
        number = self._booked
        connection.requests += 1
        self.last_activity = times[2]
        if number < self._most:
            body = self._kept(data[len(cached.request.head) :])
            self._exchanges.append((number, connection, cached, body, times))
        self._booked = number + 1
        if number == self._most:
            self._note_most()

    def keep_part(self, answer: AnswerRecord, content: bytes, at: float) -> None:
        """Keep bytes of an answer's body, as far as the journal's memory goes."""
        if len(content) > self._bytes_left:
            answer.dropped_bytes += len(content)
        else:
            self._bytes_left -= len(content)
            answer.parts.append(contract.AnswerPart(content=content, at=at))

    def forget_long_plans(self) -> None:
        """Let go of plans that are long together: a closed space stays for a while, and so would they."""
        room = MAX_PLAN_BYTES
        for record in self.exchanges[:MAX_ANSWERS]:
            room -= 0 if record.plan is None else record.plan.size
            if room < 0:
                record.plan = None

    def _note_most(self) -> None:
        self.note(f"more than {self._most} exchanges: later ones are answered and not kept here")

    def _kept(self, body: bytes) -> bytes:
        if self._booked >= self._most:
            return body
        if len(body) > self._bytes_left:
            self._notes.append(f"journal memory is used up: a body of {len(body)} bytes was not kept")
            return b""
        self._bytes_left -= len(body)
        return body

    def frozen(self, replies: tuple[contract.ReplyUse, ...], *, exchanges: bool = True) -> contract.Journal:
        """The journal as it stands, or all of it but the exchanges."""
        return contract.Journal(
            exchanges=tuple(record.frozen() for record in self.exchanges) if exchanges else (),
            connections=tuple(record.frozen() for record in self.connections),
            replies=replies,
            lag=self.lag,
            notes=tuple(self._notes),
            faults=tuple(self._faults),
            now=self._clock(),
        )
