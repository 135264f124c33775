"""The reference client's retry, queue, rotation and statistics rules, without a network."""

import asyncio
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_conformance.backends.reference import (
    ClosedError,
    EndpointSettings,
    QueueFullError,
    RequestTimeoutError,
    TransportError,
)
from tgi_conformance.backends.reference.admission import Admission
from tgi_conformance.backends.reference.answers import Usage
from tgi_conformance.backends.reference.failures import remote_error, status_error
from tgi_conformance.backends.reference.interruption import Interruptible
from tgi_conformance.backends.reference.retry_after import parse_retry_after
from tgi_conformance.backends.reference.retry_policy import Backoff, is_retryable, wait_before_retry
from tgi_conformance.backends.reference.rotation import Candidate, choose
from tgi_conformance.backends.reference.stats import Stats, total

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], None), (["2"], 2.0), (["0"], 0.0), ([" 2 "], 2.0), (["1.5"], 1.5), (["9" * 400], 1e15),
        (["000000000000000000002"], 2.0),
        (["Tue, 24 Nov 2026 12:00:02 GMT"], 2.0), (["Tuesday, 24-Nov-26 12:00:02 GMT"], 2.0),
        (["Tue Nov 24 12:00:02 2026"], 2.0), (["Tue, 24 Nov 2026 11:59:58 GMT"], None),
        ([""], None), (["soon"], None), (["-1"], None), (["nan"], None), (["inf"], None), (["1e10000"], None),
        (["٣"], None), (["1", "2"], None), (["Tue, 99 Nov 2026 12:00:02 GMT"], None), (["1 2"], None),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_every_form_and_junk_is_nothing(lines, seconds):
    assert parse_retry_after(lines, NOW) == seconds


@given(st.text())
def test_no_retry_after_crashes(value):
    wait = parse_retry_after([value], NOW)
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        *((status_error(status, b""), True) for status in (429, 502, 503, 504)),
        *(
            (status_error(status, b""), False)
            for status in (400, 401, 403, 404, 405, 413, 415, 422, 424, 500)
        ),
        (remote_error({"error": "Model is overloaded", "error_type": "overloaded"}, status=200), True),
        (remote_error({"error": "Input validation error: x"}, status=200), False),
        *((TransportError("x", fault), True) for fault in ("refused", "reset", "closed")),
        *((TransportError("x", fault), False) for fault in ("body", "malformed", "tls", "proxy")),
        (RequestTimeoutError("x", "read"), False),
        (QueueFullError("x"), False),
    ],
)
def test_the_table_of_what_is_retried(error, retryable):
    assert is_retryable(error) is retryable


def settings(**given_settings):
    return EndpointSettings(base_url="http://h", **given_settings)


def wait_for(error, *, failures=1, remaining=math.inf, high=False, **given_settings):
    return wait_before_retry(
        error,
        failures=failures,
        settings=settings(**given_settings),
        remaining=remaining,
        draw=max if high else min,
    )


@given(
    k=st.integers(0, 5000),
    initial=st.floats(0, 1e6),
    factor=st.floats(1, 1e6),
    cap=st.floats(0, 1e6),
)
def test_waits_grow_never_overflow_and_never_pass_the_cap(k, initial, factor, cap):
    backoff = Backoff(initial, factor, cap)
    low, high = backoff.bounds(k)
    assert 0 <= low <= high <= cap
    assert backoff.step(k) <= backoff.step(k + 1)
    assert low == 0.75 * backoff.step(k)


def test_attempts_are_bounded_by_max_retries():
    busy = status_error(429, b"")
    assert wait_for(busy, failures=1, max_retries=0) is None
    assert wait_for(busy, failures=2, max_retries=2) is not None
    assert wait_for(busy, failures=3, max_retries=2) is None


@given(st.floats(0, 120), st.booleans())
def test_retry_after_is_a_lower_bound(value, high):
    error = status_error(429, b"", retry_after=value)
    assert wait_for(error, high=high, initial_retry_delay=0.05) >= value


def test_a_wait_that_is_too_long_is_given_up_and_never_shortened():
    assert wait_for(status_error(429, b"", retry_after=121.0)) is None
    assert wait_for(status_error(429, b"", retry_after=2.0), remaining=1.5) is None
    assert wait_for(status_error(429, b""), remaining=0.1, initial_retry_delay=1.0) is None


def test_a_loading_model_is_waited_for_within_the_cap():
    loading = status_error(503, b'{"error":"loading","estimated_time":20.0}')
    assert wait_for(loading, initial_retry_delay=0.05) == 20.0
    assert wait_for(loading, initial_retry_delay=0.05, max_retry_delay=1.0) == 1.0


# queue


async def hold(admission, number, log, gate):
    async with admission.slot(number):
        log.append(number)
        await gate.wait()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def test_calls_start_in_order_of_arrival_and_a_returning_one_goes_first():
    async def scenario():
        admission, log, gate = Admission(1, 3), [], asyncio.Event()
        sleeper = admission.arrive()
        async with admission.slot(sleeper):
            numbers = [admission.arrive() for _ in range(2)]
            tasks = [asyncio.create_task(hold(admission, number, log, gate)) for number in numbers]
            await settle()
            tasks.append(asyncio.create_task(hold(admission, sleeper, log, gate)))
            await settle()
            assert (admission.in_flight, admission.waiting) == (1, 3)
        gate.set()
        await asyncio.gather(*tasks)
        assert log == [sleeper, *numbers]
        assert (admission.in_flight, admission.waiting) == (0, 0)

    asyncio.run(scenario())


