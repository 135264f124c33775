"""Waiting on the journal for what a backend must do; what does not come is its failure, not the kit's."""

from typing import Final

from tgi_conformance.contracts.journal import Journal
from tgi_conformance.fake_server.client import (
    Condition,
    Space,
    WaitTimeout,
    answered,
    open_requests,
    quiet,
    received,
)
from tgi_conformance.suites.areas.streams import allowance
from tgi_conformance.suites.harness.expect import ClauseFailed, expect, timeline

#: Seconds within which a request must come that nothing holds back.
_COMING: Final = 5.0
_OPENING: Final = 3.0
#: Seconds in which a client has read an answer and decided what to do next.
_DECIDING: Final = 0.025


def expect_received(space: Space, count: int = 1, *, key: str | None = None) -> Journal:
    """Wait until the server has received so many generation requests (of a key's)."""
    try:
        return space.wait(received(count, key=key), _COMING)
    except WaitTimeout as timeout:
        whose = f" with key {key}" if key else ""
        raise _absent(timeout, f"{_requests(count)}{whose} within {_COMING:g} s") from None


def expect_open(space: Space, count: int) -> Journal:
    """Wait until so many generation requests are open at one time."""
    try:
        return space.wait(open_requests(count), _OPENING)
    except WaitTimeout as timeout:
        raise ClauseFailed(
            f"{_requests(count)} open at one time",
            f"{timeout.journal.most_open(grace=0.0)}",
            timeline(timeout.journal),
        ) from None


def expect_turned_away(space: Space, count: int = 1, *, key: str | None = None) -> Journal:
    """Wait until so many requests were answered and their callers have had time to take note of it."""
    try:
        space.wait(answered(count, key=key), _COMING)
    except WaitTimeout as timeout:
        whose = f" with key {key}" if key else ""
        raise _absent(timeout, f"{_requests(count)}{whose} within {_COMING:g} s") from None
    try:
        return space.wait(quiet(_DECIDING), _OPENING)
    except WaitTimeout as timeout:
        return timeout.journal


# --- what the tests above share ---------------------------------------------------------------------------


def expect_soon(space: Space, what: Condition, expected: str) -> None:
    """Something must be seen at the server within one second (and ten times its lag)."""
    bound = allowance(space.journal())
    try:
        space.wait(what, bound)
    except WaitTimeout as waited:
        expect(
            condition=False,
            expected=f"{expected}, within {bound:.1f} s",
            observed="not seen",
            journal=waited.journal,
        )


def _requests(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"


def _absent(timeout: WaitTimeout, expected: str) -> ClauseFailed:
    journal = timeout.journal
    return ClauseFailed(expected, f"{len(journal.generations)} of all keys", timeline(journal))
