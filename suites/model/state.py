"""The model of a client with endpoints, queues and backoff: what may be on the wire, what must be. Pure.

It is told what the callers do, and takes from the journal which requests came and which answers went out;
each request is held against the rules and taken into the model, or raises :class:`Breach` under the clause
that it breaks. Where a policy is not declared, or a call is asleep, the model knows bounds only: what *must*
be on the wire by now, and what *may* be. Times are seconds of the server's clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from math import inf
from typing import Final, Literal, NoReturn

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.suites.harness.expect import ClauseFailed
from tgi_conformance.suites.harness.policy import EARLY, PERMANENT, wait_band
from tgi_conformance.suites.model.fates import RATE_LIMITED, Fate, sequel

#: How long a wait of unknown length is watched (seconds).
_UNKNOWN_WAIT: Final = 0.05
#: How long one of a known length is watched at the most (seconds): without knobs a client may sleep longer.
_WATCHED: Final = 0.25
#: Longer than an example lasts (seconds).
_EXAMPLE: Final = 5.0
#: How long after a cancellation a request may be read that was sent before it (seconds).
_HALF_WAY: Final = 0.05


class Breach(ClauseFailed):
    """A step of the model shows a clause broken, whichever case ran it; ``clause`` says which."""

    clause = ""
    #: Something was still to come when its time was over, as a busy machine makes of anything.
    late = False


@cache
def breach_of(clause: str) -> type[Breach]:
    """The exception of one clause: a type of its own, so that shrinking keeps to the clause it began with."""
    return type(f"Breach_{clause.replace('-', '_')}", (Breach,), {"clause": clause})


def broken(clause: str, *, expected: str, observed: str, late: bool = False) -> NoReturn:
    """Raise the breach of a clause; ``late``: what was expected may still have come."""
    breach = breach_of(clause)(expected, observed)
    breach.late = late
    raise breach


class Phase(StrEnum):
    """Where a call is."""

    WAITING = "waiting"
    SENT = "sent"
    ASLEEP = "asleep"
    OVER = "over"


#: How a call ended, as the statistics count it; "free": cancelled, left, refused, closed, given up early:
#: the catalogue leaves open where these are counted.
Ending = Literal["good", "failed", "free"]


@dataclass(slots=True, kw_only=True)
class CallState:
    """One call."""

    name: str
    endpoint: "EndpointState"
    #: Alias of the key that its endpoint had when it was made.
    key: str
    streaming: bool = False
    cancellable: bool = False
    fates: tuple[Fate, ...] = (Fate(),)
    phase: Phase = Phase.WAITING
    attempts: int = 0
    #: A stream's head and first pieces were let go.
    opened: bool = False
    #: Whether it had to wait for a slot.
    queued: bool = False
    #: Slots that were free beside its own when its request came: calls made before it may be on their way.
    beside: float = inf
    not_before: float = 0.0
    #: When it must have come back, if it can; inf: not known, or not in this example.
    latest: float = inf
    #: When its own wait, without what the server asked for, is over at the latest.
    own_latest: float = 0.0
    #: It was asked to wait for longer than an example lasts.
    banned: bool = False
    #: It may come back or be given up at any time: another attempt is not declared.
    may_end: bool = False
    #: It was made while others were about to come back from backoff: they may have taken its place.
    uncertain: bool = False
    #: The clause that an attempt before ``not_before`` breaks, and why it waits.
    early: str = "RETRY-08"
    why: str = ""
    ending: Ending = "free"
    #: The clause that any further request of this call breaks, once it is over.
    forbidden: str = "REQ-15"
    #: The fate that ended it; None: the caller did, or the endpoint was closed.
    last: Fate | None = None
    body: bytes | None = None
    #: When its cancellation was seen to have ended it; inf: it was not cancelled.
    cancelled_at: float = inf

    @property
    def fate(self) -> Fate:
        """What the attempt under way is answered with."""
        return self.fates[min(self.attempts, len(self.fates)) - 1]

    @property
    def live(self) -> bool:
        """Whether it is not over."""
        return self.phase is not Phase.OVER

    @property
    def soon_awake(self) -> bool:
        """Whether it sleeps, and is sure to come back after a wait that a program sits out."""
        return self.phase is Phase.ASLEEP and self.latest <= self.own_latest

    @property
    def long_asleep(self) -> bool:
        """Whether it sleeps beyond the end of the example."""
        return self.phase is Phase.ASLEEP and self.banned

    def crossed(self, at: float) -> bool:
        """Whether a request at that time and the call's cancellation in backoff have met half-way."""
        woken = self.attempts > 0 and self.cancelled_at >= self.not_before - EARLY
        return woken and at <= self.cancelled_at + _HALF_WAY

    def end(self, ending: Ending, *, forbidden: str, last: Fate | None = None) -> None:
        """Note the end of the call."""
        self.phase, self.ending, self.forbidden, self.last = Phase.OVER, ending, forbidden, last


