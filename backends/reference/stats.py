"""Usage statistics of one endpoint, counted once for each call however many attempts it took.

``failed_requests`` includes the cancelled and the refused ones, which are also shown apart, so at
rest ``total_requests == successful_requests + failed_requests``. Tokens are the server's own
figures for successful calls; a call for which it gave none, or not both, adds to
``requests_without_usage`` instead of passing as a measured 0.
"""

import threading
from collections.abc import Iterable
from typing import Final, Literal

from tgi_conformance.backends.reference.answers import Usage

Ending = Literal["successful", "failed", "cancelled", "refused"]

COUNTERS: Final = (
    "total_requests",
    "successful_requests",
    "failed_requests",
    "cancelled_requests",
    "refused_requests",
    "requests_without_usage",
    "attempts",
    "input_tokens",
    "output_tokens",
)
Counts = dict[str, int]


class Stats:
    """The counters of one endpoint. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counts = dict.fromkeys(COUNTERS, 0)
        self._era = 0

    def begin(self) -> "CallEntry":
        """Count a call that begins now."""
        with self._lock:
            self._counts["total_requests"] += 1
            return CallEntry(self, self._era)

    def snapshot(self) -> Counts:
        """Return a copy of the counters, with ``total_tokens``."""
        with self._lock:
            return _with_total(dict(self._counts))

    def reset(self) -> None:
        """Set all counters to 0; calls under way will not be counted at their end either."""
        with self._lock:
            self._counts = dict.fromkeys(COUNTERS, 0)
            self._era += 1

    def add(self, era: int, counts: Counts) -> None:
        """Add to counters, unless they were reset since ``era``."""
        with self._lock:
            if era == self._era:
                for name, count in counts.items():
                    self._counts[name] += count


class CallEntry:
    """One call in the books: it ends once, whoever says so first."""

    def __init__(self, stats: Stats, era: int) -> None:
        self._stats = stats
        self._era = era
        self._open = True

    def attempt(self) -> None:
        """Count a request that is sent."""
        self._stats.add(self._era, {"attempts": 1})

    def end(self, ending: Ending, usage: Usage | None = None) -> None:
        """Count how the call ended."""
        if not self._open:
            return
        self._open = False
        self._stats.add(self._era, _counts_of(ending, usage or Usage()))


def total(snapshots: Iterable[Counts]) -> Counts:
    """Return the sum of several snapshots."""
    counts = dict.fromkeys(COUNTERS, 0)
    for snapshot in snapshots:
        for name in COUNTERS:
            counts[name] += snapshot[name]
    return _with_total(counts)


def _counts_of(ending: Ending, usage: Usage) -> Counts:
    if ending == "successful":
        return {
            "successful_requests": 1,
            "requests_without_usage": int(usage.total_tokens is None),
            "input_tokens": usage.prompt_tokens or 0,
            "output_tokens": usage.completion_tokens or 0,
        }
    counts = {"failed_requests": 1}
    if ending != "failed":
        counts[f"{ending}_requests"] = 1
    return counts


def _with_total(counts: Counts) -> Counts:
    return {**counts, "total_tokens": counts["input_tokens"] + counts["output_tokens"]}
