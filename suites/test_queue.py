"""QUEUE: the cap and the FIFO queue. The held server decides the order, not the clock."""

from typing import Any

import pytest

from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.areas.held import (
    GATE,
    WINDOW,
    expect_no_further,
    expect_no_more_than,
    keep_apart,
    let_pass,
    needs_cap,
    serve_held,
    start_cancellable,
    taken_together,
)
from tgi_conformance.suites.areas.waits import expect_open
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.clause import ahead, clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_success


@clause("QUEUE-01", ways="chat")
@pytest.mark.parametrize("cap", [1, 3])
def test_open_requests_never_exceed_the_cap(case: Case, cap: int) -> None:
    """The cap is what the key's quota allows; one more is what gets the key banned."""
    needs_cap(case)
    space = serve_held(case)
    endpoint = case.endpoint(max_concurrent_requests=cap, queue_size=5 * cap)
    running = [case.start(endpoint=endpoint) for _ in range(taken_together(case, 5 * cap))]

    expect_open(case, space, cap)
    expect_no_more_than(case, space, cap, f"max_concurrent_requests={cap}")
    space.release(GATE)

    for call in running:
        expect_success(call.wait())
    most = space.journal().most_open()
    expect(
        most <= cap, expected=f"at most {cap} open at one time", observed=str(most), journal=space.journal()
    )


@clause("QUEUE-03", ways="chat")
def test_waiting_calls_start_in_the_order_of_their_arrival(case: Case) -> None:
    """First in, first out: a caller is not overtaken for ever."""
    needs_cap(case)
    space = serve_held(case)
    shape = case.shape()
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=20)
    prompts = [case.prompt(f"call {number}") for number in range(taken_together(case, 9))]

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


@clause("QUEUE-04", ways="chat")
@ahead
def test_the_queue_is_bounded(case: Case) -> None:
    """Beyond cap and queue a caller is told at once (or held back, if declared), and nothing is sent."""
    needs_cap(case)
    case.needs_setting("queue_size")
    space = serve_held(case)
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=2)
    accepted = [_start_apart(case, space, None, endpoint) for _ in range(3)]
    excess = [_start_apart(case, space, None, endpoint) for _ in range(3)]

    refused = [call.wait_briefly(case.patience(space.journal()).soon()) for call in excess]
    if case.description.full_queue == "refuse":
        for outcome in refused:
            expect(
                outcome is not None,
                expected="a call beyond cap 1 and queue 2 is refused at once",
                observed="it is still waiting",
            )
            assert outcome is not None
            expect_error(outcome, ErrorKind.REFUSED, because="cap 1 and queue 2 are full")
        expect_no_further(case, space, 1, "the slot is held")
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


@clause("QUEUE-08", ways="chat")
def test_a_call_cancelled_while_waiting_is_never_sent(case: Case) -> None:
    """The caller has gone; sending its request later costs money for nobody."""
    needs_cap(case)
    case.needs("cancel")
    space = serve_held(case)
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=4)
    first = case.start(endpoint=endpoint)
    expect_open(case, space, 1)
    prompt = case.prompt("cancelled while waiting")
    waiting = start_cancellable(case, prompt, endpoint)
    let_pass(case, space)
    waiting.cancel()
    # The cancellation must have arrived before the slot is free: it travels by another way.
    waiting.wait_briefly(case.patience(space.journal()).soon())
    let_pass(case, space)
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


@clause("QUEUE-12", ways="chat")
def test_what_happens_over_the_cap_without_a_queue_is_recorded(case: Case) -> None:
    """Refusing and sending are both seen; neither is scored."""
    needs_cap(case)
    case.needs_setting("queue_enabled")
    space = serve_held(case)
    endpoint = case.endpoint(max_concurrent_requests=1, queue_enabled=False)
    first = case.start(endpoint=endpoint)
    expect_open(case, space, 1)
    second = case.start(endpoint=endpoint)
    outcome = second.wait_briefly(case.patience().absent(WINDOW))
    case.note({"second call": "waits or is sent" if outcome is None else describe(outcome)})
    space.release(GATE)
    first.wait()
    second.wait()


@clause("QUEUE-13", ways="chat")
def test_a_call_above_the_cap_waits_and_then_succeeds(case: Case) -> None:
    """With the queue on, a call beyond the cap is kept, unseen by the server, until a slot is free."""
    needs_cap(case)
    space = serve_held(case)
    enabled: dict[str, Any] = {"queue_enabled": True} if "queue_enabled" in case.description.settings else {}
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=4, **enabled)
    first = case.start(endpoint=endpoint)
    expect_open(case, space, 1)
    second = case.start(endpoint=endpoint)
    expect_no_further(case, space, 1, "the only slot is taken")
    expect(not second.over, expected="the second call waits", observed="it has ended")
    space.release(GATE)

    expect_success(first.wait(), "the first call")
    expect_success(second.wait(), "the waiting call")


@clause("QUEUE-14", ways="chat")
def test_the_cap_is_used(case: Case) -> None:
    """A cap of four that lets one through is a queue nobody asked for."""
    needs_cap(case)
    space = serve_held(case)
    endpoint = case.endpoint(max_concurrent_requests=4, queue_size=4)
    running = [case.start(endpoint=endpoint) for _ in range(4)]
    expect_open(case, space, 4)
    space.release(GATE)
    for call in running:
        expect_success(call.wait())


def _start_apart(case: Case, space: Space, prompt: str | None, endpoint: str) -> Running:
    running = case.start(prompt, endpoint=endpoint)
    running.call.wait_entered(1.0)
    keep_apart(case, space)
    return running