@dataclass(slots=True, kw_only=True)
class EndpointState:
    """One endpoint; ``cap`` and ``room`` are None where the backend has no such setting."""

    name: str
    key: str
    cap: int | None = None
    room: int | None = None
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    open: bool = True
    calls: list[CallState] = field(default_factory=list)
    #: Calls that were begun before the counters were set to 0: they are in the statistics no more.
    forgotten: int = 0
    #: Another endpoint's counters, or those of all, were set to 0 after this one was used.
    reset_elsewhere: bool = False
    most_sent: int = 0

    def among(self, *phases: Phase) -> list[CallState]:
        """The calls in these phases, oldest first."""
        return [call for call in self.calls if call.phase in phases]

    @property
    def sent(self) -> int:
        """How many of its requests are on the wire."""
        return len(self.among(Phase.SENT))

    @property
    def at_rest(self) -> bool:
        """Whether no call of it is live."""
        return not any(call.live for call in self.calls)

    @property
    def stirs(self) -> bool:
        """Whether a call of it may come back from backoff at any moment."""
        return any(not call.long_asleep for call in self.among(Phase.ASLEEP))

    @property
    def had_failures(self) -> bool:
        """Whether a call has ended otherwise than well: its slot may have come back twice, or never.

        Shrinking drops what a breach does not need, so where such a call is left it is the cause.
        """
        return any(not call.live and call.ending != "good" for call in self.calls)

    @property
    def full(self) -> bool:
        """Whether slots and queue are taken, whatever calls in backoff do: one more must be refused."""
        if self.cap is None or self.room is None:
            return False
        waiting = [call for call in self.among(Phase.WAITING) if not call.uncertain]
        return self.sent >= self.cap and len(waiting) >= self.room

    @property
    def has_room(self) -> bool:
        """Whether one more must be taken, whatever calls in backoff do."""
        if self.cap is None or self.room is None:
            return True
        return len(self.among(Phase.SENT, Phase.WAITING, Phase.ASLEEP)) < self.cap + self.room

    @property
    def serves_the_waiting(self) -> bool:
        """Whether calls that wait are sure to be sent, once all that is sent has been answered.

        Calls that sleep may keep their slots: those that come back soon give them up after that.
        """
        if self.cap is None or self.policy.keeps_slot is False:
            return True
        return sum(not call.soon_awake for call in self.among(Phase.ASLEEP)) < self.cap

    def must_start(self, now: float) -> int:
        """How many more requests must come, given time to: ready calls for which there are slots."""
        waiting = len(self.among(Phase.WAITING))
        asleep = self.among(Phase.ASLEEP)
        awake = sum(call.latest < now for call in asleep)
        if self.cap is None:
            return waiting + awake
        free = max(0, self.cap - self.sent)
        slot_given_up = min(free, waiting + awake)
        slot_kept = min(max(0, free - len(asleep)), waiting) + awake
        kept = self.policy.keeps_slot
        if kept is None:
            return min(slot_given_up, slot_kept)
        return slot_kept if kept else slot_given_up

    # --- what is seen ---------------------------------------------------------------------------------

    def starts(self, call: CallState, *, at: float, key: str, body: bytes) -> None:
        """A request of a call has come."""
        if call.phase is Phase.OVER and call.cancelled_at < inf and call.crossed(at):
            return
        if call.phase is Phase.OVER or call.phase is Phase.SENT:
            self._unwanted(call)
        self._check_key(call, key)
        if call.phase is Phase.ASLEEP and at < call.not_before - EARLY:
            broken(
                call.early,
                expected=f"no attempt of {call.name} before {call.not_before:.3f} ({call.why})",
                observed=f"one at {at:.3f}, {call.not_before - at:.3f} s early",
            )
        if self.cap is not None and self.sent >= self.cap:
            self._over_the_cap(call)
        if call.body is not None and body != call.body:
            broken(
                "RETRY-16",
                expected=f"attempt {call.attempts + 1} of {call.name} with the body of the first",
                observed=repr(body[:300]),
            )
        call.body = body
        call.phase = Phase.SENT
        call.beside = inf if self.cap is None else self.cap - self.sent
        call.attempts += 1
        call.latest = inf
        self.most_sent = max(self.most_sent, self.sent)

    def in_order(self, started: Iterable[CallState]) -> None:
        """Of calls that began now, none has overtaken one that was made before and still waits.

        Where several slots came free at once, the requests that they let through may pass each other on their
        way: only a call that left no slot for an older one has taken its place.
        """
        waiting = [call for call in self.among(Phase.WAITING) if not call.uncertain]
        for call in started:
            older = [other.name for other in waiting if self.calls.index(other) < self.calls.index(call)]
            if len(older) > call.beside and call.attempts == 1 and not call.uncertain:
                broken(
                    "QUEUE-03",
                    expected=f"{older[0]} on {self.name} before {call.name}, which was made after it",
                    observed=f"a request of {call.name}; waiting: {', '.join(older)}",
                )

    def answered(self, call: CallState, *, at: float) -> None:
        """The answer to a call's request went out, begun at that time."""
        fate = call.fate
        follows = sequel(self.policy, fate, call.attempts)
        if fate.kind == "good":
            call.end("good", forbidden="REQ-15", last=fate)
        elif follows == "end":
            call.end("failed", forbidden=_why_final(fate), last=fate)
        else:
            call.may_end = follows == "perhaps"
            self._sleeps(call, fate, at)

    def _sleeps(self, call: CallState, fate: Fate, at: float) -> None:
        band = wait_band(self.policy, call.attempts - 1)
        low, high = band if band is not None else (0.0, inf)
        asked = fate.asked
        call.phase = Phase.ASLEEP
        call.not_before = at + max(low, asked)
        # A client may add its own spread to what the server asks for.
        call.own_latest = at + (min(high, _WATCHED) if band is not None else _UNKNOWN_WAIT)
        call.latest = inf if asked or call.may_end else at + high
        call.banned = asked > _EXAMPLE
        grown = call.attempts > 1 and self.policy.factor not in (None, 1.0)
        call.early = "RETRY-04" if asked else ("RETRY-09" if grown else "RETRY-08")
        call.why = f"{fate} at {at:.3f}, own wait {low:.3f} to {high:.3f} s"

    def _unwanted(self, call: CallState) -> NoReturn:
        clause = call.forbidden if call.phase is Phase.OVER else "REQ-15"
        ended = "is on the wire already" if call.phase is Phase.SENT else f"is over ({call.last or call.why})"
        broken(
            clause,
            expected=f"no further request of {call.name}, which {ended}",
            observed=f"request {call.attempts + 1} of it",
        )

    def _check_key(self, call: CallState, key: str) -> None:
        if key == call.key:
            return
        clause = "MUX-01"
        if call.attempts or call.key != self.key:
            clause = "MUX-04"
        broken(
            clause,
            expected=f"key:{call.key} on attempt {call.attempts + 1} of {call.name}",
            observed=f"key:{key}",
        )

    def _over_the_cap(self, call: CallState) -> NoReturn:
        sent = self.among(Phase.SENT)
        streams = [other.name for other in sent if other.streaming and other.opened]
        clause = "QUEUE-02" if streams else ("QUEUE-05" if self.had_failures else "QUEUE-01")
        broken(
            clause,
            expected=f"at most {self.cap} requests of {self.name} open",
            observed=f"{call.name} beside {', '.join(other.name for other in sent)}"
            + (f"; streams under way: {', '.join(streams)}" if streams else ""),
        )


