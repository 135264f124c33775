"""QUEUE: how long a call keeps its slot, and that it gives it back once, however it ends."""

from typing import Any

import pytest

from tgi_conformance.contracts.script import Reply, silence, status
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.areas.held import (
    GATE,
    WINDOW,
    expect_no_further,
    expect_no_more_than,
    needs_cap,
    serve_held,
    start_cancellable,
)
from tgi_conformance.suites.areas.statistics import exposed
from tgi_conformance.suites.areas.waits import expect_open, expect_received
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import ahead, clause
from tgi_conformance.suites.harness.expect import expect, expect_success, expect_text
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.shapes.calls import Shape, healthy


@clause("QUEUE-02", ways="chat stream")
@pytest.mark.parametrize("ending", ["end", "cut", "leave"])
@ahead
def test_a_stream_holds_its_slot_until_it_is_over(case: Case, ending: str) -> None:
    """A stream is a request under way for as long as the server generates."""
    needs_cap(case)
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
    expect_no_further(case, space, 1, "the stream still holds the only slot")
    if ending == "leave":
        streaming.leave()
    space.release(GATE)
    if ending != "leave":
        streaming.wait()

    expect_text(waiting.wait(), "second")


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


@clause("QUEUE-05", ways=("chat", "chat stream"))
@pytest.mark.parametrize("ending", ENDINGS)
@ahead
def test_the_slot_comes_back_exactly_once(case: Case, ending: str) -> None:
    """A slot lost on one kind of ending drains the pool; one given back twice breaks the cap."""
    needs_cap(case)
    streaming = ending.startswith("stream")
    if streaming:
        case.needs("stream")
    shape = case.shape()
    prompt = case.prompt("ends in its own way")
    # A client that retries by itself must not take the replies of the calls after this one.
    # Half a character may be refused, or sent escaped or replaced (REQ-04).
    least = 0 if ending == "bad-argument" else 1
    endings = (reply.where(contains=prompt).times(least, None) for reply in _ending_replies(shape, ending))
    space = case.serve(
        *endings,
        shape.plain("normal").named("normal"),
        healthy().named("held").held(GATE).times(2),
    )
    # Long enough that the two calls of the end, which are held for a while, do not run into it too.
    held = 2 * (case.patience().absent(WINDOW) - WINDOW)
    limit = case.patience().limit(1.0 + held)
    timeout: dict[str, Any] = {"timeout": limit} if ending == "timed-out" else {}
    if timeout:
        case.needs("timeout")
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=4, **timeout)

    _end(case, space, prompt, endpoint, ending)
    expect_text(case.call(endpoint=endpoint, shape=shape), "normal")

    pair = [case.start(endpoint=endpoint, shape=shape) for _ in range(2)]
    before = len(space.journal().generations)
    expect_no_more_than(case, space, 1, f"the cap of 1 still holds after {ending}", of_all=before)
    space.release(GATE)
    for call in pair:
        expect_success(call.wait())


@clause("QUEUE-06", ways="chat")
@pytest.mark.parametrize("queue", ["on", "off"])
def test_current_requests_is_the_true_number_in_flight(case: Case, queue: str) -> None:
    """0 at rest, the number on the wire while held, never above the cap."""
    needs_cap(case)
    case.needs("stats")
    if queue == "off":
        case.needs_setting("queue_enabled")
    space = serve_held(case)
    enabled: dict[str, Any] = {} if queue == "on" else {"queue_enabled": False}
    endpoint = case.endpoint(max_concurrent_requests=2, queue_size=4, **enabled)
    _expect_current(case, endpoint, 0, "at rest, before any call")

    running = [case.start(endpoint=endpoint) for _ in range(3 if queue == "on" else 2)]
    expect_open(case, space, 2)
    _expect_current(case, endpoint, 2, "two requests are on the wire, the cap is 2")
    space.release(GATE)
    for call in running:
        expect_success(call.wait())

    _expect_current(case, endpoint, 0, "at rest, after all calls")


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
        "bad-argument": shape.plain("ended"),
    }
    return (replies[ending],) if ending in replies else ()


def _end(case: Case, space: Space, prompt: str, endpoint: str, ending: str) -> None:
    """Make one call that ends in the given way."""
    shape = case.shape()
    if ending == "bad-argument":
        case.call(f"{prompt} \ud83d", endpoint=endpoint, shape=shape, attempts=1)
        return
    if ending == "cancelled":
        case.needs("cancel")
        running = start_cancellable(case, prompt, endpoint)
        expect_received(case, space)
        running.cancel()
        running.wait()
        return
    running = case.start(prompt, endpoint=endpoint, shape=shape, stream=ending.startswith("stream"))
    if ending in ("stream-left", "stream-thrown-into"):
        running.read(2)
        running.leave("close" if ending == "stream-left" else "throw")
        return
    running.wait()


def _expect_current(case: Case, endpoint: str, count: int, because: str) -> None:
    shown = exposed(case, endpoint, "current_requests")["current_requests"]
    expect(
        shown == count,
        expected=f"current_requests {count} ({because})",
        observed=repr(shown),
        journal=case.journal(),
    )
