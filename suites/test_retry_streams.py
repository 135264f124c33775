"""RETRY: a Retry-After on a stream's request says as much as one on any other request."""

from tgi_conformance.contracts.journal import Journal
from tgi_conformance.suites.areas.refusals import refusal, retried_status, retrying
from tgi_conformance.suites.areas.retry_after import (
    as_header,
    expect_gap_at_least,
    expect_none_before,
    moment_ahead,
)
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import ahead, clause, timing
from tgi_conformance.suites.harness.expect import expect_requests, expect_text


@clause("RETRY-04", case="stream", ways="chat stream")
@timing
@ahead
def test_retry_after_in_seconds_binds_streams_too(case: Case) -> None:
    """A stream is often sent by code of its own, which has its own idea of a retry, or none."""
    journal = _refused_then_streamed(case, "1", asked=1.0)

    expect_gap_at_least(case, journal, journal.generations, 1.0, "Retry-After: 1 on a stream")


@clause("RETRY-05", case="stream", ways="chat stream")
@timing
@ahead
def test_retry_after_as_a_date_binds_streams_too(case: Case) -> None:
    """Both forms of the header say the same thing, whatever the request asked for."""
    moment = moment_ahead(case)
    journal = _refused_then_streamed(case, as_header(moment), asked=2.0)

    expect_none_before(case, journal, moment)


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
