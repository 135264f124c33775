"""One TCP connection: bytes in, plans out. The only place that writes to a client's socket."""

import asyncio
import socket
from collections import deque
from time import monotonic
from typing import Final, cast

from tgi_conformance.contracts.journal import ClosedBy
from tgi_conformance.fake_server.engine.answer_cache import CachedAnswer
from tgi_conformance.fake_server.engine.plans import Ending, Plan
from tgi_conformance.fake_server.http.parsing import ParseError, Request, RequestReader
from tgi_conformance.fake_server.http1.answering import HTTP2_PREFACE, Answering, Handover, OpenHttp2
from tgi_conformance.fake_server.http1.closing import Closing
from tgi_conformance.fake_server.http1.exchange import CurrentExchange
from tgi_conformance.fake_server.http1.going_on import GoingOn
from tgi_conformance.fake_server.http1.states import ENDED, LEFT, LIFE, Life, LifeMove, Turn, TurnMove
from tgi_conformance.fake_server.http1.windowed import Windowed
from tgi_conformance.fake_server.journal.builder import ExchangeRecord
from tgi_conformance.fake_server.space.idleness import Idleness
from tgi_conformance.fake_server.space.readiness import Readiness
from tgi_conformance.fake_server.space.space import Space
from tgi_conformance.fake_server.space.tls_listening import agreed_protocol

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_MAX_PIPELINED: Final = 1000
_LONG_DECISION: Final = 0.0005
"""Seconds after which a client may have changed its mind before its answer was decided on."""
_MAX_WAITING: Final = 16 * 1024 * 1024
"""Bytes of bodies that may wait behind a running answer; beyond them the connection is not read."""
MAX_CONNECTIONS: Final = 16_384
"""Open connections of one space; one more is closed at once, and a note says so."""

#: Named once: the way of a cached answer asks for them each time, and an enum's members are slow to look up.
_READY: Final = Turn.READY
_OPEN: Final = Life.OPEN


