"""RETRY: a server's keep-alive timeout ends a connection between two calls, plain or streamed."""

from typing import Final

from tgi_conformance.suites.areas.refusals import QUICK
from tgi_conformance.suites.areas.waits import expect_closed
from tgi_conformance.suites.areas.ways import FORM
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect_text

#: The server's keep-alive timeout (milliseconds): short, so that a case does not wait for it.
_IDLE: Final = 20.0


@clause("RETRY-14", case="idle-timeout", ways="chat")
@FORM
def test_a_connection_that_timed_out_does_not_fail_the_next_call(case: Case, *, stream: bool) -> None:
    """Load balancers close what is idle after seconds; people pause for longer between two questions.

    The server's FIN is there before the next call: who looks at a kept connection needs no retry.
    """
    case.needs(*(("stream",) if stream else ()))
    shape = case.shape()
    first, second = (shape.reply(text, streaming=stream) for text in ("first", "second"))
    space = case.serve(first, second, idle_ms=_IDLE)
    endpoint = case.endpoint(max_retries=1, **QUICK)
    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "first")
    expect_closed(case, space)

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "second")
