"""What a report says of the network: which fence stood, and what the backend tried beyond this machine."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from tgi_conformance.contracts.outside import Fence, Outside
from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.run import BackendInfo

_RULED_IN: Final = "REAL-01/run-wide"
_FENCES: Final[dict[Fence, str]] = {
    "audit-hook": "loopback only, by an audit hook in the backend's process",
    "hooks": "loopback only, by hooks in the backend's process",
    "none": "no fence, since this host does not keep the backend on loopback",
}
_OPEN: Final = "open (--allow-network)"
_WHAT: Final = {"lookup": "look-up", "connect": "connect"}
_SHOWN: Final = 3


def network_of(info: BackendInfo, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Say which fence stood in a run, what was not watched, and what was tried beyond this machine."""
    if not info.fence:  # it never started
        return ()
    attempts = (attempt for verdict in verdicts for attempt in verdict.outside)
    fence, *lines = network_in_words(info.fence, attempts, allowed=info.allow_network)
    unwatched = "" if info.allow_network else _unwatched(verdicts)
    return (f"{fence}; {unwatched}" if unwatched else fence, *lines)


def network_in_words(fence: Fence, attempts: Iterable[Outside], *, allowed: bool) -> tuple[str, ...]:
    """Say which fence stands, and in a second line what was tried beyond this machine, if anything."""
    return (f"network: {_OPEN if allowed else _FENCES[fence]}", *_told(attempts))


def _unwatched(verdicts: Sequence[Verdict]) -> str:
    ruled = (v for v in verdicts if v.case == _RULED_IN and v.ruling is Ruling.NOT_APPLICABLE)
    return next((verdict.reason for verdict in ruled), "")


def _told(attempts: Iterable[Outside]) -> Iterator[str]:
    times: dict[str, int] = {}
    seconds = 0.0
    refused = True
    for attempt in attempts:
        what = f"{_WHAT[attempt.what]} {attempt.where}"
        times[what] = times.get(what, 0) + attempt.times
        seconds += attempt.seconds
        refused &= attempt.refused
    if not times:
        return
    most = sorted(times, key=lambda what: -times[what])
    shown = ", ".join(f"{what} ({times[what]})" for what in most[:_SHOWN])
    more = f" and {len(most) - _SHOWN} more" if len(most) > _SHOWN else ""
    count = sum(times.values())
    end = "refused" if refused else "let through"
    plural = "" if count == 1 else "s"
    yield f"{count} attempt{plural} to leave this machine, {end}, {seconds:.1f} s in all: {shown}{more}"
