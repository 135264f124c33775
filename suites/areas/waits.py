"""Waiting on the journal for what a backend must do; what does not come is its failure, not the kit's."""

from typing import Final

from tgi_conformance.contracts.journal import Journal
from tgi_conformance.fake_server.client import (
    Condition,
    Space,
    WaitTimeout,
    answered,
    connections_closed,
    open_requests,
    quiet,
    received,
)
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import ClauseFailed, expect, timeline

#: Seconds within which a request must come that nothing holds back; where the client is slow, more.
_COMING: Final = 5.0
_OPENING: Final = 3.0
#: Seconds in which a client has read an answer and decided what to do next.
_DECIDING: Final = 0.025


def expect_received(case: Case, space: Space, count: int = 1, *, key: str | None = None) -> Journal:
    """Wait until the server has received so many generation requests (of a key's)."""
    return _await(case, space, received(count, key=key), f"{_requests(count)}{_of(key)}")


def expect_closed(case: Case, space: Space) -> None:
    """Wait until each connection is closed: the server closed them, and the client can know of it."""
    try:
        space.wait(connections_closed(), case.patience(space.journal()).soon())
    except WaitTimeout as timeout:
        raise ClauseFailed(
            "the client closes its side of a connection that the server closed",
            "it is open",
            timeline(timeout.journal),
        ) from None


def expect_open(case: Case, space: Space, count: int) -> Journal:
    """Wait until so many generation requests are open at one time."""
    try:
        return space.wait(open_requests(count), case.patience(space.journal()).soon(_OPENING))
    except WaitTimeout as timeout:
        raise ClauseFailed(
            f"{_requests(count)} open at one time",
            f"{timeout.journal.most_open(grace=0.0)}",
            timeline(timeout.journal),
        ) from None


def expect_turned_away(case: Case, space: Space, count: int = 1, *, key: str | None = None) -> Journal:
    """Wait until so many requests were answered and their callers have had time to take note of it."""
    _await(case, space, answered(count, key=key), f"{_requests(count)}{_of(key)}")
    patience = case.patience(space.journal())
    try:
        return space.wait(quiet(_DECIDING + patience.after), patience.soon(_OPENING))
    except WaitTimeout as timeout:
        return timeout.journal


# --- what the tests above share ---------------------------------------------------------------------------


def expect_soon(case: Case, space: Space, what: Condition, expected: str) -> None:
    """Something must be seen at the server within a second, and what the client and its lag take."""
    bound = case.patience(space.journal()).soon()
    try:
        space.wait(what, bound)
    except WaitTimeout as waited:
        expect(
            condition=False,
            expected=f"{expected}, within {bound:.1f} s",
            observed="not seen",
            journal=waited.journal,
        )


def _await(case: Case, space: Space, what: Condition, expected: str) -> Journal:
    seconds = case.patience(space.journal()).soon(_COMING)
    try:
        return space.wait(what, seconds)
    except WaitTimeout as timeout:
        raise _absent(timeout, f"{expected} within {seconds:.1f} s") from None


def _of(key: str | None) -> str:
    return f" with key {key}" if key else ""


def _requests(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"


def _absent(timeout: WaitTimeout, expected: str) -> ClauseFailed:
    journal = timeout.journal
    return ClauseFailed(expected, f"{len(journal.generations)} of all keys", timeline(journal))
