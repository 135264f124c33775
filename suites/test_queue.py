"""QUEUE: concurrency limits and the FIFO queue. The held server decides the order, not the clock."""

from typing import Any

import pytest

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.script import Reply, echo, overloaded, silence, status
from tgi_conformance.fake_server.client import Space, WaitTimeout, open_requests, received
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.clause import ahead, clause, load, timing
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_success, expect_text
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.harness.waits import expect_open, expect_received, expect_turned_away
from tgi_conformance.suites.shapes.calls import Shape, healthy

GATE = "go"
#: How long a request that must not come is waited for (seconds).
PATIENCE = 0.1
#: Calls are submitted this far apart where their order is judged (seconds; design, section 5: 20 ms count).
APART = 0.025


@clause("QUEUE-01")
@pytest.mark.parametrize("cap", [1, 3])
def test_open_requests_never_exceed_the_cap(case: Case, cap: int) -> None:
    """The cap is what the key's quota allows; one more is what gets the key banned."""
    _needs_cap(case)
    space = _serve_held(case)
    endpoint = case.endpoint(max_concurrent_requests=cap, queue_size=5 * cap)
    running = [case.start(endpoint=endpoint) for _ in range(5 * cap)]

    expect_open(space, cap)
    _expect_no_more_than(space, cap, f"max_concurrent_requests={cap}")
    space.release(GATE)

    for call in running:
        expect_success(call.wait())
    most = space.journal().most_open()
    expect(
        most <= cap, expected=f"at most {cap} open at one time", observed=str(most), journal=space.journal()
    )


@clause("QUEUE-02")
@pytest.mark.parametrize("ending", ["end", "cut", "leave"])
@ahead
def test_a_stream_holds_its_slot_until_it_is_over(case: Case, ending: str) -> None:
    """A stream is a request under way for as long as the server generates."""
    _needs_cap(case)
    case.needs("stream")
    shape = case.shape()
    first = shape.stream([" one", " two", " three"]).held(GATE, event=1)
    if ending == "cut":
        first = first.cut("rst", event=2)
    space = case.serve(first, shape.plain("second"))
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=2)

    streaming = case.start(endpoint=endpoint, shape=shape, stream=True)
    pieces = streaming.read(1)
    expect(len(pieces) == 1, expected="the first piece while the rest is held", observed=str(len(pieces)))
    waiting = case.start(endpoint=endpoint, shape=shape)
    _expect_received(space, 1, "the stream still holds the only slot")
    if ending == "leave":
        streaming.leave()
    space.release(GATE)
    if ending != "leave":
        streaming.wait()

    expect_text(waiting.wait(), "second")


@clause("QUEUE-03")
def test_waiting_calls_start_in_the_order_of_their_arrival(case: Case) -> None:
    """First in, first out: a caller is not overtaken for ever."""
    _needs_cap(case)
    space = _serve_held(case)
    shape = case.shape()
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=20)
    prompts = [case.prompt(f"call {number}") for number in range(9)]

    running = [_start_apart(case, space, prompt, endpoint) for prompt in prompts]
    space.release(GATE)
    for call in running:
        expect_success(call.wait())

    seen = [shape.prompt_of(exchange.json()) for exchange in space.journal().generations]
    expect(
        seen == prompts,
        expected="requests in the order of submission",
        observed=str([prompts.index(prompt) if prompt in prompts else prompt for prompt in seen]),
        journal=space.journal(),
    )


