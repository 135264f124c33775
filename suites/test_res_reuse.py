"""RES: the connections of one call serve the next."""

from typing import Final

from tgi_conformance.suites.areas.ways import FORM, SHAPE
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_success
from tgi_conformance.suites.shapes.calls import Shape

#: Calls made one after the other, and connections that they may take: a pool may have let one go.
CALLS: Final = 6
FEW: Final = 3


@clause("RES-09")
@FORM
@SHAPE
def test_calls_in_turn_share_connections(case: Case, shape: Shape, *, stream: bool) -> None:
    """A connection for each call costs a TCP and a TLS handshake before the first token of each."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    space = case.serve(shape.reply("one two three", streaming=stream).times(1, None))
    endpoint = case.endpoint()

    for _ in range(CALLS):
        expect_success(case.call(endpoint=endpoint, shape=shape, stream=stream))

    journal = space.journal()
    used = {exchange.connection for exchange in journal.generations}
    expect(
        len(used) <= FEW,
        expected=f"{FEW} connections at most for {CALLS} calls in turn",
        observed=str(len(used)),
        journal=journal,
    )
