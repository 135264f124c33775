"""One space as lanes on an axis of milliseconds: calls, attempts and their waits, connections. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

from tgi_conformance.contracts.journal import Connection, Exchange, Journal, generates
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Script
from tgi_conformance.reports.html.wire.answers import answer_of, fault_of
from tgi_conformance.reports.html.wire.waits import asked_wait, bounded_waits, latest, least_wait, own_waits

#: Lanes of each group in one picture, and ticks of one lane; more would be a thicket.
MOST_LANES: Final = 8
MOST_TICKS: Final = 200
#: A wait that is this many times longer than all that happened is drawn as far as there is room.
_FAR: Final = 400
#: Milliseconds by which an attempt may come early: a clock's grain, not a breach.
_GRAIN: Final = 1.0

#: call: from its start to its end. asked: the request comes in. server: the server waits. answer: it answers.
#: client: the client waits before its next attempt. open: a connection.
PartKind = Literal["call", "asked", "server", "answer", "client", "open"]
Group = Literal["call", "request", "connection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of time on a lane, in milliseconds."""

    kind: PartKind
    start: float
    end: float
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment on a lane. ``piece``: of a stream; ``cut``: a wrong ending; ``closed``: a connection's end."""

    kind: Literal["piece", "cut", "closed", "failed", "ended"]
    at: float
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stretch in which no attempt may come, and one in which it must; both may reach beyond the picture."""

    start: float
    end: float
    seconds: float
    why: str
    #: Until when an attempt is expected; None: nothing is said of that.
    due: float | None = None
    #: That it did not come by then, in words.
    missed: str = ""
    #: When an attempt came all the same, and the observed wait in seconds.
    breach: float | None = None
    waited: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One row of the picture."""

    group: Group
    label: str
    parts: tuple[Part, ...] = ()
    marks: tuple[Mark, ...] = ()
    bands: tuple[Band, ...] = ()
    #: Attempts that should not have come, in milliseconds, with the reason.
    unwanted: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All lanes of a space; ``end`` is where the axis ends, in milliseconds from its first moment."""

    lanes: tuple[Lane, ...] = ()
    end: float = 0.0
    #: How many lanes there was no room for.
    more: int = 0

    @property
    def breaches(self) -> tuple[str, ...]:
        """What is wrong in it, in words."""
        early = [
            f"an attempt came after {band.waited:.3f} s, within {band.why}"
            for lane in self.lanes
            for band in lane.bands
            if band.breach is not None
        ]
        missed = [band.missed for lane in self.lanes for band in lane.bands if band.missed]
        return (*early, *missed, *(why for lane in self.lanes for _, why in lane.unwanted))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Space:
    journal: Journal
    script: Script | None
    expected: str
    #: The first moment in monotonic seconds; ``last`` in milliseconds after it.
    start: float
    last: float

    def ms(self, at: float) -> float:
        return round((at - self.start) * 1000, 3)

    def within(self, at: float | None) -> float:
        """A moment on the axis; one that never came, or came later, is the axis' end."""
        return self.last if at is None else min(self.ms(at), self.last)


def picture(
    journal: Journal, script: Script | None, calls: Sequence[tuple[str, Outcome]], expected: str = ""
) -> Picture:
    """Draw up one space. ``calls`` are all of the case: those of the space's time are shown.

    ``expected`` is the verdict's text, which names the waits that no header asks for.
    """
    moments = [at for exchange in journal.exchanges for at in _moments(exchange)]
    moments += [connection.opened_at for connection in journal.connections]
    moments += [c.closed_at for c in journal.connections if c.closed_at and moments]
    if not moments:
        return Picture()
    busy = [span for exchange in journal.exchanges if (span := _moments(exchange))] or [moments]
    shown = [one for one in calls if any(_overlaps(one[1], min(span), max(span)) for span in busy)]
    starts = [outcome.entered_at for _, outcome in shown if outcome.entered_at]
    ends = [outcome.ended_at for _, outcome in shown if outcome.ended_at]
    start = min([*moments, *starts])
    last = max((max([*moments, *ends]) - start) * 1000, 1.0)
    space = _Space(journal=journal, script=script, expected=expected, start=start, last=last)
    alike = _alike(journal.exchanges)
    lanes = (
        *(_call(space, *one) for one in shown[:MOST_LANES]),
        *(_request(space, attempts, is_last=attempts is alike[-1]) for attempts in alike[:MOST_LANES]),
        *(_connection(space, connection) for connection in journal.connections[:MOST_LANES]),
    )
    more = sum(max(0, len(group) - MOST_LANES) for group in (shown, alike, journal.connections))
    return Picture(lanes=lanes, end=_end(space, lanes), more=more)


