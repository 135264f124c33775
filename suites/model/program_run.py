"""The model at a held server: what callers do, what the server is let do, and the journal held against it.

The server answers a request only when it is let, so the program decides the order, not the clock. ``settle``
waits until the journal shows what the model says must be on the wire.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Final

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.script import Hold, Reply, Script
from tgi_conformance.fake_server.client import (
    Condition,
    Space,
    WaitTimeout,
    answered,
    gone,
    open_requests,
    received,
)
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.expect import describe
from tgi_conformance.suites.harness.policy import EARLY
from tgi_conformance.suites.model.replies import OPENING, reply_of, text_of, unheld
from tgi_conformance.suites.model.state import (
    NO_WAIT,
    RATE_LIMITED,
    CallState,
    EndpointState,
    Phase,
    breach_of,
    broken,
    why_missing,
)
from tgi_conformance.suites.shapes.calls import Shape

#: Calls are made at least this far apart where nothing shows that the earlier one has arrived (seconds;
#: design, section 5: order counts between calls entered 20 ms apart).
APART: Final = 0.025
#: How often is looked whether calls have ended (seconds).
_LOOKING: Final = 0.02
#: More requests than an example has.
_NEVER: Final = 1 << 20


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
class Arrivals:
    """Whether a backend's statistics tell of the calls that wait; learned from one program to the next."""

    #: They did: a new call is waited for until they tell of it.
    told: bool = False
    #: They did, and then did not: the figure is something else.
    untold: bool = False


