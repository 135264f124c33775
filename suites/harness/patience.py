"""How long this client is waited for: what its healthy calls took, the server's lag, and a bound. Pure.

Time belongs to the client: no clause says how long it may take before it sends, or after its answer has
come. So what the probes measured of it is granted in every wait for something that it must do
(:meth:`Patience.soon`), and in every window in which something must not come, else a slow client's mistake
would come after it (:meth:`Patience.absent`). A time limit that the client is given leaves room for it too,
else the limit runs out before there was anything to limit (:meth:`Patience.limit`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Final

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome

#: Seconds that something which must happen may take, beside what the client takes and ten times the lag.
PROMPTLY: Final = 1.0
#: Seconds by which an attempt may miss its time, beside the same.
_LATE: Final = 0.25
#: A call may take so many times what the slowest one seen took: few were seen, and times have long tails.
_TAIL: Final = 3.0
#: A window or a time limit is longer by so many times what calls usually take.
_ROOM: Final = 2.0
#: Seconds that are granted at most for a client's own time in one wait.
LONGEST: Final = 9.0
#: Seconds by which a window of absence, a time limit and a pause between calls grow at most.
_WIDEST: Final = 5.0
#: A client that takes less has no share of its own in windows and limits (seconds): they are long enough.
_QUICK: Final = 0.1
#: A client that takes more is measured this often before its pace is relied on.
SLOW: Final = 0.15
SAMPLES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a client took in calls that nothing held up (seconds), each in the order in which it was seen."""

    #: For an endpoint to be made.
    creates: tuple[float, ...] = ()
    #: From the call's entry until its request was at the server.
    sends: tuple[float, ...] = ()
    #: From the end of the answer to the end of the call.
    ends: tuple[float, ...] = ()

    def __add__(self, other: "Pace") -> "Pace":
        """What was seen here and there."""
        return Pace(
            creates=self.creates + other.creates,
            sends=self.sends + other.sends,
            ends=self.ends + other.ends,
        )

    @property
    def slowest(self) -> float:
        """The slowest way to the server and the slowest way back, together."""
        return max(self.sends, default=0.0) + max(self.ends, default=0.0)

    @property
    def usual(self) -> float:
        """What a call usually takes until its request is at the server.

        The median, so that a first call, which loads and connects, does not stand for all.
        """
        return _median(self.sends)

    @property
    def returns(self) -> float:
        """What a call usually takes after its answer has come."""
        return _median(self.ends)

    @property
    def creation(self) -> float:
        """What it usually takes until an endpoint is there."""
        return _median(self.creates)

    @property
    def spread(self) -> float:
        """By how much the ways of two calls to the server usually differ."""
        return self.usual - min(self.sends, default=0.0)

    @property
    def unsure(self) -> bool:
        """Whether the client seems slow, and was not yet seen often enough to rely on it."""
        return 0 < len(self.sends) < SAMPLES and self.sends[-1] + self.ends[-1] > SLOW

    @property
    def whole(self) -> float:
        """What a case of one call usually takes of the client's own time: endpoint, way there and back."""
        return self.creation + self.usual + self.returns


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited, given a client's pace and the largest lag (seconds) that the server showed."""

    pace: Pace = Pace()
    lag: float = 0.0
    #: The client takes time limits in whole seconds only.
    whole: bool = False

    @property
    def own(self) -> float:
        """What the client is granted for itself in one wait (seconds)."""
        return min(_TAIL * self.pace.slowest, LONGEST)

    def soon(self, seconds: float = PROMPTLY) -> float:
        """How long something that must happen may take; ``seconds``: where client and machine are quick."""
        return seconds + self.own + 10 * self.lag

    def late(self) -> float:
        """How much later than the clock says an attempt may come: a client may take its time before each."""
        before = _TAIL * max(self.pace.sends, default=0.0) if self.pace.usual > _QUICK else 0.0
        return _LATE + min(before, LONGEST) + 10 * self.lag

    def absent(self, seconds: float) -> float:
        """How long is looked for what must not come."""
        return seconds + self._room

    def beyond(self, seconds: float) -> float:
        """Whole seconds that last longer than anything that happens soon; ``seconds`` for a quick client."""
        return max(seconds, float(ceil(self.soon(PROMPTLY + 2.0)))) if self.pace.usual > _QUICK else seconds

    def limit(self, seconds: float) -> float:
        """The time limit to be given to the client so that ``seconds`` of it are left for the server."""
        limit = round(seconds + self._room, 2)
        return float(ceil(limit)) if self.whole else limit

    def apart(self, seconds: float) -> float:
        """How far apart calls are made that are to arrive in that order: further if its time varies."""
        return seconds + min(_ROOM * self.pace.spread, _WIDEST)

    def hang(self, seconds: float, attempts: int = 1) -> float:
        """How long a call may say nothing, ``seconds`` for a quick client; each attempt may take its time."""
        if self.pace.slowest <= SLOW:
            return seconds
        return round(seconds + min(self.own + max(0, attempts - 1) * self.pace.slowest, 2 * LONGEST), 1)

    @property
    def after(self) -> float:
        """What the client usually takes after an answer, beyond what a quick one does."""
        return min(max(0.0, _ROOM * self.pace.returns - _QUICK), _WIDEST)

    @property
    def _room(self) -> float:
        return min(max(0.0, _ROOM * self.pace.usual - _QUICK), _WIDEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A call of a case that is over, as far as its pace can be read from it."""

    prompt: str
    outcome: Outcome


def pace_of(outcome: Outcome, exchange: Exchange) -> Pace:
    """The pace of one call with one request."""
    if outcome.entered_at is None or outcome.ended_at is None or exchange.replied_at is None:
        return Pace()
    return Pace(
        sends=(max(0.0, exchange.received_at - outcome.entered_at),),
        ends=(max(0.0, outcome.ended_at - exchange.replied_at),),
    )


def pace_of_creation(outcome: Outcome) -> Pace:
    """The pace of the creation of an endpoint."""
    if outcome.entered_at is None or outcome.ended_at is None:
        return Pace()
    return Pace(creates=(max(0.0, outcome.ended_at - outcome.entered_at),))


def pace_of_calls(calls: Iterable[Ended], journal: Journal) -> Pace:
    """What the calls of a case show: those that were answered at their one request, and beside no other.

    A call that others run beside may have waited for them, and one of several attempts for its backoff.
    """
    seen = Pace()
    ended = [call for call in calls if call.outcome.returned and call.outcome.entered_at is not None]
    for call in ended:
        if any(_overlap(call.outcome, other.outcome) for other in ended if other is not call):
            continue
        marker = call.prompt.encode()
        mine = [exchange for exchange in journal.generations if marker in exchange.body]
        if len(mine) == 1:
            seen += pace_of(call.outcome, mine[0])
    return seen


def _overlap(one: Outcome, other: Outcome) -> bool:
    starts = max(one.entered_at or 0.0, other.entered_at or 0.0)
    return starts < min(one.ended_at or 0.0, other.ended_at or 0.0)


def _median(values: tuple[float, ...]) -> float:
    """The middle value, the smaller one of two."""
    return sorted(values)[(len(values) - 1) // 2] if values else 0.0
