"""RES: what a client leaves behind: connections, threads, tasks, descriptors, memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.script import Reply, overloaded, status, tgi_error
from tgi_conformance.fake_server.client import (
    Condition,
    Space,
    WaitTimeout,
    connections_closed,
    gone,
)
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.clause import clause, load, timing
from tgi_conformance.suites.harness.expect import (
    describe,
    expect,
    expect_error,
    expect_requests,
    expect_success,
    expect_text,
)
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.harness.streams import allowance
from tgi_conformance.suites.harness.waits import expect_open, expect_received
from tgi_conformance.suites.shapes.calls import Shape

WORDS = (" one", " two", " three", " four")
#: Short delays for cases that are not about them (seconds).
QUICK: dict[str, Any] = {"initial_retry_delay": 0.01, "backoff_factor": 1.0, "max_retry_delay": 0.02}
#: What may come and go beside the calls: a thread or socket of an event loop, a resolver, a kept connection.
SPARE: Final = 6


@clause("RES-01")
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

    _expect_soon(space, gone(1), f"the connection closed after the stream was left ({how})")


@clause("RES-02", case="before-headers")
def test_cancelling_a_call_that_waits_closes_its_connection(case: Case) -> None:
    """The caller has gone; so must the request, and the caller sees a cancellation."""
    case.needs("cancel")
    shape = case.shape()
    space = case.serve(shape.plain("late").held("never"))
    endpoint = case.endpoint()

    running = _cancellable(case, endpoint, shape)
    expect_received(space)
    running.cancel()

    _expect_soon(space, gone(1), "the connection closed after the call was cancelled")
    _expect_cancelled(running)


@clause("RES-02", case="mid-stream")
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

    _expect_soon(space, gone(1), "the connection closed after the stream was cancelled")
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


@clause("RES-03")
def test_a_fully_read_stream_gives_its_connection_back(case: Case) -> None:
    """A pool of two serves ten streams in turn; one that leaks is empty after the second."""
    case.needs("stream")
    shape = case.shape()
    space = case.serve(shape.stream(WORDS).times(10))
    endpoint = case.endpoint(pool_size=2, timeout=2.0)

    for _ in range(10):
        expect_text(case.call(endpoint=endpoint, shape=shape, stream=True), "".join(WORDS))

    _expect_few_open(space.journal(), 2, "ten streams in turn")


#: Answers that a stream call is refused with.
REFUSALS: dict[str, Reply] = {
    "429": overloaded(),
    "500": tgi_error(500, "Incomplete generation", "incomplete_generation"),
    "502-page": status(502, html=f"<html>{'Bad Gateway ' * 4000}</html>"),
}


@clause("RES-04")
@pytest.mark.parametrize("form", sorted(REFUSALS))
def test_refused_stream_calls_leave_no_connection_behind(case: Case, form: str) -> None:
    """An error answer whose body nobody reads holds its connection until the pool is empty."""
    case.needs("stream")
    shape = case.shape()
    space = case.serve(REFUSALS[form].times(25, None).where(contains="refuse me"), shape.stream(WORDS))
    endpoint = case.endpoint(pool_size=2, timeout=2.0)

    for _ in range(25):
        outcome = case.call(case.prompt("refuse me"), endpoint=endpoint, shape=shape, stream=True)
        expect_error(outcome, because=f"the server answered {form}")

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=True), "".join(WORDS))
    _expect_few_open(space.journal(), 2, "26 calls in turn")


@clause("RES-04", case="retried")
def test_answers_that_are_retried_are_closed(case: Case) -> None:
    """Each attempt that failed gives its connection back before the next one needs it."""
    case.needs("stream", "retry")
    case.needs_setting("max_retries")
    shape = case.shape()
    refusal = overloaded().times(2)
    calls = [case.prompt(f"call {number}") for number in range(6)]
    space = case.serve(
        *(
            part
            for prompt in calls
            for part in (refusal.where(contains=prompt), shape.stream(WORDS).where(contains=prompt))
        )
    )
    endpoint = case.endpoint(max_retries=2, pool_size=2, timeout=2.0, **QUICK)

    for prompt in calls:
        expect_text(case.call(prompt, endpoint=endpoint, shape=shape, stream=True), "".join(WORDS))

    _expect_few_open(space.journal(), 2, "18 attempts in turn")


# --- close ------------------------------------------------------------------------------------------------


@clause("RES-05", case="at-rest")
def test_close_ends_everything_of_a_client_at_rest(case: Case) -> None:
    """Kept connections, threads and tasks of the client end with it."""
    case.needs("close")
    shape = case.shape()
    with _fresh_backend(case) as driver:
        before = _census(driver)
        space = case.serve(shape.plain("hello").times(3))
        endpoint = case.endpoint()
        for _ in range(3):
            expect_text(case.call(endpoint=endpoint, shape=shape), "hello")

        _expect_closes(case)
        _expect_soon(space, connections_closed(), "every connection closed after close()")
        _expect_back_to(driver, before)


@clause("RES-05", case="held-and-queued")
def test_close_ends_running_and_waiting_calls_with_an_error(case: Case) -> None:
    """Who still waits for an answer learns that none will come, at once."""
    case.needs("close")
    shape = case.shape()
    with _fresh_backend(case) as driver:
        before = _census(driver)
        space = case.serve(shape.plain("late").held("never").times(3, None))
        queued = 3 if case.claims("queue") and "queue_size" in case.description.settings else 0
        endpoint = case.endpoint(max_concurrent_requests=3, queue_size=8)
        running = [case.start(endpoint=endpoint, shape=shape) for _ in range(3 + queued)]
        expect_open(space, 3)

        _expect_closes(case)
        _expect_soon(space, connections_closed(), "every connection closed after close()")
        for call in running:
            outcome = call.wait_briefly(allowance(space.journal()))
            expect(
                outcome is not None and outcome.raised,
                expected="an error for each call that ran or waited when the client was closed",
                observed="it still waits" if outcome is None else describe(outcome),
            )
        _expect_back_to(driver, before)


@clause("RES-05", case="running-stream")
def test_close_ends_a_running_stream_with_an_error(case: Case) -> None:
    """A stream that ends without a word of the close looks like a whole answer."""
    case.needs("close", "stream")
    shape = case.shape()
    with _fresh_backend(case):
        space = case.serve(shape.stream(WORDS).held("never", event=2))
        endpoint = case.endpoint()
        running = case.start(endpoint=endpoint, shape=shape, stream=True)
        expect(len(running.read(2)) == 2, expected="two pieces before the close", observed="fewer")
        running.call.pull(1)

        _expect_closes(case)
        _expect_soon(space, connections_closed(), "the stream's connection closed after close()")
        outcome = running.wait_briefly(allowance(space.journal()))
        expect(
            outcome is not None and outcome.raised,
            expected="an error for the stream that ran when the client was closed",
            observed="it still waits" if outcome is None else describe(outcome),
        )


@clause("RES-05", case="again-and-after")
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
        outcome = case.start(endpoint=endpoint, shape=shape).wait_briefly(allowance(space.journal()))

        expect(
            outcome is not None and outcome.raised,
            expected="an error for a call after close()",
            observed="it still waits" if outcome is None else describe(outcome),
        )
        sent = space.journal().generations
        expect_requests(sent, 1, because="none after close()", journal=space.journal())


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


# --- growth -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What lives in the backend's process; None: its host cannot tell."""

    threads: int | None
    tasks: int | None
    descriptors: int | None

    def over(self, before: "Count", pooled: int = 0) -> list[str]:
        """What has grown against an earlier count by more than may come and go, and be kept in a pool."""
        spare = {"descriptors": SPARE + pooled}
        return [
            f"{name}: {was} before, {now} after"
            for name in ("threads", "tasks", "descriptors")
            if (now := getattr(self, name)) is not None
            and (was := getattr(before, name)) is not None
            and now > was + spare.get(name, SPARE)
        ]


