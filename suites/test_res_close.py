"""RES: what ``close()`` ends, and what is an error after it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.fake_server.client import Space, connections_closed
from tgi_conformance.suites.areas.held import expect_no_further, open_together
from tgi_conformance.suites.areas.process.growth import count_of, expect_back_to
from tgi_conformance.suites.areas.waits import expect_open, expect_soon
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_requests, expect_text

WORDS = (" one", " two", " three", " four")


@clause("RES-05", case="at-rest", ways="chat")
def test_close_ends_everything_of_a_client_at_rest(case: Case) -> None:
    """Kept connections, threads and tasks of the client end with it."""
    case.needs("close")
    shape = case.shape()
    with _fresh_backend(case) as driver:
        before = count_of(driver)
        space = case.serve(shape.plain("hello").times(3))
        endpoint = case.endpoint()
        for _ in range(3):
            expect_text(case.call(endpoint=endpoint, shape=shape), "hello")

        _expect_closes(case)
        expect_soon(case, space, connections_closed(), "every connection closed after close()")
        expect_back_to(driver, before, case.patience())


@clause("RES-05", case="held-and-queued", ways="chat")
def test_close_ends_running_and_waiting_calls_with_an_error(case: Case) -> None:
    """Who still waits for an answer learns that none will come, at once.

    A client that cannot take a call back (``cancel``) may let one that is on the wire end by itself.
    """
    case.needs("close")
    shape = case.shape()
    with _fresh_backend(case) as driver:
        before = count_of(driver)
        together = open_together(case, 3)
        space = case.serve(shape.plain("late").held("never").times(together, None))
        queued = 3 if case.claims("queue") and "queue_size" in case.description.settings else 0
        endpoint = case.endpoint(max_concurrent_requests=3, queue_size=8)
        running = [case.start(endpoint=endpoint, shape=shape) for _ in range(3 + queued)]
        expect_open(case, space, together)
        may_end = 0 if case.claims("cancel") else 3

        _expect_closes(case)
        if may_end:
            space.release("never")
        expect_soon(case, space, connections_closed(), "every connection closed after close()")
        for number, call in enumerate(running):
            outcome = call.wait_briefly(case.patience(space.journal()).soon())
            expect(
                outcome is not None and (outcome.raised or number < may_end),
                expected="an error for each call that ran or waited when the client was closed",
                observed="it still waits" if outcome is None else describe(outcome),
            )
        expect_back_to(driver, before, case.patience())


@clause("RES-05", case="running-stream", ways="chat stream")
def test_close_ends_a_stream_whose_reader_waits_with_an_error(case: Case) -> None:
    """A stream that ends without a word of the close looks like a whole answer."""
    case.needs("close", "stream")
    with _fresh_backend(case):
        space, running = _held_stream(case)
        running.call.pull(1)
        # The reader is to wait for the server when close() comes; nothing on the wire shows when it does.
        expect_no_further(case, space, 1, "one stream is one request")

        _expect_closes(case)
        _expect_ended(case, space, running)


@clause("RES-05", case="stream-read-later", ways="chat stream")
def test_a_stream_that_is_read_on_after_close_is_an_error(case: Case) -> None:
    """Whoever reads on after the close learns that the rest is missing."""
    case.needs("close", "stream")
    with _fresh_backend(case):
        space, running = _held_stream(case)

        _expect_closes(case)
        running.call.pull(1)
        _expect_ended(case, space, running)


@clause("RES-05", case="again-and-after", ways="chat")
def test_close_may_be_repeated_and_a_call_after_it_fails(case: Case) -> None:
    """Clean-up runs twice in many programs; a call after it is a mistake that must be told."""
    case.needs("close")
    shape = case.shape()
    with _fresh_backend(case):
        space = case.serve(shape.plain("hello").times(1, None))
        endpoint = case.endpoint()
        expect_text(case.call(endpoint=endpoint, shape=shape), "hello")

        _expect_closes(case)
        _expect_closes(case, "a second close()")
        bound = case.patience(space.journal()).soon()
        outcome = case.start(endpoint=endpoint, shape=shape).wait_briefly(bound)

        expect(
            outcome is not None and outcome.raised,
            expected="an error for a call after close()",
            observed="it still waits" if outcome is None else describe(outcome),
        )
        sent = space.journal().generations
        expect_requests(sent, 1, because="none after close()", journal=space.journal())


def _held_stream(case: Case) -> tuple[Space, Running]:
    """A stream that has given two pieces, and gets no more."""
    shape = case.shape()
    space = case.serve(shape.stream(WORDS).held("never", event=2))
    running = case.start(endpoint=case.endpoint(), shape=shape, stream=True)
    expect(len(running.read(2)) == 2, expected="two pieces before the close", observed="fewer")
    return space, running


def _expect_ended(case: Case, space: Space, running: Running) -> None:
    expect_soon(case, space, connections_closed(), "the stream's connection closed after close()")
    outcome = running.wait_briefly(case.patience(space.journal()).soon())
    expect(
        outcome is not None and outcome.raised,
        expected="an error for the stream that ran when the client was closed",
        observed="it still waits" if outcome is None else describe(outcome),
    )


def _expect_closes(case: Case, what: str = "close()") -> None:
    outcome = case.ask("close")
    expect(outcome.returned, expected=f"{what} returns", observed=describe(outcome))


@contextmanager
def _fresh_backend(case: Case) -> Iterator[Driver]:
    """Start the backend's process afresh after a case that closes the backend for good."""
    try:
        yield case.driver
    finally:
        case.driver.restart()
