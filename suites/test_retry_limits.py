"""RETRY: what bounds retries (deadline, cancellation), what repeats in them, what the last one says."""

from typing import Any, Final

import pytest

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import always, overloaded, silence, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.fake_server.client import Space, WaitTimeout, received
from tgi_conformance.suites.areas.refusals import (
    LONGEST,
    QUICK,
    RATE_LIMITS,
    needs_deadline,
    refusal,
    retried_status,
    retries,
    retrying,
)
from tgi_conformance.suites.areas.retry_waits import (
    GRAIN,
    expect_no_attempt_after_deadline,
    within_deadline,
)
from tgi_conformance.suites.areas.waits import expect_closed, expect_open, expect_turned_away
from tgi_conformance.suites.areas.ways import EITHER, begin, needs_way
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.clause import ahead, clause, timing
from tgi_conformance.suites.harness.expect import (
    describe,
    expect,
    expect_error,
    expect_requests,
    expect_text,
)
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.policy import effective_breaker, longest_waits, most_attempts
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape

#: Calls that wait side by side.
AT_ONCE: Final = 5
#: Of twenty waits spread evenly, so many lie within a quarter of the range once in 200,000 times.
ALIKE: Final = 0.8


@clause("RETRY-10", case="twenty-waits", ways="chat")
@timing
@ahead
def test_waits_are_jittered(case: Case) -> None:
    """Clients that were refused together and wait alike come back together, and are refused again."""
    code = retried_status(case)
    case.needs_setting("initial_retry_delay", "backoff_factor", "max_retries")
    shape = case.shape()
    base, calls = 0.2, 20
    words = [f"call-{number:02}" for number in range(calls)]
    prompts = [case.prompt(word) for word in words]
    # Each call has its own refusal; any of the waits may be late by accident, never early.
    space = case.serve(
        *(refusal(code).where(contains=word).named(f"refused-{word}") for word in words),
        shape.plain("granted").times(calls),
    )
    endpoint = case.endpoint(max_retries=1, initial_retry_delay=base, backoff_factor=1.0)
    # Few at a time: those that come back together are late together.
    for first in range(0, calls, AT_ONCE):
        running = [
            case.start(prompt, endpoint=endpoint, shape=shape) for prompt in prompts[first : first + AT_ONCE]
        ]
        for call in running:
            expect_text(call.wait(), "granted")

    journal = space.journal()
    sent = journal.generations
    expect_requests(sent, 2 * calls, because=f"{calls} calls, each refused once", journal=journal)
    of_each = [[each for each in sent if word.encode() in each.body] for word in words]
    gaps = sorted(journal.gaps(attempts)[0] for attempts in of_each)
    low, high = case.policy(endpoint).jitter or (0.5, 1.0)
    least = base * ((high - low) or 0.5) / 4
    alike = max(sum(gap <= each < gap + least for each in gaps) for gap in gaps)
    expect(
        alike < ALIKE * calls,
        expected=f"waits of {base} s spread out: fewer than {ALIKE:.0%} of {calls} within {least:.3f} s",
        observed=f"{alike} of them; all between {gaps[0]:.3f} and {gaps[-1]:.3f} s",
        journal=space.journal(),
    )


@clause("RETRY-12", case="attempts", ways="chat")
@timing
@ahead
def test_no_attempt_starts_after_the_deadline(case: Case) -> None:
    """A deadline for each attempt, or none for the sleeps between them, is no deadline."""
    expect_no_attempt_after_deadline(case, stream=False)


@clause("RETRY-12", case="queue", ways="chat")
@timing
@ahead
def test_the_wait_in_the_queue_counts_against_the_deadline(case: Case) -> None:
    """The caller's patience ends whether or not the request was ever sent."""
    case.needs("retry", "queue")
    case.needs_setting("max_concurrent_requests")
    shape = case.shape()
    needs_deadline(case, shape)
    space = case.serve(shape.plain("held").held("go"))
    endpoint = case.endpoint(max_concurrent_requests=1, queue_size=2)
    holder = case.start(endpoint=endpoint, shape=shape)
    expect_open(case, space, 1)

    deadline = case.patience().limit(0.3)
    running = case.start(endpoint=endpoint, shape=shape, deadline=deadline)
    outcome = within_deadline(case, running, space, deadline)
    space.release("go")

    expect_error(outcome, because="the only slot was held beyond the deadline")
    expect_text(holder.wait(), "held")
    expect_requests(
        space.journal().generations,
        1,
        because="the call was over before it had a slot",
        journal=space.journal(),
    )


