"""RESP: fields after a chunked body (trailers) are no part of it, and the connection is good after them."""

from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.script import Reply
from tgi_conformance.suites.areas.ways import FORM, SHAPE
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect_text
from tgi_conformance.suites.shapes.calls import Shape

#: What servers and proxies send there: a digest, times, a status of their own.
_TRAILERS: Final = (
    ("Server-Timing", "total;dur=12.5"),
    ("x-checksum", "900150983cd24fb0"),
    ("grpc-status", "0"),
)


@clause("RESP-05", case="trailers")
@FORM
@SHAPE
def test_an_answer_with_trailers_is_read_like_one_without(case: Case, shape: Shape, *, stream: bool) -> None:
    """Left unread they are the beginning of the next answer on the connection, which then is none."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    first = _with_trailers(shape.reply("as usual", streaming=stream))
    case.serve(first, shape.reply("and the next", streaming=stream))
    endpoint = case.endpoint()

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "as usual")
    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "and the next")


def _with_trailers(reply: Reply) -> Reply:
    if reply.stream is not None:
        return replace(reply, stream=replace(reply.stream, trailers=_TRAILERS))
    assert reply.response is not None
    return replace(reply, response=replace(reply.response, framing="chunked", trailers=_TRAILERS))
