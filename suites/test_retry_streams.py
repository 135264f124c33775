"""RETRY: a rate limit on a stream's request says as much as one on any other request."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

from tgi_conformance.contracts.script import overloaded
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import ahead, clause, timing
from tgi_conformance.suites.harness.expect import expect, expect_requests, expect_text
from tgi_conformance.suites.harness.policy import EARLY, in_seconds, most_attempts
from tgi_conformance.suites.harness.rulings import NotApplicable

_RATE_LIMITED: Final = 429


@clause("RETRY-04", case="stream")
@timing
@ahead
def test_retry_after_in_seconds_binds_streams_too(case: Case) -> None:
    """A stream is often sent by code of its own, which has its own idea of a retry, or none."""
    space = _limited_then_streamed(case, "1", asked=1.0)

    journal = space.journal()
    gaps = journal.gaps()
    expect(
        all(gap >= 1.0 - EARLY for gap in gaps),
        expected="at least 1.0 s between attempts (Retry-After: 1 on a stream)",
        observed=in_seconds(gaps),
        journal=journal,
    )


@clause("RETRY-05", case="stream")
@timing
@ahead
def test_retry_after_as_a_date_binds_streams_too(case: Case) -> None:
    """Both forms of the header say the same thing, whatever the request asked for."""
    # A date has a grain of one second: two seconds ahead, cut to whole seconds, is more than one away.
    moment = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
    header = format_datetime(moment, usegmt=True)
    space = _limited_then_streamed(case, header, asked=2.0)

    journal = space.journal()
    wall = time.time() - time.monotonic()
    early = [moment.timestamp() - wall - again.first_byte_at for again in journal.generations[1:]]
    expect(
        all(seconds <= EARLY for seconds in early),
        expected=f"no attempt before the moment that Retry-After names ({header})",
        observed="attempts " + ", ".join(f"{seconds:.3f} s" for seconds in early) + " before it",
        journal=journal,
    )


def _limited_then_streamed(case: Case, retry_after: str, *, asked: float) -> Space:
    """Have a stream refused once, with that header (``asked``: its seconds at most), and then answered."""
    case.needs("retry", "stream")
    declared = case.description.retry
    if declared is not None and declared.statuses is not None and _RATE_LIMITED not in declared.statuses:
        raise NotApplicable(f"the status {_RATE_LIMITED} is not declared retryable")
    shape = case.shape()
    space = case.serve(overloaded(("retry-after", retry_after)), shape.stream((" granted",)))
    endpoint = case.endpoint(max_retries=1, initial_retry_delay=0.05, backoff_factor=1.0)
    policy = case.policy(endpoint)
    if most_attempts(policy) < 2:
        raise NotApplicable("the backend makes one attempt")
    if policy.max_retry_after is not None and policy.max_retry_after < asked:
        raise NotApplicable(f"a Retry-After of {asked:g} s is longer than it waits, as declared")

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=True), " granted")

    expect_requests(space.journal().generations, 2, because="one rate limit, then a 200")
    return space
