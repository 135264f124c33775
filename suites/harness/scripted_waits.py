"""How long a case waited because its script, its stimulus or the backend's retry policy says so. Pure.

What is left of a case's time is work, ours and the backend's. The run prints both, so that a slow run shows
whether waits or work make it slow. Times are seconds of the machine's monotonic clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Script
from tgi_conformance.contracts.script.delivery import Delivery

#: ``server``: delays, pauses and silence that a reply asks for; ``retry``: from a failed attempt to the next;
#: ``limit``: a time limit of the backend that had to run out; ``absence``: what must not come was waited for.
Why: TypeAlias = Literal["server", "retry", "limit", "absence"]
Interval: TypeAlias = tuple[float, float]
Waits: TypeAlias = Mapping[Why, list[Interval]]

#: Shorter ones are what any exchange takes.
_LEAST: Final = 0.002


def waits_of(script: Script, journal: Journal) -> dict[Why, list[Interval]]:
    """The waits that a space's script and its journal show."""
    slow = {name for name, delivery in _deliveries(script) if _waits(delivery)}
    served = [
        (exchange.received_at, _end(exchange, journal))
        for exchange in journal.exchanges
        if exchange.reply in slow
    ]
    return {"server": served, "retry": list(_between_attempts(journal))}


def limits_of(outcomes: Iterable[Outcome]) -> list[Interval]:
    """Calls that a time limit of the backend ended."""
    return [
        (outcome.entered_at, outcome.ended_at)
        for outcome in outcomes
        if outcome.entered_at is not None
        and outcome.ended_at is not None
        and outcome.error is not None
        and outcome.error.kind is ErrorKind.TIMEOUT
    ]


def add_waits(gathered: dict[Why, list[Interval]], more: Waits) -> None:
    """Add waits to those that a case has gathered."""
    for why, intervals in more.items():
        gathered.setdefault(why, []).extend(intervals)


def total(waits: Iterable[Interval]) -> float:
    """Seconds that these intervals cover together; what runs side by side counts once."""
    covered, until = 0.0, float("-inf")
    for start, end in sorted(waits):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered


def in_words(waits: Waits) -> str:
    """Which kind took how long, the longest first; what takes less than a hundredth is left out."""
    seconds = {why: total(intervals) for why, intervals in waits.items()}
    longest = sorted(seconds.items(), key=lambda row: -row[1])
    return ", ".join(f"{why} {took:.2f} s" for why, took in longest if took >= 0.01)


def _deliveries(script: Script) -> Iterator[tuple[str, Delivery]]:
    for number, reply in enumerate(script.replies):
        yield reply.name or str(number), reply.delivery


def _waits(delivery: Delivery) -> bool:
    stalls = delivery.fault is not None and delivery.fault.ending in {"stall", "endless"}
    waits = delivery.delay_ms or delivery.event_gap_ms or delivery.pauses or delivery.pace
    return bool(waits or stalls)


def _end(exchange: Exchange, journal: Journal) -> float:
    ends = [at for at in (exchange.replied_at, exchange.gone_at) if at is not None]
    return min(ends, default=journal.now)


def _between_attempts(journal: Journal) -> Iterator[Interval]:
    """From the end of a failed attempt to the same request again, as a backend's backoff."""
    by_request: dict[tuple[str, str, bytes], list[Exchange]] = {}
    for exchange in journal.generations:
        by_request.setdefault((exchange.key, exchange.target, exchange.body), []).append(exchange)
    for attempts in by_request.values():
        for one, following in pairwise(attempts):
            end = _end(one, journal)
            failed = one.status != 200 or one.ending == "fault"
            if failed and following.first_byte_at - end > _LEAST:
                yield end, following.first_byte_at
