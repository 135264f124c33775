"""One stream of an HTTP/2 connection: its request as it comes in, its answer as the plan has it."""

from collections import deque
from time import monotonic
from typing import Final, Protocol

from tgi_conformance.fake_server.engine.plans import Ending, Gate, Http2Head, Plan, Step, Wait, Write
from tgi_conformance.fake_server.http.parsing import Request
from tgi_conformance.fake_server.http1.answering import Feed, OpenFeed
from tgi_conformance.fake_server.http1.pauses import Pauses
from tgi_conformance.fake_server.http2.sending import Sending
from tgi_conformance.fake_server.journal.builder import MAX_WRITES, ExchangeRecord
from tgi_conformance.fake_server.space.gates import SpaceGate

#: Endings after which an answer is whole and its stream ends.
_WHOLE: Final = frozenset({"keep", "close", "linger"})
#: Endings that are one stream's own affair; any other ends the connection.
_OF_STREAM: Final = _WHOLE | {"stall", "endless", "reset-stream"}


class Carrier(Protocol):
    """What a stream asks of the connection that carries it."""

    sending: Sending

    @property
    def open_feed(self) -> OpenFeed:
        """Opens the feed of a plan that grows."""

    def gate(self, name: str) -> SpaceGate:
        """The space's gate of a name."""

    def finished(self, stream: "Http2Stream") -> None:
        """Forget a stream whose exchange is over."""

    def end(self, ending: Ending) -> None:
        """End the connection as a plan says; the other streams end with it."""

    def drain(self) -> None:
        """Take no more streams, finish those that run, and close."""


