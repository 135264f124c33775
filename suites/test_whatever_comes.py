"""Any healthy answer, whatever the model says: what a right client makes of it. A real server may decide."""

from tgi_conformance.fake_server.client import gone
from tgi_conformance.suites.areas.streams import ALL, each_shape, heard, needs_stream_of
from tgi_conformance.suites.areas.waits import expect_soon
from tgi_conformance.suites.areas.ways import needs_way, on_ways
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_text
from tgi_conformance.suites.real.said import texts_said
from tgi_conformance.suites.shapes.calls import Shape

#: What the script says where no real endpoint answers.
TEXT = "whatever the model has to say"
#: The event before which a stream is held: the first ones may hold a role and no text.
HELD = 3


@clause("RESP-02", case="whatever-comes")
@on_ways()
def test_the_text_of_any_answer_is_the_text_that_came(case: Case, shape: Shape, *, stream: bool) -> None:
    """To the code point, whatever it is."""
    needs_way(case, shape, stream=stream)
    case.serve(shape.reply(TEXT, streaming=stream))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=stream)

    expect_text(outcome, TEXT)


@clause("STREAM-01", case="whatever-comes")
@each_shape
def test_any_stream_that_comes_byte_by_byte_is_read_whole(case: Case, shape: Shape) -> None:
    """Where the network cuts it says nothing of where an event ends."""
    needs_stream_of(case, shape)
    case.serve(shape.reply(TEXT, streaming=True).deliver(splits="bytes"))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=True)

    expect_text(outcome, TEXT)


@clause("STREAM-12", case="whatever-comes")
@each_shape
def test_any_stream_that_is_cut_is_an_error_after_what_came(case: Case, shape: Shape) -> None:
    """Half an answer that looks whole is worse than none."""
    needs_stream_of(case, shape)
    case.serve(shape.reply(TEXT, streaming=True).cut("fin", event=1))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=True)

    expect(
        outcome.raised,
        expected="an error: the stream was closed after its first event",
        observed=describe(outcome),
    )
    whole = next(iter(texts_said()), TEXT)
    seen = "".join(heard(outcome.pieces))
    expect(
        whole.strip().startswith(seen.strip()),
        expected=f"no more than {whole!r} before the error",
        observed=repr(seen),
    )


@clause("STREAM-20", case="whatever-comes")
@each_shape
def test_the_beginning_of_any_stream_is_there_before_its_end_was_sent(case: Case, shape: Shape) -> None:
    """Who waits for the whole shows nothing while the model talks."""
    needs_stream_of(case, shape)
    space = case.serve(shape.reply(TEXT, streaming=True).held("rest", event=HELD))

    running = case.start(endpoint=case.endpoint(), shape=shape, stream=True)
    running.call.pull(ALL)
    came = running.call.wait_pieces(1, case.patience(case.journal()).soon(2.0))
    if not came:
        running.call.abandon()
    expect(
        bool(came),
        expected=f"a piece before event {HELD + 1} is sent",
        observed="none",
        journal=space.journal(),
    )
    space.release("rest")

    expect_text(running.wait(), TEXT)


@clause("RES-01", case="whatever-comes")
@each_shape
def test_leaving_any_stream_early_closes_its_connection(case: Case, shape: Shape) -> None:
    """A connection that is kept open burns a GPU for nobody."""
    needs_stream_of(case, shape)
    space = case.serve(shape.reply(TEXT, streaming=True).held("never", event=HELD))

    running = case.start(endpoint=case.endpoint(), shape=shape, stream=True)
    pieces = running.read(1)
    expect(len(pieces) == 1, expected="a piece before the stream is left", observed=str(len(pieces)))
    running.leave("close")

    expect_soon(case, space, gone(1), "the connection closed after the stream was left")