def test_a_call_beyond_slots_and_queue_is_refused():
    async def scenario():
        admission, log, gate = Admission(1, 1), [], asyncio.Event()
        tasks = []
        for _ in range(2):
            tasks.append(asyncio.create_task(hold(admission, admission.arrive(), log, gate)))
            await settle()
        with pytest.raises(QueueFullError):
            admission.arrive()
        gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_cancelled_waiter_never_runs_and_loses_no_slot(handed_over):
    async def scenario():
        admission, log, gate = Admission(1, 5), [], asyncio.Event()
        gate.set()
        async with admission.slot(admission.arrive()):
            waiter = asyncio.create_task(hold(admission, admission.arrive(), log, gate))
            await settle()
            if not handed_over:
                waiter.cancel()
        # With handed_over, the slot has just been given to the waiter, which does not know it yet.
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        assert waiter.cancelled()
        assert log == []
        assert admission.in_flight == 0
        async with admission.slot(admission.arrive()):
            assert admission.in_flight == 1

    asyncio.run(scenario())


def test_a_wider_cap_lets_waiting_calls_in():
    async def scenario():
        admission, log, gate = Admission(1, 5), [], asyncio.Event()
        tasks = []
        for _ in range(3):
            tasks.append(asyncio.create_task(hold(admission, admission.arrive(), log, gate)))
            await settle()
        assert len(log) == 1
        admission.resize(3, 5)
        await settle()
        assert len(log) == 3
        gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())


# interruption


def test_an_interrupted_block_ends_with_the_given_error_and_the_task_goes_on():
    async def scenario():
        handle = Interruptible()
        asyncio.get_running_loop().call_soon(handle.interrupt, ClosedError("x"))
        with pytest.raises(ClosedError):
            async with handle:
                await asyncio.Event().wait()
        await asyncio.sleep(0)
        assert asyncio.current_task().cancelling() == 0

    asyncio.run(scenario())


def test_an_interruption_after_the_end_of_the_block_hits_nothing():
    async def scenario():
        handle = Interruptible()
        async with handle:
            handle.interrupt(ClosedError("x"))
        await asyncio.sleep(0)
        return "went on"

    assert asyncio.run(scenario()) == "went on"


def test_a_real_cancellation_beside_an_interruption_stays_one():
    async def scenario():
        handle = Interruptible()

        async def block():
            async with handle:
                await asyncio.Event().wait()

        task = asyncio.create_task(block())
        await asyncio.sleep(0)
        task.cancel()
        handle.interrupt(ClosedError("x"))
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


# rotation


def test_endpoints_take_fair_turns():
    candidates = [Candidate(name) for name in "abc"]
    last, seen = None, []
    for _ in range(9):
        last = choose(candidates, last=last, now=0.0).endpoint_id
        seen.append(last)
    assert seen == list("abc") * 3


def test_a_waiting_a_refused_and_a_full_endpoint_are_passed_over():
    candidates = [
        Candidate("waits", blocked_until=5.0), Candidate("refused", rejected=True),
        Candidate("full", full=True), Candidate("good"),
    ]  # fmt: skip
    assert choose(candidates, last=None, now=1.0).endpoint_id == "good"
    assert choose(candidates, last="good", now=6.0).endpoint_id == "waits"


def test_if_all_wait_the_first_to_be_free_is_named_with_its_time():
    candidates = [Candidate("a", blocked_until=9.0), Candidate("b", blocked_until=5.0)]
    choice = choose(candidates, last=None, now=1.0)
    assert (choice.endpoint_id, choice.not_before) == ("b", 5.0)
    assert choose([Candidate("a", rejected=True)], last=None, now=0.0) is None


# statistics


@given(st.lists(st.sampled_from(["successful", "failed", "cancelled", "refused"])))
def test_at_rest_the_books_balance(endings):
    stats = Stats()
    for ending in endings:
        entry = stats.begin()
        entry.end(ending, Usage(7, 3))
        entry.end("failed")
    counts = stats.snapshot()
    assert (
        counts["total_requests"] == len(endings) == counts["successful_requests"] + counts["failed_requests"]
    )
    assert counts["cancelled_requests"] == endings.count("cancelled")
    assert counts["total_tokens"] == 10 * endings.count("successful")


def test_absent_usage_is_unknown_and_not_a_measured_zero():
    stats = Stats()
    stats.begin().end("successful", Usage())
    stats.begin().end("successful", Usage(0, 0))
    assert stats.snapshot()["requests_without_usage"] == 1


def test_a_snapshot_is_a_copy_and_a_reset_forgets_calls_under_way():
    stats = Stats()
    entry = stats.begin()
    stats.snapshot()["total_requests"] = 99
    assert stats.snapshot()["total_requests"] == 1
    stats.reset()
    entry.end("successful", Usage(1, 1))
    assert set(stats.snapshot().values()) == {0}
    assert total([])["total_requests"] == 0