@clause("RETRY-13", case="cancel-in-backoff", ways="chat")
@timing
@ahead
@EITHER
def test_cancelling_in_a_backoff_ends_the_call_for_good(case: Case, *, stream: bool) -> None:
    """Who has gone wants no answer: not after the sleep either."""
    case.needs("retry", "cancel", *(("stream", "async") if stream else ()))
    code = retried_status(case)
    shape = case.shape()
    # A second, so that the attempt that must not come would come while the case looks on.
    granted = shape.reply("granted", streaming=stream).times(0, None)
    space = case.serve(refusal(code, ("retry-after", "1")), granted)
    endpoint = case.endpoint(max_retries=1, initial_retry_delay=0.1, backoff_factor=1.0)
    running = _cancellable(case, endpoint, shape, stream=stream)
    expect_turned_away(case, space)
    if running.over:
        raise NotApplicable(f"it does not wait a Retry-After of 1 s: {describe(running.wait())}")

    running.cancel()

    outcome = running.wait_briefly(case.patience(space.journal()).soon())
    _expect_nothing_more(space, 1, case.patience().absent(1.2))
    expect(
        outcome is not None and not outcome.returned,
        expected="the call ends as cancelled",
        observed="it goes on" if outcome is None else describe(outcome),
        journal=space.journal(),
    )


@clause("RETRY-14", case="closed-while-idle", ways="chat")
@EITHER
def test_a_connection_closed_while_idle_does_not_fail_the_next_call(case: Case, *, stream: bool) -> None:
    """A server may close what is idle; a client that keeps connections must notice, or try again."""
    case.needs("retry")
    shape = case.shape()
    needs_way(case, shape, stream=stream)
    second = shape.reply("second", streaming=stream)
    space = case.serve(shape.plain("first").deliver(close="silent"), second)
    endpoint = case.endpoint(max_retries=1, **QUICK)
    expect_text(case.call(endpoint=endpoint, shape=shape), "first")
    expect_closed(case, space)

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "second")


@clause("RETRY-14", case="closed-on-use", ways="chat")
@EITHER
def test_a_connection_closed_on_its_second_request_does_not_fail_the_call(
    case: Case, *, stream: bool
) -> None:
    """The close may cross the request on its way: no byte was answered, and a new connection works."""
    case.needs("retry")
    shape = case.shape()
    needs_way(case, shape, stream=stream)
    second = shape.reply("second", streaming=stream)
    space = case.serve(shape.plain("first"), silence("fin").named("closed-on-use"), second.times(0, 1))
    endpoint = case.endpoint(max_retries=1, **QUICK)
    expect_text(case.call(endpoint=endpoint, shape=shape), "first")

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream, attempts=2)

    connections = [exchange.connection for exchange in space.journal().generations]
    if len(set(connections[:2])) == 2:
        raise NotApplicable("each request has a connection of its own")
    expect_text(outcome, "second")


#: Failures whose retry is a matter of taste; the last is silence past the client's read time-out.
CONTESTED: Final = ("424", "500", "502", "503", "504", "read-timeout")


@clause("RETRY-15", ways="chat")
@pytest.mark.parametrize("failure", CONTESTED)
@ahead
def test_what_is_done_after_a_contested_failure_is_recorded(case: Case, failure: str) -> None:
    """The model may be at work on the first request still; RETRY-01 and RETRY-08 bound what is done."""
    case.needs("retry")
    more: dict[str, Any] = dict(QUICK)
    if failure == "read-timeout":
        case.needs_setting("timeout")
        more["timeout"] = case.patience().limit(0.2)
        reply = silence("stall")
    else:
        reply = status(int(failure), json={"error": "failed", "error_type": "generation"})
    space = case.serve(always(reply))
    endpoint = case.endpoint(max_retries=2, **more)

    outcome = case.call(endpoint=endpoint)

    journal = space.journal()
    case.note(
        {
            "failure": failure,
            "attempts": len(journal.generations),
            "gaps": [round(gap, 3) for gap in journal.gaps()],
            "outcome": describe(outcome),
        }
    )


@clause("RETRY-16", ways="chat")
@pytest.mark.parametrize("given", ["id-given", "own-id"])
def test_all_attempts_send_the_same_body_and_request_id(case: Case, given: str) -> None:
    """An attempt is the same request again: other bytes or another id make it a new one."""
    code = retried_status(case)
    header = case.description.request_id_header
    shape = case.shape()
    second = status(503, text="try later") if retries(case, 503) else refusal(code)
    space = case.serve(refusal(code), second.named("second"), shape.plain("granted"))
    endpoint = retrying(case, 2)
    named: dict[str, Any] = {}
    if given == "id-given":
        if header is None:
            raise NotApplicable("no header carries a request id")
        named["request_id"] = "id-of-three-attempts"

    expect_text(case.call(endpoint=endpoint, shape=shape, **named), "granted")

    sent = space.journal().generations
    expect_requests(sent, 3, because="two refusals, then a 200", journal=space.journal())
    expect(
        len({exchange.body for exchange in sent}) == 1,
        expected="three equal bodies",
        observed=" | ".join(exchange.body.decode("utf-8", "replace") for exchange in sent),
    )
    ids = [_id(exchange, header) for exchange in sent]
    expect(len(set(ids)) == 1, expected="one request id on all attempts", observed=repr(ids))