def _census(driver: Driver) -> Count:
    census = driver.census()
    return Count(
        threads=None if census.threads is None else len(census.threads),
        tasks=None if census.tasks is None else len(census.tasks),
        descriptors=census.descriptors,
    )


def _settled(driver: Driver, before: Count, pooled: int = 0, seconds: float = 1.0) -> list[str]:
    """What is still over the earlier count when it has had that long to go."""
    until = time.monotonic() + seconds
    while over := _census(driver).over(before, pooled):
        if time.monotonic() > until:
            return over
    return []


def _expect_back_to(driver: Driver, before: Count) -> None:
    over = _settled(driver, before)
    expect(
        not over,
        expected="threads, tasks and descriptors as before the calls",
        observed="; ".join(over),
    )


@clause("RES-06", case="sequential")
def test_calls_in_turn_do_not_grow_the_process(case: Case) -> None:
    """One descriptor a call is a crash after a day; failures are where they leak."""
    _judge_growth(case, rounds=4, at_once=1, calls=12)


@clause("RES-06", case="concurrent")
@load
def test_calls_at_once_do_not_grow_the_process(case: Case) -> None:
    """What a burst of calls needed must be given back after it."""
    _judge_growth(case, rounds=8, at_once=20, calls=20)


def _judge_growth(case: Case, *, rounds: int, at_once: int, calls: int) -> None:
    """Make rounds of calls, every third of them failing; compare the counts after the first and the last."""
    shape = case.shape()
    case.serve(
        REFUSALS["500"].times(1, None).where(contains="please fail"), shape.plain("fine").times(1, None)
    )
    endpoint = case.endpoint(max_concurrent_requests=max(at_once, 1), queue_size=calls)
    plateau: Count | None = None
    for _ in range(rounds):
        for _ in range(max(1, calls // at_once)):
            texts = ["please fail" if n % 3 == 2 else "go" for n in range(max(at_once, 3))]
            _make(case, endpoint, shape, texts, together=at_once > 1)
        if plateau is None:
            plateau = _census(case.driver)
    if plateau is None or plateau == Count(threads=None, tasks=None, descriptors=None):
        raise NotApplicable("the backend's host cannot count threads, tasks or descriptors")
    # A pool may fill later than in the first round, where fewer calls happened to meet.
    over = _settled(case.driver, plateau, pooled=at_once if at_once > 1 else 0)
    expect(not over, expected="as many threads, tasks and descriptors", observed="; ".join(over))


def _make(case: Case, endpoint: str, shape: Shape, texts: list[str], *, together: bool) -> None:
    if not together:
        for text in texts:
            case.call(case.prompt(text), endpoint=endpoint, shape=shape)
        return
    for call in [case.start(case.prompt(text), endpoint=endpoint, shape=shape) for text in texts]:
        call.wait()


#: What Python says on stderr where something was left behind.
COMPLAINTS: Final = ("ResourceWarning", "Unclosed", "unclosed", "was destroyed", "never awaited", "Traceback")


@clause("RES-07", case="exit")
@timing
def test_nothing_of_the_client_keeps_the_interpreter_alive(case: Case) -> None:
    """A program that has done its calls must end; threads and tasks left behind hang it or complain."""
    shape = case.shape()
    streaming = case.claims("stream")
    space = case.serve(
        shape.plain("hello"), *([shape.stream(WORDS).cut("fin", event=2)] if streaming else [])
    )
    with case.fresh_process(PYTHONDEVMODE="1") as driver:
        created = driver.run("create_endpoint", {"base_url": space.base_url, "api_key": case.key()})
        expect_success(created, "create_endpoint")
        arguments = shape.arguments(case.prompt()) | {"endpoint_id": created.value}
        driver.run(shape.method, arguments)
        if streaming:
            driver.run(shape.method, arguments, stream=True)
        left = driver.close(grace=3.0)
        output = driver.output()

    expect(
        not left.killed and left.seconds < 2.0 + 10 * space.journal().lag,
        expected="the interpreter ends within 2 s of the last call",
        observed=str(left),
    )
    seen = [line for line in output.splitlines() if any(word in line for word in COMPLAINTS)]
    expect(not seen, expected="no complaint at exit", observed="; ".join(seen[:3]))


#: A stream of many frames of this many characters: more than the kernel's buffers on both sides hold.
FRAME: Final = 64 * 1024
FRAMES: Final = 240
#: What the kernel (both sides) and a careful client may hold of it, bytes.
HELD_BACK: Final = 10 * 1024 * 1024


@clause("RES-08")
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


# --- what the tests above share ---------------------------------------------------------------------------


def _expect_soon(space: Space, what: Condition, expected: str) -> None:
    """Something must be seen at the server within one second (and ten times its lag)."""
    bound = allowance(space.journal())
    try:
        space.wait(what, bound)
    except WaitTimeout as waited:
        expect(
            False,  # noqa: FBT003
            expected=f"{expected}, within {bound:.1f} s",
            observed="not seen",
            journal=waited.journal,
        )


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
