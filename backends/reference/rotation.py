"""Which endpoint takes a call that names none. Pure.

Endpoints take turns. One whose key must wait (Retry-After) is passed over until then, one whose key
was refused (401) until it is given another, and one with a full queue while there is a better one.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint as rotation sees it. ``blocked_until`` is a time of the monotonic clock."""

    endpoint_id: str
    blocked_until: float = 0.0
    rejected: bool = False
    full: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The endpoint chosen, and the time before which nothing may be sent to it."""

    endpoint_id: str
    not_before: float = 0.0


def choose(candidates: Sequence[Candidate], *, last: str | None, now: float) -> Choice | None:
    """Return whose turn it is after ``last``, or ``None`` if every key was refused.

    If all keys must wait, it is the one that may go first.
    """
    ids = [candidate.endpoint_id for candidate in candidates]
    start = ids.index(last) + 1 if last in ids else 0
    in_turn = [*candidates[start:], *candidates[:start]]
    usable = [candidate for candidate in in_turn if not candidate.rejected]
    if not usable:
        return None
    free = [candidate for candidate in usable if candidate.blocked_until <= now]
    if free:
        best = next((candidate for candidate in free if not candidate.full), free[0])
        return Choice(best.endpoint_id)
    first = min(usable, key=lambda candidate: candidate.blocked_until)
    return Choice(first.endpoint_id, first.blocked_until)