def _why_final(fate: Fate) -> str:
    """The clause that another attempt would break."""
    if fate.kind != "status":
        return "RETRY-11"
    return "RETRY-03" if fate.status in PERMANENT else "RETRY-01"


def why_missing(endpoint: EndpointState, others: Iterable[EndpointState], now: float) -> NoReturn:
    """Raise the breach that a request which must be on the wire and is not stands for."""
    asleep = endpoint.among(Phase.ASLEEP)
    awake = [call for call in asleep if call.latest < now]
    waiting = endpoint.among(Phase.WAITING)
    ended = [call for call in endpoint.calls if not call.live]
    if not waiting and awake:
        # A rate limit that is not asked again is RETRY-02's, any other declared status RETRY-20's.
        clause = "RETRY-02" if awake[0].fate.status == RATE_LIMITED else "RETRY-20"
    elif asleep:
        clause = "QUEUE-10"
    elif any(other.among(Phase.ASLEEP) for other in others):
        clause = "MUX-05"
    elif not ended:
        clause = "QUEUE-14"
    elif waiting[0].queued:
        clause = "QUEUE-07"
    else:
        clause = "QUEUE-05"
    names = ", ".join(call.name for call in (*waiting, *awake))
    slots = "any number" if endpoint.cap is None else f"{endpoint.sent} of {endpoint.cap}"
    broken(
        clause,
        expected=f"a request of {names} on {endpoint.name}: {slots} slots taken, {len(asleep)} asleep,"
        f" {len(ended)} ended before",
        observed="none",
        late=True,
    )