@clause("QUEUE-04")
@ahead
def test_the_queue_is_bounded(case: Case) -> None:
    """Beyond cap and queue a caller is told at once (or held back, if declared), and nothing is sent."""
    _needs_cap(case)
    case.needs_setting("queue_size")
    space = _serve_held(case)
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=2)
    accepted = [_start_apart(case, space, None, endpoint) for _ in range(3)]
    excess = [_start_apart(case, space, None, endpoint) for _ in range(3)]

    refused = [call.wait_briefly(1.0 + 10 * space.journal().lag) for call in excess]
    if case.description.full_queue == "refuse":
        for outcome in refused:
            expect(
                outcome is not None,
                expected="a call beyond cap 1 and queue 2 is refused at once",
                observed="it is still waiting",
            )
            assert outcome is not None
            expect_error(outcome, ErrorKind.REFUSED, because="cap 1 and queue 2 are full")
        _expect_received(space, 1, "the slot is held")
    space.release(GATE)

    for call in accepted:
        expect_success(call.wait())
    if case.description.full_queue == "refuse":
        sent = space.journal().generations
        expect(
            len(sent) == 3,
            expected="the three accepted calls on the wire, none of the refused",
            observed=f"{len(sent)} requests",
            journal=space.journal(),
        )


#: Every way a call can end that must give its slot back: slug -> (reply, streaming).
ENDINGS = (
    "success",
    "bad-request",
    "server-error",
    "not-json",
    "reset",
    "no-answer",
    "stream-end",
    "stream-cut",
    "stream-error",
    "stream-left",
    "stream-thrown-into",
    "bad-argument",
    "cancelled",
    "timed-out",
)


@clause("QUEUE-05")
@pytest.mark.parametrize("ending", ENDINGS)
@ahead
def test_the_slot_comes_back_exactly_once(case: Case, ending: str) -> None:
    """A slot lost on one kind of ending drains the pool; one given back twice breaks the cap."""
    _needs_cap(case)
    streaming = ending.startswith("stream")
    if streaming:
        case.needs("stream")
    shape = case.shape()
    space = case.serve(
        *_ending_replies(shape, ending),
        shape.plain("normal").named("normal"),
        healthy().named("held").held(GATE).times(2),
    )
    # Long enough that the two calls of the end, which are held for a while, do not run into it too.
    timeout: dict[str, Any] = {"timeout": 1.0} if ending == "timed-out" else {}
    if timeout:
        case.needs("timeout")
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=4, **timeout)

    _end(case, space, shape, endpoint, ending)
    expect_text(case.call(endpoint=endpoint, shape=shape), "normal")

    pair = [case.start(endpoint=endpoint, shape=shape) for _ in range(2)]
    before = len(space.journal().generations)
    _expect_no_more_than(space, 1, f"the cap of 1 still holds after {ending}", of_all=before)
    space.release(GATE)
    for call in pair:
        expect_success(call.wait())


@clause("QUEUE-06")
@pytest.mark.parametrize("queue", ["on", "off"])
def test_current_requests_is_the_true_number_in_flight(case: Case, queue: str) -> None:
    """0 at rest, the number on the wire while held, never above the cap."""
    _needs_cap(case)
    case.needs("stats")
    if queue == "off":
        case.needs_setting("queue_enabled")
    space = _serve_held(case)
    enabled: dict[str, Any] = {} if queue == "on" else {"queue_enabled": False}
    endpoint = case.endpoint(max_concurrent_requests=2, queue_size=4, **enabled)
    _expect_current(case, endpoint, 0, "at rest, before any call")

    running = [case.start(endpoint=endpoint) for _ in range(3 if queue == "on" else 2)]
    expect_open(space, 2)
    _expect_current(case, endpoint, 2, "two requests are on the wire, the cap is 2")
    space.release(GATE)
    for call in running:
        expect_success(call.wait())

    _expect_current(case, endpoint, 0, "at rest, after all calls")


@clause("QUEUE-07")
@load
def test_every_accepted_call_ends(case: Case) -> None:
    """No lost wake-up, no stuck worker, also after failures inside queued calls."""
    _needs_cap(case)
    space = case.serve(
        status(500, json={"error": "x", "error_type": "generation"}).where(contains="<500>").times(0, None),
        status(422, text="no").where(contains="<422>").times(0, None),
        silence("rst").where(contains="<rst>").times(0, None),
        echo().times(0, None),
    )
    endpoint = case.endpoint(max_concurrent_requests=2, queue_size=200)
    kinds = ["<500>", "<ok>", "<422>", "<ok>", "<rst>", "<ok>", "<ok>"]
    running = [
        case.start(case.prompt(kinds[number % len(kinds)]), endpoint=endpoint) for number in range(120)
    ]

    ended = [call.wait() for call in running]

    stuck = [describe(outcome) for outcome in ended if outcome.ending in ("hang", "crash", "abandoned")]
    expect(
        not stuck,
        expected="all 120 calls end",
        observed=f"{len(stuck)} did not: {stuck[:3]}",
        journal=space.journal(),
    )
    expect(
        space.journal().most_open() <= 2,
        expected="never more than 2 open",
        observed=str(space.journal().most_open()),
        journal=space.journal(),
    )