class Http2Stream:
    """Serves one request; the connection carries its frames."""

    def __init__(self, connection: Carrier, stream_id: int, request: Request) -> None:
        self.id = stream_id
        self.request = request
        self.body = bytearray()
        #: Whether the client has said that its request ends.
        self.request_ended = False
        self.record: ExchangeRecord | None = None
        self._connection = connection
        self._sending = connection.sending
        self._pauses = Pauses(connection.gate, self.run, self._speak)
        self._plan: Plan | None = None
        #: What gives a plan that grows its further steps.
        self._feed: Feed | None = None
        self._steps: deque[Step] = deque()
        self._headed = True
        self._pending = bytearray()
        self._end_due = False
        self._ended = False
        self._running = False
        #: Monotonic seconds of the write that a pause may follow; 0 without one.
        self._write_begun = 0.0
        self._written = 0
        #: When each write of the plan went out.
        self._times: list[float] = []

    @property
    def blocked(self) -> bool:
        """Whether something waits for room to be sent."""
        return bool(self._pending) or self._end_due

    def play(self, plan: Plan, record: ExchangeRecord) -> None:
        """Begin with the answer."""
        self.record = record
        self._plan = plan
        self._steps.extend(plan.steps)
        self._headed = plan.grows is not None or any(
            step.head is not None for step in plan.steps if isinstance(step, Write)
        )
        record.progress = self._sent
        self._times = record.answered_by(plan)
        if plan.grows is not None:
            self._feed = self._connection.open_feed(plan, record, self.resume)
        self.run()

    def run(self) -> None:
        """Do steps until one has to wait, or all are done."""
        if self._running or self._plan is None:
            return
        self._running = True
        while self._may_go_on() and (self._steps or self._grow()):
            step = self._steps.popleft()
            if isinstance(step, Write):
                self._write(step, self._plan)
            else:
                self._wait(step, self._plan)
        if self._lacks_end(self._plan):
            self._end_due = True
            self._sending.pump(self)
        self._running = False
        grows = self._feed is not None and not self._feed.over
        if not self._steps and not grows and self._may_go_on():
            self._complete(self._plan)

    def _grow(self) -> bool:
        """Take the further steps of a plan that grows; false where there are none now."""
        if self._feed is None:
            return False
        self._steps.extend(self._feed.take())
        self._plan = self._feed.plan
        return bool(self._steps)

    def resume(self) -> None:
        """Go on after something stood in the way: a pause that follows counts from now."""
        if not self._running:
            self._write_begun = 0.0
            self.run()

    def _lacks_end(self, plan: Plan) -> bool:
        """Whether all is sent but the end of the stream, which no write took along (a hold came last)."""
        whole = plan.ending in _WHOLE and self._headed and not self._ended
        return whole and not self._steps and self._may_go_on()

    def _may_go_on(self) -> bool:
        return not (self.blocked or self._pauses.waiting or self._sending.paused)

    def push(self) -> bool:
        """Send one frame of what waits, as far as the peer takes it; false where it takes none now."""
        if self._pending:
            size = min(len(self._pending), self._sending.room(self.id))
            if size <= 0:
                return False
            piece = bytes(self._pending[:size])
            del self._pending[:size]
            ends = self._end_due and not self._pending
            self._written += self._sending.data(self, piece, ends=ends)
        else:
            ends = self._end_due
            self._written += self._sending.data(self, b"", ends=ends)
        if ends:
            self._end_due, self._ended = False, True
        return True

    def client_gone(self, at: float) -> None:
        """Book that the client gave the stream up; the first time counts."""
        if self.record is not None and self.record.gone_at is None:
            self.record.gone_at = at

    def finish(self, ending: str) -> None:
        """Book the end and let go of everything."""
        self._pauses.stop()
        self._steps.clear()
        self._pending.clear()
        self._end_due = False
        if self._feed is not None:
            self._feed.leave()
            self._feed = None
        record, self._plan = self.record, None
        if record is None:
            return
        record.sent_bytes, record.progress = self._sent(), None
        now = monotonic()
        if ending != "client" and record.gone_at is None:
            record.replied_at = now
            record.ending = "fault" if ending == "fault" else "complete"
        else:
            record.ending = "client"
            record.gone_at = record.gone_at or now
        self._connection.finished(self)

    # --- steps -------------------------------------------------------------------------------------

    def _write(self, step: Write, plan: Plan) -> None:
        self._write_begun = begun = monotonic()
        if len(self._times) < MAX_WRITES:
            self._times.append(begun)
        record = self.record
        if record is not None and record.reply_at is None and not step.interim:
            record.reply_at, record.status = begun, plan.status
        if not self._headed and not step.interim:
            self._written += self._sending.raw(step.data)
            return
        last = not self._steps and plan.ending in _WHOLE and not step.interim
        if step.head is not None:
            self._send_head(step.head, ends=last and not step.data)
        if self._feed is not None:
            self._feed.written(step, begun)
        if step.data or (last and not self._ended):
            self._pending += step.data
            self._end_due = last
            self._sending.pump(self)
        else:
            self._sending.flush()

    def _send_head(self, head: Http2Head, *, ends: bool) -> None:
        self._written += self._sending.head(self, head, ends=ends)
        self._ended = ends

    def _speak(self, data: bytes) -> None:
        """Break a silence, unless what went before has not even been taken."""
        if not self.blocked and not self._sending.paused:
            self._write_begun = monotonic()
            self._pending += data
            self._sending.pump(self)

    def _wait(self, step: Wait | Gate, plan: Plan) -> None:
        begun, self._write_begun = self._write_begun, 0.0
        answering = self.record is not None and self.record.reply_at is not None
        self._pauses.begin(step, begun, plan.keep_alive if answering else None)

    def _complete(self, plan: Plan) -> None:
        if plan.ending == "endless":
            self._steps.extend(plan.repeat)
            self.run()
            return
        if plan.ending == "stall":
            return
        if not self._headed or plan.ending not in _OF_STREAM:
            self.finish("fault" if plan.faulty else "complete")
            self._connection.end(plan.ending)
            return
        if plan.ending == "reset-stream":
            self._sending.broken(self.id)
        elif not self.request_ended:
            self._sending.wave_off(self.id)
        self.finish("fault" if plan.faulty else "complete")
        if plan.ending == "close":
            self._connection.drain()

    def _sent(self) -> int:
        """How many bytes of its frames the kernel has taken, as far as can be told."""
        return max(self._written - self._sending.unsent(self), 0)
