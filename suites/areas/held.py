"""A server that holds its answers until the test lets them go: what may be on the wire meanwhile."""

from tgi_conformance.contracts.journal import Journal
from tgi_conformance.fake_server.client import Space, WaitTimeout, open_requests, received
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.expect import expect
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import healthy

GATE = "go"
#: How long a request that must not come is waited for (seconds); where the client is slow, longer.
WINDOW = 0.1
#: Calls are submitted this far apart where their order is judged (seconds; design, section 5: 20 ms count).
APART = 0.025
#: Calls that are made at one time where the case cannot set how many may wait.
_TAKEN = 8


def needs_cap(case: Case) -> None:
    """End the case where no limit of concurrent requests can be set."""
    case.needs("queue")
    case.needs_setting("max_concurrent_requests")


def open_together(case: Case, calls: int) -> int:
    """How many of so many calls must be open at one time, whatever cap the client has of its own.

    A cap that the case cannot set, and that is not declared, may be 1.
    """
    if "max_concurrent_requests" in case.description.settings:
        return calls
    return min(calls, case.description.defaults.max_concurrent_requests or 1)


def taken_together(case: Case, calls: int) -> int:
    """How many of so many calls may be made at one time without one being refused."""
    if {"max_concurrent_requests", "queue_size"} <= case.description.settings:
        return calls
    return min(calls, _TAKEN)


def serve_held(case: Case) -> Space:
    """A TGI that answers each request with its prompt, once the gate lets it."""
    return case.serve(healthy().held(GATE).times(0, None))


def expect_no_more_than(case: Case, space: Space, cap: int, because: str, *, of_all: int = 0) -> None:
    """No request beyond the cap comes while all are held (``of_all`` came before)."""
    try:
        journal = space.wait(open_requests(cap + 1), case.patience().absent(WINDOW))
    except WaitTimeout:
        return
    expect(
        condition=False,
        expected=f"at most {cap} open ({because})",
        observed=f"{len(journal.generations) - of_all} are",
        journal=journal,
    )


def expect_no_further(case: Case, space: Space, count: int, because: str) -> None:
    """No request comes beyond those that the server has received."""
    try:
        journal = space.wait(received(count + 1), case.patience().absent(WINDOW))
    except WaitTimeout:
        return
    expect(
        condition=False,
        expected=f"no request beyond the {count} sent: {because}",
        observed=f"{len(journal.generations)} requests",
        journal=journal,
    )


def let_pass(case: Case, space: Space) -> Journal:
    """Let the time pass in which a call arrives at its queue, unless a request comes."""
    return _pause(space, case.patience().absent(APART))


def keep_apart(case: Case, space: Space) -> Journal:
    """Let the time pass between two calls that are to arrive in this order, unless a request comes."""
    return _pause(space, case.patience().apart(APART))


def _pause(space: Space, seconds: float) -> Journal:
    seen = len(space.journal().generations)
    try:
        return space.wait(received(seen + 1), seconds)
    except WaitTimeout as timeout:
        return timeout.journal


def start_cancellable(case: Case, prompt: str, endpoint: str) -> Running:
    """Start a call that can be cancelled: an async one as it is, a sync one through ``submit``."""
    if case.claims("async"):
        return case.start(prompt, endpoint=endpoint)
    shape = case.shape()
    if "submit" not in case.driver.implemented:
        raise NotApplicable("a sync call is cancelled through submit, which is not implemented")
    return case.start(prompt, endpoint=endpoint, method="submit", kind=shape.method)