@clause("QUEUE-08")
def test_a_call_cancelled_while_waiting_is_never_sent(case: Case) -> None:
    """The caller has gone; sending its request later costs money for nobody."""
    _needs_cap(case)
    case.needs("cancel")
    space = _serve_held(case)
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=4)
    first = case.start(endpoint=endpoint)
    expect_open(space, 1)
    prompt = case.prompt("cancelled while waiting")
    waiting = _cancellable(case, prompt, endpoint)
    _let_pass(space)
    waiting.cancel()
    # The cancellation must have arrived before the slot is free: it travels by another way.
    waiting.wait_briefly(1.0 + 10 * space.journal().lag)
    _let_pass(space)
    space.release(GATE)
    expect_success(first.wait())
    expect_success(case.call(endpoint=endpoint))

    bodies = [exchange.body.decode() for exchange in space.journal().generations]
    expect(
        not any("cancelled while waiting" in body for body in bodies),
        expected="no request of the cancelled call",
        observed=f"{len(bodies)} requests, the cancelled one among them",
        journal=space.journal(),
    )


@clause("QUEUE-09")
@load
def test_each_caller_gets_the_answer_to_its_own_prompt(case: Case) -> None:
    """Futures must not be mixed up, least of all when some calls fail."""
    case.needs("queue")
    case.serve(
        status(500, json={"error": "x", "error_type": "generation"}).where(contains="<500>").times(0, None),
        echo().times(0, None),
    )
    endpoint = case.endpoint(max_concurrent_requests=8, queue_size=400)
    prompts = [case.prompt("<500>" if number % 9 == 4 else "echo") for number in range(150)]
    running = [(prompt, case.start(prompt, endpoint=endpoint)) for prompt in prompts]

    for prompt, call in running:
        outcome = call.wait()
        if "<500>" in prompt:
            expect_error(outcome, because="the server answered this prompt with 500")
        else:
            expect_success(outcome)
            expect(
                prompt in outcome.text,
                expected=f"the answer to {prompt!r}",
                observed=repr(outcome.text[:200]),
            )


@clause("QUEUE-10")
def test_a_call_asleep_in_backoff_stops_no_free_slot(case: Case) -> None:
    """One rate-limited prompt at a cap of two must not stop the other slot."""
    _needs_cap(case)
    case.needs("retry")
    case.needs_setting("max_retries")
    space = case.serve(
        overloaded(("retry-after", "5")).where(contains="<limited>").times(1, None), echo().times(0, None)
    )
    endpoint = case.endpoint(
        max_concurrent_requests=2, queue_size=8, max_retries=1, initial_retry_delay=5.0, backoff_factor=1.0
    )
    case.start(case.prompt("<limited>"), endpoint=endpoint)
    expect_turned_away(space)

    running = [case.start(endpoint=endpoint) for _ in range(4)]
    for call in running:
        outcome = call.wait_briefly(1.0 + 10 * space.journal().lag)
        expect(
            outcome is not None,
            expected="healthy calls of the endpoint end within a second",
            observed="they wait behind the one asleep",
            journal=space.journal(),
        )


#: What an async call waits for, by slug: the server's answer, its next event, its own backoff.
LOOP_WAITS = ("answer", "stream", "backoff")
#: How long each of them takes (seconds), and how much of it the event loop may stand still.
LOOP_WAIT = 1.0
LOOP_GAP = 0.5