@clause("RETRY-17", case="kind", ways="chat")
def test_after_the_limit_a_429_is_still_a_rate_limit(case: Case) -> None:
    """Callers tell a rate limit from a failure by its type; "max retries exceeded" is neither."""
    case.needs("retry")
    space = case.serve(always(overloaded(("retry-after", "0"))))
    endpoint = case.endpoint(max_retries=1, **QUICK)

    info = expect_error(case.call(endpoint=endpoint), *RATE_LIMITS, because="each attempt was answered 429")

    shown = UNSET if info is None else info.status
    expect(
        shown in (UNSET, 429),
        expected="the status 429 on the error",
        observed=repr(shown),
        journal=space.journal(),
    )


@clause("RETRY-17", case="retry-after", ways="chat")
def test_after_the_limit_the_error_carries_retry_after(case: Case) -> None:
    """``0`` says "at once": a client that tests it for truth shows nothing."""
    case.needs("retry")
    # Seven seconds, unless retries cannot be switched off and each would wait them out.
    switchable = "max_retries" in case.description.settings
    some = 7 if switchable or (case.description.retry or RetryPolicy()).max_retries == 0 else 1
    space = case.serve(
        overloaded(("retry-after", f"{some}")).where(contains="<some>").named("some").times(1, None),
        always(overloaded(("retry-after", "0"))),
    )
    endpoint = case.endpoint(max_retries=0)
    if _longest_waits(case, endpoint, some) > LONGEST:
        raise NotApplicable("retries cannot be switched off, and may be too many to be waited for")
    shown = _retry_after(case.call(case.prompt("<some>"), endpoint=endpoint))
    if shown is UNSET:
        raise NotApplicable("retry_after of an error is not exposed")

    zero = _retry_after(case.call(endpoint=case.endpoint(max_retries=1, **QUICK)))

    expect(
        (shown, zero) == (some, 0),
        expected=f"retry_after {some} and 0, as the server said",
        observed=f"{shown!r} and {zero!r}",
        journal=space.journal(),
    )


