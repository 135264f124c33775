"""RETRY: a server's keep-alive timeout ends a connection between two calls, plain or streamed."""

from typing import Final

import pytest

from tgi_conformance.contracts.script import Reply, silence
from tgi_conformance.fake_server.client import WaitTimeout, connections_closed
from tgi_conformance.suites.areas.refusals import QUICK
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import ClauseFailed, expect_text, timeline
from tgi_conformance.suites.harness.rulings import NotApplicable

FORM = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
#: The server's keep-alive timeout (milliseconds): short, so that a case does not wait for it.
_IDLE: Final = 20.0


@clause("RETRY-14", case="idle-timeout", ways="chat")
@FORM
def test_a_connection_that_timed_out_does_not_fail_the_next_call(case: Case, *, stream: bool) -> None:
    """Load balancers close what is idle after seconds; people pause for longer between two questions."""
    case.needs("retry", *(("stream",) if stream else ()))
    shape = case.shape()
    first, second = (shape.reply(text, streaming=stream) for text in ("first", "second"))
    space = case.serve(first, second, idle_ms=_IDLE)
    endpoint = case.endpoint(max_retries=1, **QUICK)
    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "first")
    try:
        space.wait(connections_closed(), case.patience(space.journal()).soon())
    except WaitTimeout as timeout:
        raise ClauseFailed(
            "the client closes its side of a connection that the server closed",
            "it is open",
            timeline(timeout.journal),
        ) from None

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "second")


@clause("RETRY-14", case="closed-on-use-stream", ways="chat stream")
def test_a_connection_closed_on_its_second_stream_does_not_fail_the_call(case: Case) -> None:
    """The close may cross the request on its way: nothing of a stream was handed out yet."""
    case.needs("retry", "stream")
    shape = case.shape()
    lost: Reply = silence("fin").named("closed-on-use")
    space = case.serve(shape.stream(("first",)), lost, shape.stream(("second",)).times(0, 1))
    endpoint = case.endpoint(max_retries=1, **QUICK)
    expect_text(case.call(endpoint=endpoint, shape=shape, stream=True), "first")

    outcome = case.call(endpoint=endpoint, shape=shape, stream=True, attempts=2)

    connections = [exchange.connection for exchange in space.journal().generations]
    if len(set(connections[:2])) == 2:
        raise NotApplicable("each request has a connection of its own")
    expect_text(outcome, "second")