@clause("QUEUE-11")
@pytest.mark.parametrize("wait", LOOP_WAITS)
@timing
def test_waiting_does_not_hold_up_the_event_loop(case: Case, wait: str) -> None:
    """A blocking request in ``async def`` stops every other task of the program for as long as TGI thinks."""
    case.needs("async")
    shape = case.shape()
    retries: dict[str, Any] = {}
    if wait == "stream":
        case.needs("stream")
    if wait == "backoff":
        case.needs("retry")
        case.needs_setting("max_retries")
        retries = {"max_retries": 1, "initial_retry_delay": 0.05, "backoff_factor": 1.0}
    space = case.serve(*_slow_replies(shape, wait))
    endpoint = case.endpoint(**retries)
    before = case.driver.census().tick_gap  # begins the measuring anew
    if before is None:
        raise NotApplicable("the backend's host does not tell how its event loop ticks")

    outcome = case.call(endpoint=endpoint, shape=shape, stream=wait == "stream")

    gap = case.driver.census().tick_gap
    expect_success(outcome)
    lag = space.journal().lag
    expect(
        gap is not None and gap <= LOOP_GAP + lag,
        expected=f"a loop that ticks each {LOOP_GAP} s while {wait} takes {LOOP_WAIT:g} s",
        observed=f"a gap of {gap or 0.0:.3f} s",
        journal=space.journal(),
    )


@clause("QUEUE-12")
def test_what_happens_over_the_cap_without_a_queue_is_recorded(case: Case) -> None:
    """Refusing and sending are both seen; neither is scored."""
    _needs_cap(case)
    case.needs_setting("queue_enabled")
    space = _serve_held(case)
    endpoint = case.endpoint(max_concurrent_requests=1, queue_enabled=False)
    first = case.start(endpoint=endpoint)
    expect_open(space, 1)
    second = case.start(endpoint=endpoint)
    outcome = second.wait_briefly(PATIENCE)
    case.note({"second call": "waits or is sent" if outcome is None else describe(outcome)})
    space.release(GATE)
    first.wait()
    second.wait()


@clause("QUEUE-13")
def test_a_call_above_the_cap_waits_and_then_succeeds(case: Case) -> None:
    """With the queue on, a call beyond the cap is kept, unseen by the server, until a slot is free."""
    _needs_cap(case)
    space = _serve_held(case)
    enabled: dict[str, Any] = {"queue_enabled": True} if "queue_enabled" in case.description.settings else {}
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=4, **enabled)
    first = case.start(endpoint=endpoint)
    expect_open(space, 1)
    second = case.start(endpoint=endpoint)
    _expect_received(space, 1, "the only slot is taken")
    expect(not second.over, expected="the second call waits", observed="it has ended")
    space.release(GATE)

    expect_success(first.wait(), "the first call")
    expect_success(second.wait(), "the waiting call")


@clause("QUEUE-14")
def test_the_cap_is_used(case: Case) -> None:
    """A cap of four that lets one through is a queue nobody asked for."""
    _needs_cap(case)
    space = _serve_held(case)
    endpoint = case.endpoint(max_concurrent_requests=4, queue_size=4)
    running = [case.start(endpoint=endpoint) for _ in range(4)]
    expect_open(space, 4)
    space.release(GATE)
    for call in running:
        expect_success(call.wait())


# --- what the tests above share ---------------------------------------------------------------------------


def _needs_cap(case: Case) -> None:
    case.needs("queue")
    case.needs_setting("max_concurrent_requests")


def _serve_held(case: Case) -> Space:
    """A TGI that answers each request with its prompt, once the gate lets it."""
    return case.serve(healthy().held(GATE).times(0, None))


def _expect_no_more_than(space: Space, cap: int, because: str, *, of_all: int = 0) -> None:
    """No request beyond the cap comes while all are held (``of_all`` came before)."""
    try:
        journal = space.wait(open_requests(cap + 1), PATIENCE)
    except WaitTimeout:
        return
    expect(
        condition=False,
        expected=f"at most {cap} open ({because})",
        observed=f"{len(journal.generations) - of_all} are",
        journal=journal,
    )