@clause("RETRY-18")
@pytest.mark.parametrize("shape", [CHAT, NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
def test_a_stream_that_begins_with_overloaded_is_a_rate_limit(case: Case, shape: Shape) -> None:
    """TGI answers 200 before it knows; its in-band code is 422 whatever happened."""
    case.needs("retry", "stream", shape.capability)
    refused = shape.frames(*shape.error_frames("Model is overloaded", "overloaded"))
    case.serve(in_band_fault(refused), shape.stream([" gran", "ted"]).times(0, 1))
    endpoint = case.endpoint(max_retries=1, **QUICK)

    outcome = case.call(endpoint=endpoint, shape=shape, stream=True)

    if outcome.raised:
        expect_error(outcome, *RATE_LIMITS, because="the first event said that the model is overloaded")
        return
    expect_text(outcome, " granted")


#: The breaker of these cases, where the backend takes its settings; else its own, if it fits into a case.
OPENS_AFTER: Final = 3
OPEN_FOR: Final = 0.3
#: The most failures that a case makes, and the most seconds that it waits, until a probe is let through.
MOST_FAILURES: Final = 20
LONGEST_DELAY: Final = 1.0


@clause("RETRY-19", case="caller-errors", ways="chat")
def test_a_breaker_ignores_the_callers_own_errors(case: Case) -> None:
    """Ten bad prompts say nothing of the server; the eleventh caller must not pay for them."""
    case.needs("breaker")
    shape = case.shape()
    refusal = status(422, json={"error": "`inputs` must be shorter", "error_type": "validation"})
    case.serve(refusal.times(10), shape.plain("granted"))
    endpoint = case.endpoint(**_breaker(case))
    for _ in range(10):
        expect_error(case.call(endpoint=endpoint, shape=shape), because="the server answered 422")

    expect_text(case.call(endpoint=endpoint, shape=shape), "granted")


@clause("RETRY-19", case="per-endpoint", ways="chat")
def test_a_breaker_is_of_one_endpoint(case: Case) -> None:
    """One server that is down is no reason to leave the others alone."""
    case.needs("breaker", "keys")
    shape = case.shape()
    down = status(503, text="no upstream").where(key="A").times(1, None)
    case.serve(down, shape.plain("granted").where(key="B"))
    ill, well = (case.endpoint(key=alias, **_breaker(case)) for alias in ("A", "B"))
    for _ in range(20):
        expect_error(case.call(endpoint=ill, shape=shape), because="the server answered 503")

    expect_text(case.call(endpoint=well, shape=shape), "granted")


@clause("RETRY-19", case="half-open", ways="chat")
@timing
@ahead
def test_a_half_open_breaker_lets_one_probe_through_and_closes_again(case: Case) -> None:
    """A server that comes back must not be met by all who waited at once, nor stay cut off for good."""
    case.needs("breaker")
    failures, delay = _fitting(case)
    shape = case.shape()
    space = case.serve(
        status(503, text="no upstream").where(contains="<down>").times(failures, None).named("down"),
        shape.plain("granted").named("probe").held("probe"),
        shape.plain("granted").named("after").times(1, None),
    )
    endpoint = case.endpoint(**_breaker(case))
    for _ in range(failures):
        outcome = case.call(case.prompt("<down>"), endpoint=endpoint, shape=shape)
        expect_error(outcome, because="the server answered 503")
    met = len(space.journal().generations)
    _expect_nothing_more(space, met, delay + GRAIN)

    probe = case.start(endpoint=endpoint, shape=shape)
    expect_open(case, space, 1)
    others = [case.start(endpoint=endpoint, shape=shape) for _ in range(3)]
    for other in others:
        other.wait_briefly(case.patience().absent(2 * GRAIN))

    sent = space.journal().generations
    expect_requests(sent, met + 1, because="half-open: one probe alone", journal=space.journal())
    space.release("probe")
    expect_text(probe.wait(), "granted")
    expect_text(case.call(endpoint=endpoint, shape=shape), "granted")


@clause("RETRY-19", case="opens", ways="chat")
def test_a_declared_breaker_opens(case: Case) -> None:
    """The twin of the case beside it: what never opens is never half-open."""
    case.needs("breaker")
    failures, _ = _fitting(case)
    shape = case.shape()
    space = case.serve(status(503, text="no upstream").times(failures, None))
    endpoint = case.endpoint(**_breaker(case))
    for _ in range(failures):
        expect_error(case.call(endpoint=endpoint, shape=shape), because="the server is down")
    met = len(space.journal().generations)
    expect_error(case.call(endpoint=endpoint, shape=shape), because="the server is down")

    sent = space.journal().generations
    expect_requests(sent, met, because=f"none after {failures} failed calls", journal=space.journal())


def _breaker(case: Case) -> dict[str, Any]:
    """The settings of the breaker; it stays open for longer than the next call takes to come."""
    return {"breaker_failures": OPENS_AFTER, "breaker_delay": case.patience().limit(OPEN_FOR)}


def _fitting(case: Case) -> tuple[int, float]:
    """Failures and seconds of a breaker; not applicable where they are unknown or too many for a case."""
    longest = case.patience().limit(LONGEST_DELAY)
    breaker = effective_breaker(case.description, OPENS_AFTER, case.patience().limit(OPEN_FOR))
    failures, delay = breaker.failures, breaker.delay
    if not failures or delay is None:
        raise NotApplicable("failures and delay of the breaker are not declared")
    if failures > MOST_FAILURES or delay > longest:
        raise NotApplicable(f"it opens after {failures} failures for {delay} s: too long for a case")
    return failures, delay


# --- what the tests above share -----------------------------------------------------------------------


def _cancellable(case: Case, endpoint: str, shape: Shape, *, stream: bool) -> Running:
    """Start a call that can be taken back: an async one as it is, a sync one through ``submit``."""
    if case.claims("async"):
        return begin(case, case.prompt(), endpoint, shape, stream=stream)
    if "submit" not in case.driver.implemented:
        raise NotApplicable("a sync call is cancelled through submit, which is not implemented")
    return case.start(endpoint=endpoint, shape=shape, method="submit", kind=shape.method)


def _expect_nothing_more(space: Space, count: int, seconds: float) -> None:
    """No request beyond ``count`` comes within the time."""
    try:
        journal = space.wait(received(count + 1), seconds)
    except WaitTimeout:
        return
    expect_requests(journal.generations, count, because="the call was cancelled", journal=journal)


def _longest_waits(case: Case, endpoint: str, asked: int) -> float:
    """Seconds that a call may sleep where each answer is a 429 that asks for that wait."""
    policy = case.policy(endpoint)
    gives_up = policy.max_retry_after is not None and policy.max_retry_after < asked
    if gives_up or not retries(case, 429):
        return 0.0
    return longest_waits(policy, most_attempts(policy) - 1, asked=asked)


def _id(exchange: Exchange, header: str | None) -> str | None:
    return None if header is None else exchange.header(header)


def _retry_after(outcome: Outcome) -> object:
    info = expect_error(outcome, because="the server answered 429")
    return UNSET if info is None else info.retry_after