@dataclass(slots=True)
class Bench:
    """One example at work. ``patience`` gives the seconds that what must happen may take."""

    case: Case
    shape: Shape
    patience: Callable[[Journal], float]
    arrivals: Arrivals
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

    # --- what callers do --------------------------------------------------------------------------------

    def create(self, state: EndpointState, **settings: object) -> None:
        """Make an endpoint."""
        _ = self.space
        made = self.case.endpoint(key=state.key, **settings)  # type: ignore[arg-type]
        state.policy = self.case.policy(made)
        self.endpoints[state.name], self.ids[state.name] = state, made

    def submit(self, state: CallState, *, method: str | None = None) -> None:
        """Begin a call, and wait until it is on the wire, or has had the time to arrive in the queue."""
        endpoint = state.endpoint
        must_refuse, must_take, load = endpoint.full, endpoint.has_room, _load(endpoint)
        prompt = self.case.prompt(state.name)
        replies = tuple(self._reply(state, prompt, number) for number in range(len(state.fates)))
        self.space.play(*replies)
        begun: dict[str, object] = {"method": method, "kind": self.shape.method} if method else {}
        running = self.case.start(
            prompt,
            endpoint=self.ids[endpoint.name],
            shape=self.shape,
            stream=state.streaming,
            **begun,  # type: ignore[arg-type]
        )
        made = self.calls[state.name] = Made(state=state, prompt=prompt, running=running, replies=replies)
        state.uncertain = endpoint.stirs
        endpoint.calls.append(state)
        running.call.wait_entered(1.0)
        if state.streaming:
            running.call.ask(OPENING)
        if must_refuse:
            self._expect_refusal(made, load)
        elif not endpoint.must_start(self.journal.now):
            self._arrive(made, load, must_take=must_take)
        self.settle()

    def leave(self, made: Made) -> None:
        """Leave a stream whose first pieces were read; its connection must close."""
        self.looked.add("RES-01")
        made.withdrawn, made.concluded = "RETRY-11", True
        made.running.call.leave("close", self._seconds())
        self._expect_gone(made, "RES-01")
        self.settle()

    def cancel(self, made: Made) -> None:
        """Take a call back, wherever it is."""
        state, before = made.state, made.state.phase
        clause = {Phase.WAITING: "QUEUE-08", Phase.SENT: "RES-02", Phase.ASLEEP: "RETRY-13"}[before]
        self.looked.add(clause)
        made.withdrawn, made.concluded = clause, True
        made.running.cancel()
        self._expect_over(made, clause, f"{state.name}, cancelled while {before}, ends")
        state.cancelled_at = made.running.wait().ended_at or self.journal.now
        self._expect_gone(made, clause)
        if state.live:
            state.end("free", forbidden=clause)
        self.calm(state.endpoint)
        self.settle()

    def close_endpoint(self, endpoint: EndpointState) -> None:
        """Close an endpoint: its calls end, and none of them is sent afterwards."""
        self.looked.add("RES-05")
        live = [self.calls[call.name] for call in endpoint.calls if call.live]
        for made in live:
            made.withdrawn, made.concluded = "RES-05", True
            if made.state.streaming:
                made.running.call.ask(OPENING)
        self.case.close_endpoint(self.ids[endpoint.name])
        endpoint.open = False
        for made in live:
            self._expect_over(made, "RES-05", f"{made.state.name} ends: its endpoint was closed")
            self._expect_gone(made, "RES-05")
            if made.state.live:
                made.state.end("free", forbidden="RES-05")
        self.settle()

    # --- what the server is let do -----------------------------------------------------------------------

    def let_open(self, made: Made) -> None:
        """Send the head of a stream and its first pieces."""
        state = made.state
        self.space.release(state.name, 1)
        made.running.call.wait_pieces(OPENING, self._seconds())
        state.opened = True
        self.looked.add("QUEUE-02")
        self.settle()

    def let_answer(self, made: Made) -> None:
        """Answer the request of a call, or let its stream end."""
        if made.state.streaming:
            made.running.call.ask(1 << 30)
            self.space.release(made.state.name, None if made.state.fate.kind != "status" else 1)
        else:
            self.space.release(made.state.name, 1)
        self._wait(answered(self._answers() + 1), self._seconds())
        self.settle()

    def let_all(self) -> None:
        """Answer whatever comes from now on; every call ends, those that sleep for long left aside."""
        live = [made for made in self.calls.values() if made.state.live]
        for made in live:
            if made.state.streaming:
                made.running.call.ask(1 << 30)
            self.space.release(made.state.name)
        deadline = time.monotonic() + self._seconds()
        while pending := [made for made in live if made.state.live and _comes_back(made.state)]:
            if time.monotonic() > deadline:
                names = ", ".join(made.state.name for made in pending)
                broken("QUEUE-07", expected=f"the end of {names}: all is answered", observed="they go on")
            pending[0].running.wait_briefly(_LOOKING)
            self.settle()
        self.settle()

    def pass_time(self, seconds: float) -> None:
        """Let time pass on the server's clock; what comes meanwhile is taken note of."""
        self._pass_until(self.journal.now + seconds)

    def sleep_out(self) -> None:
        """Let time pass until the client's own waits are over, also of calls that must wait for longer."""
        asleep = [call.own_latest for each in self.endpoints.values() for call in each.among(Phase.ASLEEP)]
        self._pass_until(max(asleep, default=0.0) + EARLY)

    def _pass_until(self, until: float) -> None:
        while (left := until - self.journal.now) > 0:
            self._wait(received(len(self.journal.generations) + 1), left)
        self.settle()

    # --- looking -------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait for what must be on the wire; hold what came, and the calls that ended, against the model."""
        deadline, fresh = time.monotonic() + self._seconds(), False
        while (missing := self._must_start()) or not fresh:
            if missing:
                self._wait(received(len(self.journal.generations) + missing), deadline - time.monotonic())
            else:
                self.take(self.space.journal())
            fresh = True
            self._drop_refused()
            if time.monotonic() > deadline:
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
        if exchange.replied_at is None and call.fate.kind != "cut" and not call.opened:
            # The client went away although nobody had told it to.
            broken(
                "QUEUE-07",
                expected=f"{call.name} waits for its answer",
                observed="its connection was closed by the client",
            )
        call.endpoint.answered(call, at=exchange.reply_at or exchange.received_at)

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
        """A call in backoff that has ended was given up, which is right for a wait too long only."""
        state, running = made.state, made.running
        if not running.over:
            return
        # It may have woken, been answered and ended since the journal was read.
        self.take(self.space.journal())
        if state.phase is not Phase.ASLEEP:
            return
        if state.long_asleep:
            state.end("failed", forbidden="RETRY-07", last=state.fate)
            return
        clause = "RETRY-02" if state.fate.status == RATE_LIMITED else "RETRY-20"
        clause = "RETRY-06" if state.fate.retry_after == NO_WAIT else clause
        limits = {endpoint.policy.max_retries for endpoint in self.endpoints.values()}
        broken(
            # Where endpoints differ and the smallest program needs both, one has the other's limit.
            "MUX-06" if len(limits) > 1 else clause,
            expected=f"another attempt of {state.name} after {state.fate},"
            f" {state.attempts} of {state.endpoint.policy.max_retries} retries used",
            observed=describe(running.wait()),
        )

    def _judge_success(self, made: Made) -> None:
        state, outcome = made.state, made.running.wait()
        wanted = text_of(state)
        self.looked |= {"QUEUE-09"} | ({"QUEUE-13"} if state.queued else set())
        if outcome.returned and outcome.text == wanted:
            return
        clause = "QUEUE-09"
        if outcome.returned and state.streaming:
            clause = "STREAM-27"
        elif not outcome.returned and state.attempts > 1:
            clause = "RETRY-02"
        elif not outcome.returned and state.queued:
            clause = "QUEUE-13"
        broken(clause, expected=f"the text {wanted!r} from {state.name}", observed=describe(outcome))

    # --- waiting -------------------------------------------------------------------------------------------

    def _wait(self, until: Condition, seconds: float) -> bool:
        """Wait for a condition, take note of the journal either way; false: it did not come."""
        try:
            self.take(self.space.wait(until, max(0.0, seconds)))
        except WaitTimeout as timeout:
            self.take(timeout.journal)
            return False
        return True

    def _arrive(self, made: Made, load: str, *, must_take: bool) -> None:
        """Give a call that shows nothing on the wire the time to arrive in the queue, or to be refused."""
        made.state.queued = True
        shows = self.arrivals.told and not self.arrivals.untold and not made.state.uncertain
        until = time.monotonic() + (self._seconds() if shows else APART + 10 * self.journal.lag)
        while time.monotonic() < until and not made.running.over:
            if self._queue_shown(made.state):
                break
        else:
            self.arrivals.untold |= shows and not made.running.over
        if not made.running.over:
            return
        outcome = made.running.wait()
        if must_take:
            broken(
                "QUEUE-13",
                expected=f"{made.state.name} waits: {load}",
                observed=describe(outcome),
            )
        made.state.end("free", forbidden="QUEUE-04")
        made.concluded = True

    def _queue_shown(self, state: CallState) -> bool:
        """Whether the statistics show the waiting calls; where they do not, a little time passes."""
        endpoint = state.endpoint
        waiting = len(endpoint.among(Phase.WAITING))
        # A call that has slept may stand in the queue too, and hide that the new one does not yet.
        tells = self.case.claims("stats") and not state.uncertain
        if tells and self._queue_length(endpoint) == waiting:
            self.arrivals.told = True
            return True
        self._wait(open_requests(_NEVER), APART / 5)
        return False

    def calm(self, endpoint: EndpointState) -> None:
        """Wait until the statistics, where they tell, show no more of a call that has left the queue.

        Its caller hears of that at once, the queue a little later.
        """
        if not self.arrivals.told or self.arrivals.untold or endpoint.stirs:
            return
        until = time.monotonic() + self._seconds()
        while time.monotonic() < until and self._queue_length(endpoint) != len(endpoint.among(Phase.WAITING)):
            self._wait(open_requests(_NEVER), APART / 5)

    def _queue_length(self, endpoint: EndpointState) -> object:
        shown = self.case.driver.run("get_stats", {"endpoint_id": self.ids[endpoint.name]}, deadline=1.0)
        return shown.value.get("queue_size") if isinstance(shown.value, dict) else None

    def _expect_refusal(self, made: Made, load: str) -> None:
        self.looked.add("QUEUE-04")
        made.state.end("free", forbidden="QUEUE-04")
        made.concluded = True
        self._expect_over(made, "QUEUE-04", f"{made.state.name} is refused at once: {load}")
        outcome = made.running.wait()
        if outcome.returned:
            broken("QUEUE-04", expected=f"an error: {load}", observed=describe(outcome))

    def _expect_over(self, made: Made, clause: str, expected: str) -> None:
        if made.running.wait_briefly(self._seconds()) is None:
            self.take(self.space.journal())
            broken(clause, expected=expected, observed=f"it goes on after {self._seconds():.1f} s")

    def _expect_gone(self, made: Made, clause: str) -> None:
        """The connection of a call's last request closes before its answer is over."""
        before = sum(exchange.gone_at is not None for exchange in self.journal.generations)
        if made.state.phase is Phase.SENT and not self._wait(gone(before + 1), self._seconds()):
            broken(
                clause, expected=f"the connection of {made.state.name} is closed", observed="it stands open"
            )

    def _must_start(self) -> int:
        return sum(endpoint.must_start(self.journal.now) for endpoint in self.endpoints.values())

    def _missing(self) -> None:
        for endpoint in self.endpoints.values():
            if endpoint.must_start(self.journal.now):
                others = [other for other in self.endpoints.values() if other is not endpoint]
                why_missing(endpoint, others, self.journal.now)

    def _answers(self) -> int:
        return sum(exchange.ending in ("complete", "fault") for exchange in self.journal.generations)

    def _seconds(self) -> float:
        return self.patience(self.journal)

    # --- what the server is scripted to do ------------------------------------------------------------------

    def _reply(self, state: CallState, prompt: str, number: int) -> Reply:
        fate = state.fates[number]
        reply = reply_of(self.shape, state, fate).where(contains=prompt).times(0, 1)
        holds = [Hold(gate=state.name, before="head")]
        if state.streaming and fate.kind != "status":
            holds.append(Hold(gate=state.name, event=OPENING))
        named = reply.named(f"{reply.name or ''}{state.name}.{number + 1}")
        return named.deliver(holds=tuple(holds))

    def played(self) -> Script:
        """The script as it was played: each hold has become the time that it lasted."""
        held = {
            exchange.reply: exchange.reply_at - exchange.received_at
            for exchange in self.journal
            if exchange.reply_at is not None
        }
        replies = [reply for made in self.calls.values() for reply in made.replies if reply.name in held]
        return Script(replies=tuple(unheld(reply, held[reply.name]) for reply in replies))


def _comes_back(state: CallState) -> bool:
    """Whether a live call ends once everything is answered, within the time that is known."""
    return state.phase is not Phase.ASLEEP or state.latest < inf


_MUST_RAISE: Final = {"cut": "STREAM-12", "error-event": "STREAM-16"}


def _load(endpoint: EndpointState) -> str:
    waiting = len(endpoint.among(Phase.WAITING))
    slots = f"{endpoint.sent} of {endpoint.cap} slots of {endpoint.name} taken"
    return f"{slots}, {waiting} of {endpoint.room} waiting"