def _end(space: _Space, lanes: Sequence[Lane]) -> float:
    """Where the axis ends: with all bands in it that do not squeeze what happened."""
    ends = [band.due or band.end for lane in lanes for band in lane.bands]
    near = [end for end in ends if end <= space.last * _FAR]
    return round(max([space.last, *near]) * (1.5 if len(near) < len(ends) else 1.04), 3)


def _overlaps(outcome: Outcome, start: float, end: float) -> bool:
    if outcome.entered_at is None:
        return False
    ended = outcome.ended_at if outcome.ended_at is not None else end
    return outcome.entered_at <= end and ended >= start


def _moments(exchange: Exchange) -> list[float]:
    ends = (exchange.reply_at, exchange.over_at)
    return [exchange.first_byte_at or exchange.received_at, *(at for at in ends if at)]


# --- calls ---


def _call(space: _Space, what: str, outcome: Outcome) -> Lane:
    start = space.ms(outcome.entered_at or space.start)
    end = space.within(outcome.ended_at)
    kind = outcome.exception[0].type.rpartition(".")[2] if outcome.exception else outcome.ending
    ended: Literal["failed", "ended"] = (
        "failed" if outcome.ending not in ("answer", "end", "left") else "ended"
    )
    pieces = [space.ms(at) for at in outcome.piece_times[:MOST_TICKS]]
    return Lane(
        group="call",
        label=what,
        parts=(Part(kind="call", start=start, end=end),),
        marks=(
            *(Mark(kind="piece", at=at, label="piece") for at in pieces),
            Mark(kind=ended, at=end, label=kind),
        ),
    )


# --- requests: the attempts of one and the same request, and the waits between them ---


def _alike(exchanges: Iterable[Exchange]) -> list[list[Exchange]]:
    """The exchanges of equal requests, in the order in which each request first came."""
    alike: dict[tuple[str, str, bytes], list[Exchange]] = {}
    for exchange in exchanges:
        alike.setdefault((exchange.method, exchange.target, exchange.body), []).append(exchange)
    return list(alike.values())


def _request(space: _Space, attempts: list[Exchange], *, is_last: bool) -> Lane:
    first = attempts[0]
    times = f"{len(attempts)} x " if len(attempts) > 1 else ""
    line = first.target if first.method == "POST" else f"{first.method} {first.target}"
    parts = [part for attempt in attempts for part in _attempt(space, attempt)]
    parts += [part for earlier, later in pairwise(attempts) for part in _client_waits(space, earlier, later)]
    return Lane(
        group="request",
        label=f"{times}{line}",
        parts=tuple(parts),
        marks=tuple(mark for attempt in attempts for mark in _answer_marks(space, attempt)),
        bands=(*_bands(space, attempts), *(_missing(space, attempts[-1]) if is_last else ())),
        unwanted=tuple(_unwanted(space, attempts)),
    )


def _attempt(space: _Space, attempt: Exchange) -> Iterable[Part]:
    begun = space.ms(attempt.first_byte_at or attempt.received_at)
    received = max(begun, space.ms(attempt.received_at))
    over = space.within(attempt.over_at)
    answered = over if attempt.reply_at is None else min(space.ms(attempt.reply_at), over)
    status = "no answer" if attempt.status is None else str(attempt.status)
    yield Part(kind="asked", start=begun, end=received, label=status)
    yield Part(kind="server", start=received, end=answered, label="the server waits")
    if attempt.reply_at is not None:
        yield Part(kind="answer", start=answered, end=over, label=f"answers {status}")


def _client_waits(space: _Space, earlier: Exchange, later: Exchange) -> Iterable[Part]:
    start = space.within(earlier.over_at or earlier.reply_at)
    end = space.ms(later.first_byte_at or later.received_at)
    if end > start:
        yield Part(kind="client", start=start, end=end, label=f"the client waits {end - start:.0f} ms")


