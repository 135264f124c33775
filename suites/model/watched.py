"""A run watched: what the journal and the outcomes show, each held against the model as it comes.

A breach is raised under the clause that it breaks.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.script import Reply
from tgi_conformance.fake_server.client import Condition, Space, WaitTimeout, gone, received
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.expect import describe
from tgi_conformance.suites.harness.policy import most_attempts
from tgi_conformance.suites.model.fates import NO_WAIT, RATE_LIMITED
from tgi_conformance.suites.model.replies import text_of
from tgi_conformance.suites.model.state import (
    CallState,
    EndpointState,
    Phase,
    breach_of,
    broken,
    why_missing,
)
from tgi_conformance.suites.shapes.calls import Shape


@dataclass(slots=True, kw_only=True)
class Made:
    """A call of the model and the call of the backend that it stands for."""

    state: CallState
    prompt: str
    running: Running
    replies: tuple[Reply, ...]
    #: The outcome was looked at.
    concluded: bool = False
    #: The caller has taken it back; the clause that a further request of it breaks.
    withdrawn: str = ""


@dataclass(slots=True)
class WatchedRun:
    """What a run has seen so far; ``patience`` gives the seconds that what must happen may take."""

    case: Case
    shape: Shape
    patience: Callable[[Journal], float]
    calls: dict[str, Made] = field(default_factory=dict)
    endpoints: dict[str, EndpointState] = field(default_factory=dict)
    #: Endpoint name -> the backend's id.
    ids: dict[str, str] = field(default_factory=dict)
    #: Clauses that the example has had something to say of.
    looked: set[str] = field(default_factory=set)
    journal: Journal = field(default_factory=Journal)
    #: Prompts of calls that must never be on the wire.
    never_sent: dict[str, CallState] = field(default_factory=dict)
    _space: Space | None = None
    #: Exchange id -> the call; those whose answer was taken note of.
    _seen: dict[int, CallState] = field(default_factory=dict)
    _over: set[int] = field(default_factory=set)

    @property
    def space(self) -> Space:
        """The space of all endpoints."""
        if self._space is None:
            self._space = self.case.serve()
        return self._space

    # --- looking -----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait for what must be on the wire; hold what came, and the calls that ended, against the model.

        What comes or is answered meanwhile gives the rest its time anew: a slow client may need as much for
        each that takes a slot, and the others wait for theirs.
        """
        deadline, fresh, seen = time.monotonic() + self._seconds(), False, self._moves()
        while (missing := self._must_start()) or not fresh:
            if missing:
                self._wait(received(len(self.journal.generations) + missing), deadline - time.monotonic())
            else:
                self.take(self.space.journal())
            fresh = True
            self._drop_refused()
            if (moves := self._moves()) != seen:
                seen, deadline = moves, time.monotonic() + self._seconds()
            elif time.monotonic() > deadline:
                self._missing()
                break
        for made in self.calls.values():
            self._conclude(made)

    def _drop_refused(self) -> None:
        """Calls that found their place in the queue taken by one back from backoff were refused."""
        for made in self.calls.values():
            state = made.state
            if state.uncertain and state.phase is Phase.WAITING and made.running.over:
                self.take(self.space.journal())
                if state.phase is Phase.WAITING:
                    state.end("free", forbidden="QUEUE-04")
                    made.concluded = True

    def take(self, journal: Journal) -> None:
        """Take note of the requests and answers that are new in the journal, in their order."""
        self.journal = journal
        events: list[tuple[float, int, str, Exchange]] = []
        for exchange in journal.generations:
            if not exchange.body_complete:
                continue  # taken back while it was being sent: nobody can say whose it was
            if exchange.id not in self._seen:
                events.append((exchange.received_at, exchange.id, "came", exchange))
            if exchange.over_at is not None and exchange.id not in self._over:
                # A client may be gone before its request was read.
                over_at = max(exchange.over_at, exchange.received_at)
                events.append((over_at, exchange.id, "over", exchange))
        started: list[CallState] = []
        for _, number, what, exchange in sorted(events, key=lambda event: event[:3]):
            if what == "came":
                started.append(self._came(exchange))
            else:
                self._answered(exchange, self._seen[number])
                self._over.add(number)
        for endpoint in self.endpoints.values():
            endpoint.in_order([call for call in started if call.endpoint is endpoint])

    def _came(self, exchange: Exchange) -> CallState:
        call = self._whose(exchange)
        self._seen[exchange.id] = call
        self.looked |= {"QUEUE-01", "MUX-01"}
        self.looked |= {"QUEUE-03", "QUEUE-07"} if call.queued and call.phase is Phase.WAITING else set()
        if call.phase is Phase.ASLEEP:
            self.looked |= {"RETRY-01", "RETRY-08", "RETRY-16", "MUX-04"}
        call.endpoint.starts(call, at=exchange.first_byte_at, key=exchange.key, body=exchange.body)
        return call

    def _answered(self, exchange: Exchange, call: CallState) -> None:
        if call.phase is not Phase.SENT:
            return
        withdrawn = self.calls[call.name].withdrawn
        if withdrawn:
            call.end("free", forbidden=withdrawn)
            return
        if exchange.replied_at is None and not call.fate.breaks and not call.opened:
            # The client went away although nobody had told it to.
            broken(
                "QUEUE-07",
                expected=f"{call.name} waits for its answer",
                observed="its connection was closed by the client",
            )
        call.endpoint.answered(call, at=exchange.reply_at or exchange.over_at or exchange.received_at)

    def _whose(self, exchange: Exchange) -> CallState:
        text = exchange.body.decode("utf-8", "replace").replace("\\/", "/")
        for made in self.calls.values():
            if made.prompt in text:
                return made.state
        for prompt, state in self.never_sent.items():
            if prompt in text:
                return state
        raise breach_of("REQ-15")("requests of the calls that were made", text[:300])

    def _conclude(self, made: Made) -> None:
        """Hold the outcome of a call that must have ended against what the server did with it."""
        state = made.state
        if made.concluded:
            return
        if state.phase is Phase.ASLEEP:
            self._still_asleep(made)
        if state.live:
            return
        made.concluded = True
        expected = "succeeds" if state.ending == "good" else "fails"
        self._expect_over(made, "QUEUE-07", f"{state.name} {expected}: it was answered {state.last}")
        outcome = made.running.wait()
        if state.ending == "good":
            self._judge_success(made)
        elif outcome.returned and state.last is not None:
            # It may have been tried once more, and answered well, since the journal was read.
            self.take(self.space.journal())
            broken(
                _MUST_RAISE.get(state.last.kind, "ERR-01"),
                expected=f"an error from {state.name}: it was answered {state.last}",
                observed=describe(outcome),
            )

    def _still_asleep(self, made: Made) -> None:
        """A call in backoff that has ended was given up: right if too long or no more is declared."""
        state, running = made.state, made.running
        if not running.over:
            return
        # It may have woken, been answered and ended since the journal was read.
        self.take(self.space.journal())
        if state.phase is not Phase.ASLEEP:
            return
        if state.long_asleep or state.may_end:
            forbidden = "RETRY-07" if state.long_asleep else "REQ-15"
            state.end("failed", forbidden=forbidden, last=state.fate)
            return
        clause = "RETRY-02" if state.fate.status == RATE_LIMITED else "RETRY-20"
        clause = "RETRY-06" if state.fate.retry_after == NO_WAIT else clause
        others = [other for other in self.endpoints.values() if other is not state.endpoint]
        taken_over = any(state.attempts == most_attempts(other.policy) for other in others)
        broken(
            # Where endpoints differ and the call ended at another's limit, it has that one's.
            "MUX-06" if taken_over else clause,
            expected=f"another attempt of {state.name} after {state.fate},"
            f" {state.attempts} of {state.endpoint.policy.max_retries} retries used",
            observed=describe(running.wait()),
        )

    def _judge_success(self, made: Made) -> None:
        state, outcome = made.state, made.running.wait()
        wanted = text_of(state)
        self.looked |= {"QUEUE-09"} | ({"QUEUE-13"} if state.queued else set())
        if outcome.returned and outcome.says(wanted):
            return
        clause = "QUEUE-09"
        if outcome.returned and state.streaming:
            clause = "STREAM-27"
        elif not outcome.returned and state.attempts > 1:
            clause = "RETRY-02"
        elif not outcome.returned and state.queued:
            clause = "QUEUE-13"
        broken(clause, expected=f"the text {wanted!r} from {state.name}", observed=describe(outcome))

    # --- waiting -----------------------------------------------------------------------------------------

    def _wait(self, until: Condition, seconds: float) -> bool:
        """Wait for a condition, take note of the journal either way; false: it did not come."""
        try:
            self.take(self.space.wait(until, max(0.0, seconds)))
        except WaitTimeout as timeout:
            self.take(timeout.journal)
            return False
        return True

    def _expect_over(self, made: Made, clause: str, expected: str) -> None:
        if made.running.wait_briefly(self._seconds()) is None:
            self.take(self.space.journal())
            broken(clause, expected=expected, observed=f"it goes on after {self._seconds():.1f} s", late=True)

    def _expect_gone(self, made: Made, clause: str) -> None:
        """The connection of a call's last request closes before its answer is over."""
        before = sum(exchange.gone_at is not None for exchange in self.journal.generations)
        if made.state.phase is Phase.SENT and not self._wait(gone(before + 1), self._seconds()):
            broken(
                clause,
                expected=f"the connection of {made.state.name} is closed",
                observed="it stands open",
                late=True,
            )

    def _must_start(self) -> int:
        return sum(endpoint.must_start(self.journal.now) for endpoint in self.endpoints.values())

    def _missing(self) -> None:
        for endpoint in self.endpoints.values():
            if endpoint.must_start(self.journal.now):
                others = [other for other in self.endpoints.values() if other is not endpoint]
                why_missing(endpoint, others, self.journal.now)

    def _moves(self) -> tuple[int, int]:
        """How many requests have come, and how many were answered."""
        return len(self.journal.generations), self._answers()

    def _answers(self) -> int:
        return sum(exchange.ending in ("complete", "fault") for exchange in self.journal.generations)

    def _seconds(self) -> float:
        return self.patience(self.journal)


_MUST_RAISE: Final = {"cut": "STREAM-12", "error-event": "STREAM-16"}
