"""One run of a program against the backend and a held server: what callers do, what the server is let do.

The server answers a request only when it is let, so the program decides the order, not the clock. ``settle``
waits until the journal shows what the model says must be on the wire.
"""

import time
from dataclasses import dataclass, field
from typing import Final

from tgi_conformance.contracts.script import Hold, Reply, Script
from tgi_conformance.fake_server.client import answered, open_requests, received
from tgi_conformance.suites.harness.expect import describe
from tgi_conformance.suites.harness.policy import EARLY
from tgi_conformance.suites.model.fates import cover
from tgi_conformance.suites.model.replies import OPENING, reply_of, unheld
from tgi_conformance.suites.model.state import CallState, EndpointState, Phase, broken
from tgi_conformance.suites.model.watched import Made, WatchedRun

#: Calls are made at least this far apart where nothing shows that the earlier one has arrived (seconds;
#: design, section 5: order counts between calls entered 20 ms apart); further where the client's time varies.
APART: Final = 0.025
#: How long is waited between two looks at whether calls have ended (seconds).
_LOOKING: Final = 0.02
#: More requests than an example has.
_NEVER: Final = 1 << 20


@dataclass(slots=True)
class Arrivals:
    """Whether a backend's statistics tell of the calls that wait; learned from one program to the next."""

    #: They did: a new call is waited for until they tell of it.
    told: bool = False
    #: They did, and then did not: the figure is something else.
    untold: bool = False


@dataclass(slots=True)
class ProgramRun(WatchedRun):
    """One example at work."""

    arrivals: Arrivals = field(kw_only=True)

    # --- what callers do ---------------------------------------------------------------------------------

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
        state.fates = cover(endpoint.policy, state.fates)
        replies = (
            *(self._reply(state, prompt, number).times(0, 1) for number in range(len(state.fates))),
            # Whoever asks more often than the policy allows is told the same, and never that all is well.
            self._reply(state, prompt, len(state.fates)).times(0, None),
        )
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
            self.space.release(made.state.name, None if made.state.fate.opens else 1)
        else:
            self.space.release(made.state.name, 1)
        self._wait(answered(self._answers() + 1), self._seconds())
        self.settle()

    def let_all(self) -> None:
        """Answer whatever comes from now on; every call ends, those that may sleep for longer left aside."""
        live = [made for made in self.calls.values() if made.state.live]
        for made in live:
            if made.state.streaming:
                made.running.call.ask(1 << 30)
            self.space.release(made.state.name)
        seen, deadline = (0, 0), 0.0
        while pending := [made for made in live if _comes_back(made.state)]:
            if (now := (len(self.journal.generations), self._answers())) != seen:
                seen, deadline = now, time.monotonic() + self._seconds()
            slept = max((made.state.latest for made in pending if made.state.soon_awake), default=0.0)
            if self.journal.now > slept + self._seconds() and time.monotonic() > deadline:
                names = ", ".join(made.state.name for made in pending)
                broken(
                    "QUEUE-07",
                    expected=f"the end of {names}: all is answered",
                    observed="they go on",
                    late=True,
                )
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

    # --- the queue ---------------------------------------------------------------------------------------

    def _arrive(self, made: Made, load: str, *, must_take: bool) -> None:
        """Give a call that shows nothing on the wire the time to arrive in the queue, or to be refused."""
        made.state.queued = True
        shows = self.arrivals.told and not self.arrivals.untold and not made.state.uncertain
        apart = self.case.patience().apart(APART) + 10 * self.journal.lag
        until = time.monotonic() + (self._seconds() if shows else apart)
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

    # --- what the server is scripted to do ---------------------------------------------------------------

    def _reply(self, state: CallState, prompt: str, number: int) -> Reply:
        fate = state.fates[min(number, len(state.fates) - 1)]
        reply = reply_of(self.shape, state, fate).where(contains=prompt)
        holds = [Hold(gate=state.name, before="head")]
        if state.streaming and fate.opens:
            holds.append(Hold(gate=state.name, event=OPENING))
        named = reply.named(f"{reply.name or ''}{state.name}.{number + 1}")
        return named.deliver(holds=tuple(holds))

    def played(self) -> Script:
        """The script as it was played: each hold has become the time that it lasted."""
        held = {
            exchange.reply: begun - exchange.received_at
            for exchange in self.journal
            if (begun := exchange.reply_at or exchange.over_at) is not None
        }
        replies = [reply for made in self.calls.values() for reply in made.replies if reply.name in held]
        return Script(replies=tuple(unheld(reply, held[reply.name]) for reply in replies))


def _comes_back(state: CallState) -> bool:
    """Whether a live call is sure to end once everything is answered, within the time that a program has."""
    if state.phase is Phase.WAITING:
        return state.endpoint.serves_the_waiting
    return state.phase is Phase.SENT or state.soon_awake


def _load(endpoint: EndpointState) -> str:
    waiting = len(endpoint.among(Phase.WAITING))
    slots = f"{endpoint.sent} of {endpoint.cap} slots of {endpoint.name} taken"
    return f"{slots}, {waiting} of {endpoint.room} waiting"
