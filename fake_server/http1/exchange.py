"""The exchange that a connection is at: its plan played, write by write, as waits and kernel allow."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from time import monotonic

from tgi_conformance.fake_server.engine.late_headers import announce_close
from tgi_conformance.fake_server.engine.plans import Gate, Plan, Step, Wait, Write
from tgi_conformance.fake_server.http1.answering import Feed, OpenFeed
from tgi_conformance.fake_server.http1.pauses import Pauses
from tgi_conformance.fake_server.http1.states import BUSY, TURNS, Turn, TurnMove
from tgi_conformance.fake_server.journal.builder import MAX_WRITES, ExchangeRecord
from tgi_conformance.fake_server.space.gates import SpaceGate
from tgi_conformance.fake_server.space.idleness import Idleness


class CurrentExchange:
    """Plays the plan of one request after another.

    ``direct``: writes go to the socket itself, not through the transport. ``idleness`` is told when nothing
    goes on. ``played`` is called with a plan
    that has come to its end; ``impossible`` with a move that no table has.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        wire: socket.socket,
        gate: Callable[[str], SpaceGate],
        open_feed: OpenFeed,
        *,
        direct: bool,
        idleness: Idleness,
        played: Callable[[Plan], None],
        impossible: Callable[[str], None],
    ) -> None:
        self.turn = Turn.BETWEEN
        self.record: ExchangeRecord | None = None
        self._transport = transport
        self._send = wire.send if direct else None
        self._idleness = idleness
        self._played = played
        self._impossible = impossible
        self._open_feed = open_feed
        self._plan: Plan | None = None
        #: What gives a plan that grows its further steps.
        self._feed: Feed | None = None
        self._steps: deque[Step] = deque()
        self._pauses = Pauses(gate, self.run, self.write)
        #: The kernel takes no more for now.
        self._paused = False
        #: Steps are being done: what asks for more comes back to that loop, not deeper.
        self._running = False
        self._written = 0
        #: When each write of the plan went out.
        self._times: list[float] = []
        #: Monotonic seconds of the write that a pause may follow; 0 without one.
        self._write_begun = 0.0
        self._taken = 0
        #: How many written bytes the kernel has not taken.
        self._unsent: Callable[[], int] = transport.get_write_buffer_size

    @property
    def busy(self) -> bool:
        """Whether an exchange is under way."""
        return self.turn in BUSY

    def move(self, move: TurnMove) -> None:
        """Make a move of the turn's table."""
        after = TURNS[self.turn].get(move)
        if after is None:
            self._impossible(f"{move.name} while {self.turn.name}")
        else:
            self.turn = after

    def wake(self) -> None:
        """What comes next is not looked up: something has come, or has changed."""
        if self.turn is Turn.READY:
            self.move(TurnMove.WAKE)

    # --- one exchange ------------------------------------------------------------------------------

    def take_up(self, record: ExchangeRecord) -> None:
        """Begin with a request that was booked."""
        self.move(TurnMove.TAKE_UP)
        self._idleness.end()
        self.record = record

    def answer(self, plan: Plan) -> None:
        """Take the plan of its answer; :meth:`run` plays it."""
        self.move(TurnMove.ANSWER)
        self._plan = plan
        self._steps.extend(plan.steps)
        self._written = 0
        if self.record is not None:
            self.record.progress = self.sent
            self._times = self.record.answered_by(plan)
            if plan.grows is not None:
                self._feed = self._open_feed(plan, self.record, self.run)

    def carry_on(self, plan: Plan, begun: float, done: tuple[bytes, ...], taken: int) -> None:
        """Go on with a plan whose writes ``done`` were sent already, the last as far as ``taken`` bytes."""
        self.answer(plan)
        for _ in done:
            self._steps.popleft()
            self._times.append(begun)
        self._answer_begins(begun)
        self._written = sum(map(len, done))
        self._transport.write(done[-1][taken:])
        self.sent()
        self.run()

    def announce_close(self) -> None:
        """Say in an answer whose head is still to go out that the connection will be closed."""
        if self.record is not None and self.record.reply_at is None:
            announce_close(self._steps)

    def run(self) -> None:
        """Do steps until one has to wait."""
        if self._running or self.turn is not Turn.ANSWERING or self._pauses.waiting:
            return
        self._running = True
        steps, closing = self._steps, self._transport.is_closing
        while (steps or self._grow()) and not self._paused and not closing():
            if self._send is not None and self._send_writes(self._send):
                continue
            step = steps.popleft()
            if isinstance(step, Write):
                if step.interim:
                    self._transport.write(step.data)
                    self._book_write(monotonic())
                else:
                    self.write(step.data)
                    self._book_write(self._write_begun)
                    if self._feed is not None:
                        self._feed.written(step, self._write_begun)
            elif self._waits(step):
                break
        self._running = False
        plan = self._plan
        waits = self._paused or self._pauses.waiting or (self._feed is not None and not self._feed.over)
        if not self._steps and not waits and plan is not None:
            self._end_of(plan)

    def _grow(self) -> bool:
        """Take the further steps of a plan that grows; false where there are none now."""
        if self._feed is None or self._paused:
            return False
        self._steps.extend(self._feed.take())
        self._plan = self._feed.plan
        return bool(self._steps)

    def _end_of(self, plan: Plan) -> None:
        if plan.ending == "endless":
            self._steps.extend(plan.repeat)
            self.run()
            return
        self._plan = None
        self._played(plan)

    def finish(self, ending: str) -> ExchangeRecord | None:
        """Book the end of the exchange; gives its record, None where there was none."""
        record = self.record
        if record is None:
            return None
        self.move(TurnMove.FINISH)
        self._leave_feed()
        self.record = self._plan = None
        self._steps.clear()
        self._write_begun = 0.0
        now = monotonic()
        record.sent_bytes = self.sent()
        record.progress = None
        if ending != "client" and record.gone_at is None:
            record.replied_at = now
            record.ending = "fault" if ending == "fault" else "complete"
            self._idleness.begin()
        else:
            record.ending = "client"
            record.gone_at = record.gone_at or now
        return record

    def _leave_feed(self) -> None:
        if self._feed is not None:
            self._feed.leave()
            self._feed = None

    def client_gone(self, at: float) -> None:
        """Book that the client gave the exchange up; the first time counts."""
        if self.record is not None and self.record.gone_at is None:
            self.record.gone_at = at

    def stop(self) -> None:
        """Wait no more."""
        self._pauses.stop()
        self._idleness.end()

    # --- writing -----------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        self._write_begun = begun = monotonic()
        self._answer_begins(begun)
        self._written += len(data)
        self._transport.write(data)
        self.sent()

    def sent(self) -> int:
        """How many bytes the kernel has taken."""
        self._taken = self._written - self._unsent()
        return self._taken

    def lose(self) -> None:
        """The connection is no more; what the kernel had taken stays as it was last known."""
        unsent = self._written - self._taken
        self._unsent = lambda: unsent

    def pause(self) -> None:
        """Wait for the kernel."""
        self._paused = True

    def resume(self) -> None:
        """Go on: the kernel has every byte."""
        self._paused = False
        self._write_begun = 0.0
        self.run()

    def _send_writes(self, send: Callable[[bytes], int]) -> bool:
        """Hand the writes that come next to the socket itself, a call each; false where none of them went.

        The transport would do the same, at twice the cost. It gets what the kernel does not take, and a
        write that fails, so that it meets the failure itself.
        """
        steps, written = self._steps, self._written
        begun, done, rest = 0.0, 0, b""
        with contextlib.suppress(OSError):
            for step in steps:
                if type(step) is not Write or step.interim:
                    break
                data = step.data
                at = monotonic()
                taken = send(data)
                self._book_write(at)
                if self._feed is not None:
                    self._feed.written(step, at)
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
        self.sent()
        return True

    def _book_write(self, at: float) -> None:
        if len(self._times) < MAX_WRITES:
            self._times.append(at)

    def _waits(self, step: Wait | Gate) -> bool:
        """Begin to wait; false where there is nothing to wait for."""
        # A pause between two writes is from the start of the one to the start of the other.
        begun, self._write_begun = self._write_begun, 0.0
        answering = self.record is not None and self.record.reply_at is not None
        keep = self._plan.keep_alive if answering and self._plan is not None else None
        return self._pauses.begin(step, begun, keep)

    def _answer_begins(self, at: float) -> None:
        if self.record is not None and self.record.reply_at is None:
            self.record.reply_at = at
            self.record.status = None if self._plan is None else self._plan.status