class Connection(Windowed):
    """Serves the requests of one connection one after another, each by its plan."""

    #: Whether its bytes may be read in the order and the amount in which they come.
    _read_directly = True

    _transport: asyncio.Transport
    _exchange: CurrentExchange

    def __init__(self, space: Space, origin: str, answering: Answering, open_http2: OpenHttp2) -> None:
        self._space = space
        self._origin = origin
        self._answering = answering
        self._open_http2 = open_http2
        self._answers = space.answer_cache(origin)
        self._reader = RequestReader(max_body=space.max_body)
        self._queue: deque[Request] = deque()
        self._life = Life.OPEN
        #: The reply that leaves everything on this connection without an answer.
        self._silent: str | None = None
        self._going_on = GoingOn(answering, origin)
        #: Waiting requests are being served: an answer that is over at once comes back to that loop.
        self._serving = False
        #: Reading rests: too much waits.
        self._held_back = False
        #: What reads in place of the transport; None: the transport reads.
        self._readiness: Readiness | None = None

    # --- what asyncio calls ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Book the connection, and play what the script has for accept."""
        self._transport = cast("asyncio.Transport", transport)
        self._tls = transport.get_extra_info("sslcontext") is not None
        # With no room above zero, writing pauses until the kernel has taken every byte. The TLS layer also
        # pauses when it holds exactly as many bytes as the limit says.
        self._transport.set_write_buffer_limits(high=1 if self._tls else 0, low=0)
        wrapped = transport.get_extra_info("socket")
        self._socket = socket.socket(wrapped.family, wrapped.type, wrapped.proto, fileno=wrapped.fileno())
        if self._space.script.nagle:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        self._record = self._space.journal.open_connection(self._origin, monotonic())
        self._closing = Closing(self._space.journal, self._record, self._transport, self._socket)
        if self._read_directly and not self._tls:
            self._readiness = self._space.readiness
        self._exchange = CurrentExchange(
            self._transport,
            self._socket,
            self._space.gate,
            self._answering.feed,
            direct=self._readiness is not None,
            idleness=Idleness(self._space.script.idle_ms, self._idle),
            played=self._played,
            impossible=self._closing.impossible,
        )
        self._space.connections.add(self)
        self._space.disconnects.add(self._socket.fileno(), self)
        if self._readiness is not None:
            self._transport.pause_reading()
            self._readiness.add(self._socket, self, self._space)
        if len(self._space.connections) > MAX_CONNECTIONS:
            self._space.journal.note(f"over {MAX_CONNECTIONS} open connections: one more was closed")
            self.abort()
            return
        accepted = None if self._space.closed else self._answering.accept(self._origin)
        if accepted is not None:
            self._silent, plan = accepted
            self._end(plan.ending)
        self._rest()

    def read(self, data: bytes, now: float) -> None:
        """Take what was read in the transport's place; no bytes: the client has shut its side."""
        if self._exchange.turn is _READY:
            cached = self._answers.find(data)
            if cached is not None and self._answer_again(cached, data, now):
                return
            self._exchange.wake()
        if self._transport.is_closing():
            self._pause_reading()
        elif data:
            self._take(data, now)
        else:
            self._pause_reading()
            self.eof_received()
            self._transport.close()

    def reading_failed(self) -> None:
        """End as the transport does where a read fails: the client has reset the connection."""
        self._pause_reading()
        if not self._transport.is_closing():
            self._client_went("client-rst")
            self._book_unfinished()
            self._transport.abort()

    def failed(self, error: Exception) -> None:
        """End where what was read could not be served: a fault of this server."""
        self._space.journal.fault(f"connection {self._record.id}: {error!r}")
        self.abort()

    def data_received(self, data: bytes) -> None:
        """Read requests and serve them."""
        self._take(data, monotonic())

    def _take(self, data: bytes, now: float) -> None:
        self._space.journal.last_activity = now
        if self._life is Life.LINGERING:
            return
        try:
            requests = self._reader.feed(data, now)
        except ParseError as error:
            if self._turns_to_http2():
                return
            self._space.journal.note(f"connection {self._record.id}: {error}: {self._reader.raw[:2000]!r}")
            self._exchange.write(self._answering.refuse(error.status))
            self._close()
            return
        if self._agreed_on_http2(requests):
            return
        if self._reader.awaited is not None and not requests and self._answer_early():
            return
        due = self._going_on.is_due(self._reader, requests, at_rest=not (self._exchange.busy or self._queue))
        if due and self._silent is None:
            self._transport.write(CONTINUE)
        self._queue.extend(requests)
        busy = self._exchange.record is not None
        if busy and sum(len(request.body) for request in self._queue) > _MAX_WAITING:
            self._held_back = True
            self._pause_reading()
        if len(self._queue) > _MAX_PIPELINED:
            self._space.journal.note(f"connection {self._record.id}: over {_MAX_PIPELINED} requests in a row")
            self.abort()
            return
        if not busy:
            self._serve_next()

    def eof_received(self) -> bool:
        """Take the client's FIN: whoever shuts the write side gets no answer (as hyper does)."""
        self._client_went("client-fin")
        if self._book_unfinished():
            self._exchange.write(self._answering.refuse(0))
        self._exchange.sent()
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Book the end and let go of everything."""
        self._exchange.lose()
        if exc is not None:
            self._client_went("client-rst")
            self._book_unfinished()
        elif self._life not in LEFT:
            self._closing.book("server")
        self._finish("fault" if self._life in ENDED else "client")
        self._move(LifeMove.LOSE)
        self._exchange.stop()
        self._space.connections.discard(self)
        self._space.disconnects.remove(self._socket.fileno(), self)
        if self._readiness is not None:
            self._readiness.remove(self._socket)
        self._socket.detach()

    def pause_writing(self) -> None:
        """Wait for the kernel."""
        self._exchange.pause()

    def resume_writing(self) -> None:
        """Go on: the kernel has every byte."""
        self._exchange.resume()

    # --- what the space calls ----------------------------------------------------------------------

    def peek(self, at: float | None = None) -> None:
        """Book a close that the client has sent but the loop has not yet reported.

        ``at`` is the time (monotonic seconds) that it is booked with at the latest; default now.
        """
        how = None if self._life in LEFT else self._closing.by_client()
        if how is not None:
            self._client_went(how, at)

    def end_with_space(self) -> None:
        """End an exchange that still runs; an idle connection stays, for what comes late on it."""
        if self._exchange.busy or self._silent is not None:
            self._move(LifeMove.END)
            self.abort()

    def drain(self) -> None:
        """Finish the exchange that runs and close; an idle connection is closed at once."""
        self._exchange.wake()
        if self._exchange.busy:
            if self._life is Life.OPEN:
                self._exchange.announce_close()
            self._move(LifeMove.DRAIN)
        elif self._life not in ENDED:
            self._close()

    def abort(self) -> None:
        """Close at once."""
        self._exchange.wake()
        self._transport.abort()

    # --- its states --------------------------------------------------------------------------------

    def _move(self, move: LifeMove) -> None:
        after = LIFE[self._life].get(move)
        if after is None:
            self._closing.impossible(f"{move.name} while {self._life.name}")
        else:
            self._life = after

    def _rest(self) -> None:
        """Look up what comes next, where it may be a request that was answered before and nothing else."""
        waits = self._queue or self._held_back or self._reader.pending or self._silent is not None
        free = self._exchange.turn is Turn.BETWEEN and self._life is Life.OPEN
        if free and self._readiness is not None and not waits:
            self._exchange.move(TurnMove.REST)

    # --- reading -----------------------------------------------------------------------------------

    def _pause_reading(self) -> None:
        if self._readiness is None:
            self._transport.pause_reading()
        else:
            self._readiness.remove(self._socket)

    def _resume_reading(self) -> None:
        if self._readiness is None:
            self._transport.resume_reading()
        elif not self._transport.is_closing():
            self._readiness.add(self._socket, self, self._space)

    # --- serving -----------------------------------------------------------------------------------

    def _serve_next(self) -> None:
        """Serve what waits; an answer that is over at once comes back to this loop, not deeper."""
        if self._serving:
            return
        self._serving = True
        try:
            while self._queue and self._exchange.record is None and self._serves():
                self._serve(self._queue.popleft())
        finally:
            self._serving = False

    def _serves(self) -> bool:
        return self._silent is not None or self._life not in ENDED

    def _serve(self, request: Request) -> None:
        if self._space.peeked_at != request.received_at:
            self._space.peek(request.received_at)
        record = self._book(request)
        if self._silent is not None:
            record.reply = self._silent
            self._exchange.take_up(record)
            self._exchange.move(TurnMove.HOLD)
            return
        if self._life in LEFT:
            record.gone_at, record.ending = self._record.closed_at, "client"
            self._queue.clear()
            self._transport.abort()
            return
        if self._held_back and not self._queue:
            self._held_back = False
            self._resume_reading()
        self._exchange.take_up(record)
        self._exchange.answer(self._answering.respond(request, record))
        # Where deciding took a while: whoever has shut the write side meanwhile gets no answer.
        if monotonic() - request.received_at > _LONG_DECISION:
            self.peek()
        if self._life in LEFT:
            self._transport.abort()
            return
        self._exchange.run()

    def _answer_again(self, cached: CachedAnswer, data: bytes, now: float) -> bool:
        """Send a cached answer; false where it holds no more, and nothing was sent.

        The journal gets what the ordinary way would have booked.
        """
        space = self._space
        begun = monotonic()
        if begun - now > _LONG_DECISION:
            self.peek()
        if (
            begun >= cached.until
            or self._life is not _OPEN
            or cached.permits_used != space.permits_used
            or space.journal.watched
        ):
            return False
        send, done, taken = self._socket.send, 0, 0
        try:
            for write in cached.writes:
                taken = send(write)
                if taken != len(write):
                    break
                done += 1
        except OSError:
            if not done:
                return False
            taken = 0
        if done < len(cached.writes):
            self._exchange.wake()
            self._carry_on(cached, data, (now, begun), done, taken)
            return True
        ended = monotonic()
        cached.count()
        space.journal.book_answered(self._record, cached, data, (now, begun, ended))
        if cached.seen is not None:
            space.metrics.book_over(cached.seen, ended - now)
        return True

    def _carry_on(
        self, cached: CachedAnswer, data: bytes, times: tuple[float, float], done: int, taken: int
    ) -> None:
        """Go on the ordinary way where the kernel has taken no more than ``taken`` bytes of a write."""
        received_at, reply_at = times
        (request,) = self._reader.feed(data, received_at)
        cached.count()
        record = self._book(request)
        self._exchange.take_up(record)
        record.reply = cached.reply
        if cached.seen is not None:
            self._space.metrics.book(record, cached.seen)
        self._space.hold_permits(record, cached.permits)
        self._exchange.carry_on(cached.plan, reply_at, cached.writes[: done + 1], taken)

    def _turns_to_http2(self) -> bool:
        """Whether a connection begins as HTTP/2's do; with a whole preface it is handed over."""
        raw = self._reader.raw
        begun = raw.startswith(HTTP2_PREFACE) or HTTP2_PREFACE.startswith(raw)
        if not raw or not begun or self._record.requests or self._exchange.busy:
            return False
        if self._tls and self._space.script.alpn and agreed_protocol(self._transport) != "h2":
            return False
        if len(raw) >= len(HTTP2_PREFACE):
            self._hand_over(raw)
        return True

    def _agreed_on_http2(self, requests: list[Request]) -> bool:
        """Whether requests of HTTP/1 came where ALPN chose HTTP/2: no server answers those."""
        if not (self._tls and requests and agreed_protocol(self._transport) == "h2"):
            return False
        self._space.journal.note(f"connection {self._record.id}: HTTP/1 where ALPN chose h2")
        self._end("close")
        return True

    def _hand_over(self, received: bytes) -> None:
        self._space.connections.discard(self)
        self._space.disconnects.remove(self._socket.fileno(), self)
        if self._readiness is not None:
            self._readiness.remove(self._socket)
            self._transport.resume_reading()
        self._open_http2(
            Handover(
                space=self._space,
                answering=self._answering,
                record=self._record,
                transport=self._transport,
                socket=self._socket,
                silent=self._silent,
                received=received,
            )
        )

    def _answer_early(self) -> bool:
        """Answer a request whose body is still to come, where TGI would not wait for it."""
        head = self._reader.awaited
        if head is None or self._exchange.busy or self._silent is not None or self._queue:
            return False
        plan = self._answering.early(head, self._reader.body_size, self._origin)
        if plan is None:
            return False
        unfinished = self._reader.unfinished or head
        unfinished.received_at = monotonic()
        self._reader = RequestReader(max_body=self._space.max_body)
        self._exchange.take_up(self._book(unfinished))
        self._exchange.answer(plan)
        self._exchange.run()
        return True

    def _book(self, request: Request) -> ExchangeRecord:
        space = self._space
        key = space.alias(request.first.get("authorization"))
        return space.journal.book(request, self._record, key=key, late=space.closed)

    def _book_unfinished(self) -> bool:
        """Book a request whose body will never end; false where there is none, or an answer is owed."""
        unfinished = self._reader.unfinished
        if unfinished is None or self._exchange.busy:
            return False
        unfinished.received_at = monotonic()
        record = self._book(unfinished)
        record.gone_at, record.ending = self._record.closed_at, "none"
        self._reader = RequestReader(max_body=self._space.max_body)
        return True

    # --- ends --------------------------------------------------------------------------------------

    def _played(self, plan: Plan) -> None:
        """Go on after a plan has come to its end."""
        if plan.ending == "keep":
            record = self._finish("complete")
            if self._life is Life.DRAINING:
                self._close()
                return
            if record is not None and self._readiness is not None:
                self._answering.remember(record.request, record, plan)
            self._serve_next()
            self._rest()
        elif plan.ending == "stall":
            self._exchange.move(TurnMove.HOLD)
            self._move(LifeMove.END)
        else:
            self._finish("fault" if plan.faulty else "complete")
            self._end(plan.ending)

    def _finish(self, ending: str) -> ExchangeRecord | None:
        """Book the end of the exchange, and tell those who wait for it."""
        record = self._exchange.finish(ending)
        if record is not None:
            self._space.journal.changed()
            if self._space.observe is not None:
                self._space.observe(self._space, record)
        return record

    def _end(self, ending: Ending) -> None:
        """End the connection as a plan says."""
        self._move(LifeMove.LINGER if ending == "linger" else LifeMove.END)
        if ending == "rst":
            self._closing.reset()
        elif ending == "linger":
            # The answer came before the body did.
            self._closing.linger()
        elif ending == "half-close":
            self._closing.shut()
        elif ending == "close" and self._tls:
            # The TLS layer takes its leave of the client, then closes.
            self._closing.close(shut=False)
        elif ending in {"fin", "close"}:
            self._exchange.wake()
            self._closing.close()

    def _close(self) -> None:
        self._move(LifeMove.END)
        self._exchange.wake()
        self._closing.close()

    def _idle(self) -> None:
        """End a connection that has been silent for long enough, unless a request has begun."""
        if self._life is Life.OPEN and not self._exchange.busy and not self._reader.pending:
            self._end("close")

    def _client_went(self, how: ClosedBy, at: float | None = None) -> None:
        if self._life in LEFT or self._record.closed_at is not None:
            return
        self._move(LifeMove.LEAVE)
        self._exchange.wake()
        now = monotonic() if at is None else at
        self._exchange.client_gone(now)
        self._closing.book(how, now)
