"""QUEUE: nobody is stuck, mixed up with another, or held up by one who waits."""

from typing import Any

import pytest

from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, echo, silence, status
from tgi_conformance.suites.areas.held import needs_cap, taken_together
from tgi_conformance.suites.areas.refusals import needs_retries, refusal, retried_status
from tgi_conformance.suites.areas.waits import expect_turned_away
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause, load, timing
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_success
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape


@clause("QUEUE-07", ways="chat")
@load
def test_every_accepted_call_ends(case: Case) -> None:
    """No lost wake-up, no stuck worker, also after failures inside queued calls."""
    needs_cap(case)
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


@clause("QUEUE-09", ways="chat")
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
    together = taken_together(case, len(prompts))
    for first in range(0, len(prompts), together):
        some = prompts[first : first + together]
        for prompt, call in [(prompt, case.start(prompt, endpoint=endpoint)) for prompt in some]:
            _expect_own_answer(prompt, call.wait())


def _expect_own_answer(prompt: str, outcome: Outcome) -> None:
    if "<500>" in prompt:
        expect_error(outcome, because="the server answered this prompt with 500")
        return
    expect_success(outcome)
    expect(prompt in outcome.text, expected=f"the answer to {prompt!r}", observed=repr(outcome.text[:200]))


@clause("QUEUE-10", ways="chat")
def test_a_call_asleep_in_backoff_stops_no_free_slot(case: Case) -> None:
    """One rate-limited prompt at a cap of two must not stop the other slot."""
    needs_cap(case)
    code = retried_status(case)
    case.needs_setting("max_retries")
    asleep = case.patience().beyond(5.0)
    space = case.serve(
        refusal(code, ("retry-after", f"{asleep:.0f}")).where(contains="<limited>").times(1, None),
        echo().times(0, None),
    )
    endpoint = case.endpoint(
        max_concurrent_requests=2, queue_size=8, max_retries=1, initial_retry_delay=asleep, backoff_factor=1.0
    )
    case.start(case.prompt("<limited>"), endpoint=endpoint)
    expect_turned_away(case, space)

    running = [case.start(endpoint=endpoint) for _ in range(4)]
    for call in running:
        outcome = call.wait_briefly(case.patience(space.journal()).soon())
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


@clause("QUEUE-11", ways=("chat", "chat stream"))
@pytest.mark.parametrize("wait", LOOP_WAITS)
@timing
def test_waiting_does_not_hold_up_the_event_loop(case: Case, wait: str) -> None:
    """A blocking request in ``async def`` stops every other task of the program for as long as TGI thinks."""
    case.needs("async")
    shape = case.shape()
    retries: dict[str, Any] = {}
    code = retried_status(case) if wait == "backoff" else 429
    if wait == "stream":
        case.needs("stream")
    if wait == "backoff":
        case.needs_setting("max_retries")
        retries = {"max_retries": 1, "initial_retry_delay": 0.05, "backoff_factor": 1.0}
    space = case.serve(*_slow_replies(shape, wait, code))
    endpoint = case.endpoint(**retries)
    if wait == "backoff":
        needs_retries(case.policy(endpoint), 1, asked=LOOP_WAIT)
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


def _slow_replies(shape: Shape, wait: str, code: int) -> tuple[Reply, ...]:
    milliseconds = 1000 * LOOP_WAIT
    # Two frames, so one gap; the mark at the end is a frame of its own where there is one.
    words = (" one",) if shape.ends_with_done else (" one", " two")
    replies: dict[str, tuple[Reply, ...]] = {
        "answer": (shape.plain("late").deliver(delay_ms=milliseconds),),
        "stream": (shape.stream(words).deliver(event_gap_ms=milliseconds),),
        "backoff": (refusal(code, ("retry-after", f"{LOOP_WAIT:.0f}")), shape.plain("granted")),
    }
    return replies[wait]