def _answer_marks(space: _Space, attempt: Exchange) -> Iterable[Mark]:
    if attempt.answer is not None:
        parts = attempt.answer.parts[:MOST_TICKS]
        yield from (Mark(kind="piece", at=space.ms(part.at), label="sent") for part in parts)
    fault = fault_of(space.script, attempt)
    if attempt.ending == "fault":
        kept = attempt.answer.ended if attempt.answer is not None else ""
        word = kept or (fault.ending if fault else "cut")
        shown = word.upper() if word in ("fin", "rst") else word
        yield Mark(kind="cut", at=space.within(attempt.over_at), label=shown)
    elif fault is not None and fault.ending == "stall":
        yield Mark(kind="cut", at=space.within(attempt.over_at), label="stall")
    elif attempt.ending == "client":
        yield Mark(kind="cut", at=space.within(attempt.gone_at), label="client left")


def _bands(space: _Space, attempts: list[Exchange]) -> Iterable[Band]:
    own, least = own_waits(space.expected), least_wait(space.expected)
    between = bounded_waits(space.expected)
    for number, attempt in enumerate(attempts):
        later = attempts[number + 1] if number + 1 < len(attempts) else None
        asked = asked_wait(answer_of(space.script, attempt))
        if asked is not None:
            yield _band(space, attempt, later, asked, f"Retry-After: {asked:g} s")
        elif number in between:
            yield _between(space, attempt, later, *between[number])
        elif number in own:
            yield _band(space, attempt, later, own[number], f"the client's own wait of {own[number]:g} s")
        elif least is not None and later is not None:
            yield _band(space, attempt, later, least, f"the expected wait of {least:g} s")


def _band(space: _Space, attempt: Exchange, later: Exchange | None, seconds: float, why: str) -> Band:
    start = space.ms(attempt.reply_at or attempt.received_at)
    end = start + seconds * 1000
    came = None if later is None else space.ms(later.first_byte_at or later.received_at)
    early = came is not None and came < end - _GRAIN
    return Band(
        start=start,
        end=end,
        seconds=seconds,
        why=why,
        breach=came if early else None,
        waited=(came - start) / 1000 if came is not None and early else 0.0,
    )


def _between(space: _Space, attempt: Exchange, later: Exchange | None, low: float, high: float) -> Band:
    band = _band(space, attempt, later, low, f"the client's own wait of {low:g} to {high:g} s")
    due = band.start + high * 1000
    came = None if later is None else space.ms(later.first_byte_at or later.received_at)
    if came is None or came <= due + _GRAIN:
        return replace(band, due=due)
    waited = (came - band.start) / 1000
    return replace(band, due=due, missed=f"an attempt came after {waited:.3f} s, expected within {high:g} s")


def _missing(space: _Space, last: Exchange) -> Iterable[Band]:
    """A further request that a verdict expected by some time, and that never came to this space."""
    count, seconds = latest(space.expected) or (0, 0.0)
    if len(space.journal.generations) >= count:
        return
    start = space.within(last.over_at or last.reply_at)
    why = f"a further request within {seconds:g} s"
    yield Band(
        start=start,
        end=start,
        seconds=0.0,
        why=why,
        due=start + seconds * 1000,
        missed=f"no further request within {seconds:g} s",
    )


def _unwanted(space: _Space, attempts: list[Exchange]) -> Iterable[tuple[float, str]]:
    most = {use.reply: use.at_most for use in space.journal.replies}
    mine = {attempt.id for attempt in attempts}
    served: dict[str, int] = {}
    for exchange in space.journal.exchanges:
        reply = exchange.reply
        if reply is None:
            if exchange.id in mine and exchange.method == "POST" and generates(exchange.path):
                yield space.ms(exchange.received_at), "a request that no reply was scripted for"
            continue
        served[reply] = served.get(reply, 0) + 1
        limit = most.get(reply)
        if exchange.id in mine and limit is not None and served[reply] > limit:
            yield space.ms(exchange.received_at), f"one request too many: at most {limit} expected"


# --- connections ---


def _connection(space: _Space, connection: Connection) -> Lane:
    start, end = space.ms(connection.opened_at), space.within(connection.closed_at)
    requests = f"{connection.requests} request{'' if connection.requests == 1 else 's'}"
    where = f" to {connection.origin}" if connection.origin != "a" else ""
    told = {"client-fin": "client FIN", "client-rst": "client RST", "server": "server closes", None: "closed"}
    closed = [Mark(kind="closed", at=end, label=told[connection.closed_by])] if connection.closed_at else []
    mine = [exchange for exchange in space.journal.exchanges if exchange.connection == connection.id]
    return Lane(
        group="connection",
        label=f"connection {connection.id}{where}: {requests}",
        parts=(
            Part(kind="open", start=start, end=end, label="open"),
            *(part for exchange in mine for part in _attempt(space, exchange)),
        ),
        marks=tuple(closed),
    )
