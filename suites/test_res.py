"""RES: the connections that a client leaves open, and what it reads of a stream before it is asked to."""

import time
from typing import Any, Final

import pytest

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.script import Reply, overloaded, status, tgi_error
from tgi_conformance.fake_server.client import Space, WaitTimeout, gone
from tgi_conformance.suites.areas.refusals import refusal, retried_status
from tgi_conformance.suites.areas.waits import expect_received, expect_soon
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.clause import clause, load
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_text
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

WORDS = (" one", " two", " three", " four")
#: Short delays for cases that are not about them (seconds).
QUICK: dict[str, Any] = {"initial_retry_delay": 0.01, "backoff_factor": 1.0, "max_retry_delay": 0.02}


@clause("RES-01", ways="chat stream")
@pytest.mark.parametrize("how", ["close", "drop", "throw"])
def test_leaving_a_stream_early_closes_its_connection(case: Case, how: str) -> None:
    """TGI generates until the client is gone: a connection kept open burns a GPU for nobody."""
    case.needs("stream")
    shape = case.shape()
    space = case.serve(shape.stream(WORDS).held("never", event=3))
    endpoint = case.endpoint()

    running = case.start(endpoint=endpoint, shape=shape, stream=True)
    pieces = running.read(3)
    expect(len(pieces) == 3, expected="three pieces before the stream is left", observed=str(len(pieces)))
    running.leave(how)

    expect_soon(case, space, gone(1), f"the connection closed after the stream was left ({how})")


@clause("RES-02", case="before-headers", ways="chat")
def test_cancelling_a_call_that_waits_closes_its_connection(case: Case) -> None:
    """The caller has gone; so must the request, and the caller sees a cancellation."""
    case.needs("cancel")
    shape = case.shape()
    space = case.serve(shape.plain("late").held("never"))
    endpoint = case.endpoint()

    running = _cancellable(case, endpoint, shape)
    expect_received(case, space)
    running.cancel()

    expect_soon(case, space, gone(1), "the connection closed after the call was cancelled")
    _expect_cancelled(running)


@clause("RES-02", case="mid-stream", ways="chat stream")
def test_cancelling_a_stream_closes_its_connection(case: Case) -> None:
    """A cancelled reader of a stream leaves it, as one that breaks out does."""
    case.needs("cancel", "stream", "async")
    shape = case.shape()
    space = case.serve(shape.stream(WORDS).held("never", event=2))
    endpoint = case.endpoint()

    running = case.start(endpoint=endpoint, shape=shape, stream=True)
    expect(len(running.read(2)) == 2, expected="two pieces before the cancellation", observed="fewer")
    running.call.pull(1)
    running.cancel()

    expect_soon(case, space, gone(1), "the connection closed after the stream was cancelled")
    _expect_cancelled(running)


def _cancellable(case: Case, endpoint: str, shape: Shape) -> Running:
    """Start a call that can be taken back: an async one as it is, a sync one through ``submit``."""
    if case.claims("async"):
        return case.start(endpoint=endpoint, shape=shape)
    if "submit" not in case.driver.implemented:
        raise NotApplicable("a sync call is cancelled through submit, which is not implemented")
    return case.start(endpoint=endpoint, shape=shape, method="submit", kind=shape.method)


def _expect_cancelled(running: Running) -> None:
    outcome = running.wait()
    told = outcome.error is not None and outcome.error.kind is ErrorKind.CANCELLED
    raised = outcome.raised and any("Cancel" in link.type for link in outcome.exception)
    expect(told or raised, expected="a cancellation is what the caller sees", observed=describe(outcome))


@clause("RES-03", ways="chat stream")
def test_a_fully_read_stream_gives_its_connection_back(case: Case) -> None:
    """A pool of two serves ten streams in turn; one that leaks is empty after the second."""
    case.needs("stream")
    shape = case.shape()
    space = case.serve(shape.stream(WORDS).times(10))
    endpoint = case.endpoint(pool_size=2, timeout=case.patience().limit(2.0))

    for _ in range(10):
        expect_text(case.call(endpoint=endpoint, shape=shape, stream=True), "".join(WORDS))

    _expect_few_open(space.journal(), 2, "ten streams in turn")


