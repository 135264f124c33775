"""RETRY: a Retry-After on a stream's request says as much as one on any other request."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tgi_conformance.contracts.journal import Journal
from tgi_conformance.suites.areas.refusals import refusal, retried_status, retry_after_weighed, retrying
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import ahead, clause, timing
from tgi_conformance.suites.harness.expect import expect, expect_requests, expect_text
from tgi_conformance.suites.harness.policy import EARLY, in_seconds


@clause("RETRY-04", case="stream")
@timing
@ahead
def test_retry_after_in_seconds_binds_streams_too(case: Case) -> None:
    """A stream is often sent by code of its own, which has its own idea of a retry, or none."""
    journal = _refused_then_streamed(case, "1", asked=1.0)

    gaps = journal.gaps()
    with retry_after_weighed(case):
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
    journal = _refused_then_streamed(case, header, asked=2.0)

    wall = time.time() - time.monotonic()
    early = [moment.timestamp() - wall - again.first_byte_at for again in journal.generations[1:]]
    with retry_after_weighed(case):
        expect(
            all(seconds <= EARLY for seconds in early),
            expected=f"no attempt before the moment that Retry-After names ({header})",
            observed="attempts " + ", ".join(f"{seconds:.3f} s" for seconds in early) + " before it",
            journal=journal,
        )


def _refused_then_streamed(case: Case, retry_after: str, *, asked: float) -> Journal:
    """Have a stream refused once with that header, asking for ``asked`` seconds at most, then answered."""
    case.needs("retry", "stream")
    code, shape = retried_status(case), case.shape()
    space = case.serve(refusal(code, ("retry-after", retry_after)), shape.stream((" granted",)))
    endpoint = retrying(case, 1, asked=asked)

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=True), " granted")

    journal = space.journal()
    expect_requests(journal.generations, 2, because=f"one {code}, then a 200", journal=journal)
    return journal
