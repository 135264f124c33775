"""One TCP connection: bytes in, plans out. The only place that writes to a client's socket."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

from tgi_conformance.contracts.journal import ClosedBy
from tgi_conformance.fake_server.engine.plans import Ending, Gate, Plan, Step, Wait, Write, announce_close
from tgi_conformance.fake_server.http.parsing import ParseError, Request, RequestReader
from tgi_conformance.fake_server.http1.closing import Closing
from tgi_conformance.fake_server.http1.pauses import Pauses
from tgi_conformance.fake_server.journal.builder import ExchangeRecord

if TYPE_CHECKING:
    from tgi_conformance.fake_server.engine.answer_cache import CachedAnswer
    from tgi_conformance.fake_server.http2.connection import Http2Connection
    from tgi_conformance.fake_server.space.readiness import Readiness
    from tgi_conformance.fake_server.space.space import Space

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_MAX_PIPELINED: Final = 1000
_LONG_DECISION: Final = 0.0005
"""Seconds after which a client may have changed its mind before its answer was decided on."""
_MAX_WAITING: Final = 16 * 1024 * 1024
"""Bytes of bodies that may wait behind a running answer; beyond them the connection is not read."""
MAX_CONNECTIONS: Final = 16_384
"""Open connections of one space; one more is closed at once, and a note says so."""

#: Space, request, its record -> what is done for it.
Respond = Callable[["Space", Request, ExchangeRecord], Plan]
#: Space, origin -> what is done for a new connection, if the script has something for it.
Accept = Callable[["Space", str], "tuple[str, Plan] | None"]
#: Space, head of a request, bytes of its body that have come, origin -> the answer that does not wait for it.
Early = Callable[["Space", Request, int, str], "Plan | None"]
#: Space, request, its record, its plan: lets the answer stand for the next such request, if that holds.
Remember = Callable[["Space", Request, ExchangeRecord, Plan], None]
#: Status, space -> the answer to bytes that are no request, or to a body that broke off.
Refuse = Callable[[int], bytes]


#: Where every connection's bytes are read to: each takes them out before the next is read. (What asyncio
#: allots for each read by itself costs a mapping of memory and its end.)
_WINDOW: Final = memoryview(bytearray(256 * 1024))


class Connection(asyncio.BufferedProtocol):
    """Serves the requests of one connection one after another, each by its plan."""

    #: Whether its bytes may be read in the order and the amount in which they come.
    _read_directly = True

    def __init__(
        self,
        space: "Space",
        origin: str,
        *,
        respond: Respond,
        accept: Accept,
        refuse: Refuse,
        early: Early,
        remember: Remember,
    ) -> None:
        self._space = space
        self._origin = origin
        self._respond = respond
        self._accept = accept
        self._refuse = refuse
        self._early = early
        self._remember = remember
        self._answers = space.answer_cache(origin)
        self._reader = RequestReader(max_body=space.max_body)
        self._queue: deque[Request] = deque()
        self._current: ExchangeRecord | None = None
        self._plan: Plan | None = None
        self._steps: deque[Step] = deque()
        self._pauses = Pauses(space.gate, self._run, self._write)
        self._lingering = False
        self._draining = False
        self._paused = False
        self._running = False
        self._silent: str | None = None
        self._ended = False
        self._gone: ClosedBy | None = None
        self._written = 0
        #: Monotonic seconds of the write that a pause may follow; 0 without one.
        self._write_begun = 0.0
        self._taken = 0
        self._lost = False
        self._serving = False
        self._held_back = False
        #: What reads in place of the transport; None: the transport reads.
        self._readiness: Readiness | None = None
        #: Whether nothing is going on: no exchange, no close, no bytes that wait.
        self._idle = False

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
        journal = self._space.journal
        self._record = journal.open_connection(self._origin, monotonic())
        self._closing = Closing(journal, self._record, self._transport, self._socket)
        self._space.connections.add(self)
        self._space.disconnects.add(self._socket.fileno(), self)
        if self._read_directly and not self._tls and self._space.readiness is not None:
            self._readiness = self._space.readiness
            self._transport.pause_reading()
            self._readiness.add(self._socket, self, self._space)
        if len(self._space.connections) > MAX_CONNECTIONS:
            self._space.journal.note(f"over {MAX_CONNECTIONS} open connections: one more was closed")
            self.abort()
            return
        accepted = None if self._space.closed else self._accept(self._space, self._origin)
        if accepted is not None:
            self._silent, plan = accepted
            self._end(plan.ending)
        self._idle = self._is_idle()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give asyncio room for the bytes that may be read now."""
        del sizehint
        return _WINDOW

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self.data_received(bytes(_WINDOW[:nbytes]))

    def read(self, data: bytes, now: float) -> None:
        """Take what was read in the transport's place; no bytes: the client has shut its side."""
        if self._idle:
            cached = self._answers.find(data)
            if cached is not None and self._answer_again(cached, data, now):
                return
            self._idle = False
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

    def data_received(self, data: bytes) -> None:
        """Read requests and serve them."""
        self._take(data, monotonic())

    def _take(self, data: bytes, now: float) -> None:
        self._space.journal.last_activity = now
        if self._lingering:
            return
        try:
            requests = self._reader.feed(data, now)
        except ParseError as error:
            if self._turns_to_http2():
                return
            self._space.journal.note(f"connection {self._record.id}: {error}: {self._reader.raw[:2000]!r}")
            self._write(self._refuse(error.status))
            self._close()
            return
        if self._reader.awaited is not None and not requests and self._answer_early():
            return
        if self._reader.expects_continue and self._silent is None:
            self._reader.expects_continue = False
            self._transport.write(CONTINUE)
        self._queue.extend(requests)
        if self._current is not None and sum(len(request.body) for request in self._queue) > _MAX_WAITING:
            self._held_back = True
            self._pause_reading()
        if len(self._queue) > _MAX_PIPELINED:
            self._space.journal.note(f"connection {self._record.id}: over {_MAX_PIPELINED} requests in a row")
            self.abort()
            return
        if self._current is None:
            self._serve_next()

    def eof_received(self) -> bool:
        """Take the client's FIN: whoever shuts the write side gets no answer (as hyper does)."""
        self._client_went("client-fin")
        if self._book_unfinished():
            self._write(self._refuse(0))
        self._sent()
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Book the end and let go of everything."""
        self._lost = True
        if exc is not None:
            self._client_went("client-rst")
            self._book_unfinished()
        elif self._gone is None:
            self._closing.book("server")
        if self._current is not None:
            self._finish("fault" if self._ended else "client")
        self._pauses.stop()
        self._space.connections.discard(self)
        self._space.disconnects.remove(self._socket.fileno(), self)
        if self._readiness is not None:
            self._readiness.remove(self._socket)
        self._socket.detach()

    def pause_writing(self) -> None:
        """Wait for the kernel."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on: the kernel has every byte."""
        self._paused = False
        self._write_begun = 0.0
        self._run()

    # --- what the space calls ----------------------------------------------------------------------

    def peek(self, at: float | None = None) -> None:
        """Book a close that the client has sent but the loop has not yet reported.

        ``at`` is the time (monotonic seconds) that it is booked with at the latest; default now.
        """
        how = None if self._gone is not None else self._closing.by_client()
        if how is not None:
            self._client_went(how, at)

    def end_with_space(self) -> None:
        """End an exchange that still runs; an idle connection stays, for what comes late on it."""
        if self._current is not None or self._silent is not None:
            self._ended = True
            self.abort()

    def drain(self) -> None:
        """Finish the exchange that runs and close; an idle connection is closed at once."""
        self._idle = False
        if self._current is None:
            if not self._ended:
                self._close()
            return
        if not self._draining and self._current.reply_at is None:
            announce_close(self._steps)
        self._draining = True

    def abort(self) -> None:
        """Close at once."""
        self._idle = False
        self._transport.abort()

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
            self._serve_waiting()
        finally:
            self._serving = False

    def _serve_waiting(self) -> None:
        while self._queue and self._current is None and (self._silent is not None or not self._ended):
            request = self._queue.popleft()
            if self._space.peeked_at != request.received_at:
                self._space.peek(request.received_at)
            record = self._book(request)
            if self._silent is not None:
                record.reply, self._current, self._ended = self._silent, record, True
                return
            if self._gone is not None:
                record.gone_at, record.ending = self._record.closed_at, "client"
                self._transport.abort()
                return
            if self._held_back and not self._queue:
                self._held_back = False
                self._resume_reading()
            self._current = record
            plan = self._respond(self._space, request, record)
            self._plan = plan
            self._steps.extend(plan.steps)
            record.progress = self._sent
            self._written = 0
            # Where deciding took a while: whoever has shut the write side meanwhile gets no answer.
            if monotonic() - request.received_at > _LONG_DECISION:
                self.peek()
            if self._gone is not None:
                self._transport.abort()
                return
            self._run()

    def _answer_again(self, cached: "CachedAnswer", data: bytes, now: float) -> bool:
        """Send an answer that stands; false where it stands no more, and nothing was sent.

        The books say what the ordinary way would have written into them.
        """
        space = self._space
        begun = monotonic()
        if begun - now > _LONG_DECISION:
            self.peek()
        if (
            begun >= cached.until
            or self._gone is not None
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
            self._idle = False
            self._carry_on(cached, data, (now, begun), done, taken)
            return True
        ended = monotonic()
        cached.count()
        space.journal.book_answered(self._record, cached, data, (now, begun, ended))
        if cached.seen is not None:
            space.metrics.book_over(cached.seen, ended - now)
        return True

    def _carry_on(
        self, cached: "CachedAnswer", data: bytes, times: tuple[float, float], done: int, taken: int
    ) -> None:
        """Go on the ordinary way where the kernel has taken no more than ``taken`` bytes of a write."""
        received_at, reply_at = times
        (request,) = self._reader.feed(data, received_at)
        cached.count()
        record = self._current = self._book(request)
        record.reply, record.progress = cached.reply, self._sent
        if cached.seen is not None:
            self._space.metrics.book(record, cached.seen)
        self._space.hold_permits(record, cached.permits)
        self._plan = cached.plan
        self._steps.extend(cached.plan.steps[done + 1 :])
        self._answer_begins(reply_at)
        self._written = sum(map(len, cached.writes[: done + 1]))
        self._transport.write(cached.writes[done][taken:])
        self._sent()
        self._run()

    def _turns_to_http2(self) -> bool:
        """Whether a connection begins as HTTP/2's do; with a whole preface it is handed over."""
        raw = self._reader.raw
        begun = raw.startswith(HTTP2_PREFACE) or HTTP2_PREFACE.startswith(raw)
        if not begun or self._record.requests or self._current is not None:
            return False
        if len(raw) >= len(HTTP2_PREFACE):
            self._hand_over(raw)
        return True

    def _hand_over(self, received: bytes) -> None:
        self._space.connections.discard(self)
        self._space.disconnects.remove(self._socket.fileno(), self)
        taken_over = self._http2()(
            self._space,
            self._record,
            self._transport,
            self._socket,
            respond=self._respond,
            early=self._early,
            silent=self._silent,
        )
        if self._readiness is not None:
            self._readiness.remove(self._socket)
            self._transport.resume_reading()
        taken_over.begin(received)

    def _http2(self) -> "type[Http2Connection]":
        # Not before it is needed: whoever speaks HTTP/1 only does not pay for the library.
        from tgi_conformance.fake_server.http2.connection import Http2Connection  # noqa: PLC0415

        return Http2Connection

    def _answer_early(self) -> bool:
        """Answer a request whose body is still to come, where TGI would not wait for it."""
        head = self._reader.awaited
        if head is None or self._current is not None or self._silent is not None or self._queue:
            return False
        plan = self._early(self._space, head, self._reader.body_size, self._origin)
        if plan is None:
            return False
        unfinished = self._reader.unfinished or head
        unfinished.received_at = monotonic()
        self._reader = RequestReader(max_body=self._space.max_body)
        record = self._current = self._book(unfinished)
        record.progress, self._written = self._sent, 0
        self._plan = plan
        self._steps.extend(plan.steps)
        self._run()
        return True

    def _book(self, request: Request) -> ExchangeRecord:
        space = self._space
        key = space.alias(request.first.get("authorization"))
        return space.journal.book(request, self._record, key=key, late=space.closed)

    def _book_unfinished(self) -> bool:
        """Book a request whose body will never end; false where there is none, or an answer is owed."""
        unfinished = self._reader.unfinished
        if unfinished is None or self._current is not None:
            return False
        unfinished.received_at = monotonic()
        record = self._book(unfinished)
        record.gone_at, record.ending = self._record.closed_at, "none"
        self._reader = RequestReader(max_body=self._space.max_body)
        return True

    def _run(self) -> None:
        """Do steps until one has to wait."""
        if self._running or self._current is None or self._pauses.waiting:
            return
        self._running = True
        steps, closing = self._steps, self._transport.is_closing
        while steps and not self._paused and not closing():
            if self._readiness is not None and self._send_writes():
                continue
            step = steps.popleft()
            if isinstance(step, Write):
                if step.interim:
                    self._transport.write(step.data)
                else:
                    self._write(step.data)
            elif not self._waits(step):
                continue
            else:
                break
        self._running = False
        if not self._steps and not self._paused and not self._pauses.waiting and self._plan is not None:
            self._complete(self._plan)

    def _send_writes(self) -> bool:
        """Hand the writes that come next to the socket itself, a call each; false where none of them went.

        The transport would do the same, at twice the cost. It gets what the kernel does not take, and a
        write that fails, so that it meets the failure itself.
        """
        steps, send, written = self._steps, self._socket.send, self._written
        begun, done, rest = 0.0, 0, b""
        with contextlib.suppress(OSError):
            for step in steps:
                if type(step) is not Write or step.interim:
                    break
                data = step.data
                at = monotonic()
                taken = send(data)
                begun = begun or at
                self._write_begun = at
                done += 1
                written += len(data)
                if taken != len(data):
                    rest = data[taken:]
                    break
        if not done:
            return False
        self._answer_begins(begun)
        self._written = written
        for _ in range(done):
            steps.popleft()
        if rest:
            self._transport.write(rest)
        self._sent()
        return True

    def _waits(self, step: Wait | Gate) -> bool:
        """Begin to wait; false where there is nothing to wait for."""
        # A pause between two writes is from the start of the one to the start of the other.
        begun, self._write_begun = self._write_begun, 0.0
        answering = self._current is not None and self._current.reply_at is not None
        keep = self._plan.keep_alive if answering and self._plan is not None else None
        return self._pauses.begin(step, begun, keep)

    def _write(self, data: bytes) -> None:
        self._write_begun = begun = monotonic()
        self._answer_begins(begun)
        self._written += len(data)
        self._transport.write(data)
        self._sent()

    def _answer_begins(self, at: float) -> None:
        if self._current is not None and self._current.reply_at is None:
            self._current.reply_at = at
            self._current.status = None if self._plan is None else self._plan.status

    def _sent(self) -> int:
        """How many bytes the kernel has taken; once the connection is lost, what was last known."""
        if not self._lost:
            self._taken = self._written - self._transport.get_write_buffer_size()
        return self._taken

    def _complete(self, plan: Plan) -> None:
        self._plan = None
        if plan.ending == "keep":
            record = self._current
            self._finish("complete")
            if self._draining:
                self._close()
                return
            if record is not None and self._readiness is not None:
                self._remember(self._space, record.request, record, plan)
            self._serve_next()
            self._idle = self._is_idle()
        elif plan.ending == "endless":
            self._plan = plan
            self._steps.extend(plan.repeat)
            self._run()
        elif plan.ending == "stall":
            self._ended = True
        else:
            self._finish("fault" if plan.faulty else "complete")
            self._end(plan.ending)

    def _is_idle(self) -> bool:
        """Whether the next bytes may be a request that an answer stands for, and nothing else."""
        busy = self._current is not None or self._ended or self._draining or self._lingering
        waits = self._queue or self._held_back or self._reader.pending or self._silent is not None
        return self._readiness is not None and self._gone is None and not busy and not waits

    def _finish(self, ending: str) -> None:
        record, self._current = self._current, None
        if record is None:
            return
        self._steps.clear()
        self._plan = None
        self._write_begun = 0.0
        now = monotonic()
        record.sent_bytes = self._sent()
        record.progress = None
        if ending != "client" and record.gone_at is None:
            record.replied_at = now
            record.ending = "fault" if ending == "fault" else "complete"
        else:
            record.ending = "client"
            record.gone_at = record.gone_at or now
        self._space.journal.changed()
        if self._space.observe is not None:
            self._space.observe(self._space, record)

    def _end(self, ending: Ending) -> None:
        """End the connection as a plan says."""
        self._ended = True
        if ending == "rst":
            self._closing.reset()
        elif ending == "linger":
            # The answer came before the body did.
            self._lingering = True
            self._closing.linger()
        elif ending == "half-close":
            self._closing.shut()
        elif ending == "close" and self._tls:
            # The TLS layer takes its leave of the client, then closes.
            self._closing.close(shut=False)
        elif ending in {"fin", "close"}:
            self._close()

    def _close(self) -> None:
        self._ended = True
        self._idle = False
        self._closing.close()

    def _client_went(self, how: ClosedBy, at: float | None = None) -> None:
        if self._gone is not None or self._record.closed_at is not None:
            return
        self._gone = how
        self._idle = False
        now = monotonic() if at is None else at
        if self._current is not None and self._current.gone_at is None:
            self._current.gone_at = now
        self._closing.book(how, now)