def _expect_received(space: Space, count: int, because: str) -> None:
    try:
        journal = space.wait(received(count + 1), PATIENCE)
    except WaitTimeout:
        return
    expect(
        condition=False,
        expected=f"no request beyond the {count} sent: {because}",
        observed=f"{len(journal.generations)} requests",
        journal=journal,
    )


def _let_pass(space: Space, seconds: float = APART) -> Journal:
    """Let time pass on the server's clock, unless a request comes."""
    seen = len(space.journal().generations)
    try:
        return space.wait(received(seen + 1), seconds)
    except WaitTimeout as timeout:
        return timeout.journal


def _start_apart(case: Case, space: Space, prompt: str | None, endpoint: str) -> Running:
    running = case.start(prompt, endpoint=endpoint)
    running.call.wait_entered(1.0)
    _let_pass(space)
    return running


def _cancellable(case: Case, prompt: str, endpoint: str) -> Running:
    """Start a call that can be cancelled: an async one as it is, a sync one through ``submit``."""
    if case.claims("async"):
        return case.start(prompt, endpoint=endpoint)
    shape = case.shape()
    if "submit" not in case.driver.implemented:
        raise NotApplicable("a sync call is cancelled through submit, which is not implemented")
    return case.start(prompt, endpoint=endpoint, method="submit", kind=shape.method)


def _slow_replies(shape: Shape, wait: str) -> tuple[Reply, ...]:
    milliseconds = 1000 * LOOP_WAIT
    # Two frames, so one gap; the mark at the end is a frame of its own where there is one.
    words = (" one",) if shape.ends_with_done else (" one", " two")
    replies: dict[str, tuple[Reply, ...]] = {
        "answer": (shape.plain("late").deliver(delay_ms=milliseconds),),
        "stream": (shape.stream(words).deliver(event_gap_ms=milliseconds),),
        "backoff": (overloaded(("retry-after", f"{LOOP_WAIT:.0f}")), shape.plain("granted")),
    }
    return replies[wait]


def _ending_replies(shape: Shape, ending: str) -> tuple[Reply, ...]:
    two = (" one", " two")
    replies: dict[str, Reply] = {
        "success": shape.plain("ended"),
        "bad-request": status(400, text="no"),
        "server-error": status(500, json={"error": "x", "error_type": "generation"}),
        "not-json": in_band_fault(status(200, html="<html></html>")),
        "reset": silence("rst"),
        "no-answer": silence("fin"),
        "stream-end": shape.stream(two),
        "stream-cut": shape.stream(two).cut("rst", event=1),
        "stream-error": in_band_fault(shape.frames(*shape.error_frames("Request failed during generation"))),
        "stream-left": shape.stream((*two, " three")).held("never", event=2),
        "stream-thrown-into": shape.stream((*two, " three")).held("never", event=2),
        "cancelled": silence("stall"),
        "timed-out": silence("stall"),
    }
    return (replies[ending],) if ending in replies else ()


def _end(case: Case, space: Space, shape: Shape, endpoint: str, ending: str) -> None:
    """Make one call that ends in the given way."""
    if ending == "bad-argument":
        case.call("lone surrogate \ud83d", endpoint=endpoint, shape=shape, attempts=1)
        return
    if ending == "cancelled":
        case.needs("cancel")
        running = _cancellable(case, case.prompt(), endpoint)
        expect_received(space)
        running.cancel()
        running.wait()
        return
    running = case.start(endpoint=endpoint, shape=shape, stream=ending.startswith("stream"))
    if ending in ("stream-left", "stream-thrown-into"):
        running.read(2)
        running.leave("close" if ending == "stream-left" else "throw")
        return
    running.wait()


def _expect_current(case: Case, endpoint: str, count: int, because: str) -> None:
    shown = case.statistics(endpoint).get("current_requests")
    expect(
        shown == count,
        expected=f"current_requests {count} ({because})",
        observed=repr(shown),
        journal=case.journal(),
    )