#: Answers that a stream call is refused with.
REFUSALS: dict[str, Reply] = {
    "429": overloaded(),
    "500": tgi_error(500, "Incomplete generation", "incomplete_generation"),
    "502-page": status(502, html=f"<html>{'Bad Gateway ' * 4000}</html>"),
}


@clause("RES-04", ways="chat stream")
@pytest.mark.parametrize("form", sorted(REFUSALS))
def test_refused_stream_calls_leave_no_connection_behind(case: Case, form: str) -> None:
    """An error answer whose body nobody reads holds its connection until the pool is empty."""
    case.needs("stream")
    shape = case.shape()
    space = case.serve(REFUSALS[form].times(25, None).where(contains="refuse me"), shape.stream(WORDS))
    endpoint = case.endpoint(pool_size=2, timeout=case.patience().limit(2.0))

    for _ in range(25):
        outcome = case.call(case.prompt("refuse me"), endpoint=endpoint, shape=shape, stream=True)
        expect_error(outcome, because=f"the server answered {form}")

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=True), "".join(WORDS))
    _expect_few_open(space.journal(), 2, "26 calls in turn")


@clause("RES-04", case="retried", ways="chat stream")
def test_answers_that_are_retried_are_closed(case: Case) -> None:
    """Each attempt that failed gives its connection back before the next one needs it."""
    case.needs("stream", "retry")
    refused = refusal(retried_status(case)).times(2)
    case.needs_setting("max_retries")
    shape = case.shape()
    calls = [case.prompt(f"call {number}") for number in range(6)]
    space = case.serve(
        *(
            part
            for prompt in calls
            for part in (refused.where(contains=prompt), shape.stream(WORDS).where(contains=prompt))
        )
    )
    endpoint = case.endpoint(max_retries=2, pool_size=2, timeout=case.patience().limit(2.0), **QUICK)

    for prompt in calls:
        expect_text(case.call(prompt, endpoint=endpoint, shape=shape, stream=True), "".join(WORDS))

    _expect_few_open(space.journal(), 2, "18 attempts in turn")


#: A stream of many frames of this many characters: more than the kernel's buffers on both sides hold.
FRAME: Final = 64 * 1024
FRAMES: Final = 240
#: What the kernel (both sides) and a careful client may hold of it, bytes.
HELD_BACK: Final = 10 * 1024 * 1024


@clause("RES-08", ways="chat stream")
@load
def test_a_slow_consumer_holds_the_server_back(case: Case) -> None:
    """A client that reads on without its caller keeps the whole answer in memory, for each stream."""
    case.needs("stream")
    shape = case.shape()
    space = case.serve(shape.stream(["x" * FRAME] * FRAMES))
    endpoint = case.endpoint()

    running = case.start(endpoint=endpoint, shape=shape, stream=True)
    pieces = running.read(3)
    expect(len(pieces) == 3, expected="three pieces", observed=str(len(pieces)))
    sent = _sent_when_quiet(space)
    running.leave()

    expect(
        sent <= HELD_BACK,
        expected=f"at most {HELD_BACK >> 20} of {FRAME * FRAMES >> 20} MiB taken for three pieces read",
        observed=f"{sent >> 20} MiB",
    )


def _sent_when_quiet(space: Space) -> int:
    """Bytes that the server got rid of, once the count stands still (or two seconds have gone)."""
    last, until = -1, time.monotonic() + 2.0
    while time.monotonic() < until:
        try:
            journal = space.wait(gone(1), 0.2)
        except WaitTimeout as waited:
            journal = waited.journal
        sent = sum(exchange.sent_bytes for exchange in journal.generations)
        if sent == last:
            return sent
        last = sent
    return last


def _expect_few_open(journal: Journal, most: int, because: str) -> None:
    marks = [(c.opened_at, 1) for c in journal.connections]
    marks += [(c.closed_at, -1) for c in journal.connections if c.closed_at is not None]
    count = peak = 0
    for _, step in sorted(marks):
        count += step
        peak = max(peak, count)
    expect(
        peak <= most,
        expected=f"at most {most} connections open at one time ({because})",
        observed=str(peak),
        journal=journal,
    )
