"""What holds after any script: no call is stuck, and nothing is left behind (P-20, P-21)."""

import time
from collections.abc import Mapping
from typing import Final

from hypothesis import strategies as st

from tgi_conformance.fake_server.client import Space, connections_closed, gone
from tgi_conformance.suites.areas.held import needs_cap, start_cancellable
from tgi_conformance.suites.areas.statistics import exposed
from tgi_conformance.suites.areas.waits import expect_open, expect_received, expect_soon
from tgi_conformance.suites.generated.scripts import FAULTS, PlannedCall, loads
from tgi_conformance.suites.generated.started import numbered, start_load
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_success, expect_text
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.rulings import NotApplicable

WORDS: Final = (" one", " two", " three", " four")
#: What may come and go beside the calls: a thread or socket of an event loop, a resolver, a kept connection.
SPARE: Final = 6


# --- P-20: liveness -----------------------------------------------------------------------------------------


def _loads(case: Case) -> st.SearchStrategy[tuple[tuple[PlannedCall, ...], int]]:
    """Calls and a cap below their number."""
    return st.tuples(loads(most=8, least=3, streaming=case.claims("stream")), st.integers(1, 2))


@clause("QUEUE-05", case="property-p20", ways=("chat", "chat stream"))
def test_every_ending_of_any_load_gives_its_slot_back_once(case: Case) -> None:
    """Property P-20 for slots: after any load the cap is free again, and no more than the cap."""
    needs_cap(case)

    def check(inner: Case, drawn: tuple[tuple[PlannedCall, ...], int]) -> None:
        calls, cap = drawn
        held = inner.prompt("held")
        late = inner.shape().plain("late").where(contains=held).held("later").times(0, None)
        space, endpoint, running = start_load(inner, calls, late, max_concurrent_requests=cap, queue_size=16)
        for _, run in running:
            run.wait()
        seen = len(space.journal().exchanges)
        later = [inner.start(f"{held} {n}", endpoint=endpoint) for n in range(cap + 1)]
        expect_open(inner, space, cap)
        space.release("later")
        for run in later:
            expect_success(run.wait(), "a call after the load")
        most = space.journal().most_open(space.journal().exchanges[seen:])
        expect(most <= cap, expected=f"{cap} open at one time after the load", observed=str(most))

    check_property(case, _loads(case), check, shared=3)


@clause("QUEUE-06", case="property-p20", ways=("chat", "chat stream"))
def test_current_requests_is_true_during_and_after_any_load(case: Case) -> None:
    """Property P-20 for the count: never below 0 nor above the cap, and 0 when all is done."""
    needs_cap(case)
    case.needs("stats")

    def check(inner: Case, drawn: tuple[tuple[PlannedCall, ...], int]) -> None:
        calls, cap = drawn
        _, endpoint, running = start_load(inner, calls, max_concurrent_requests=cap, queue_size=16)
        shown = []
        for _, run in running:
            shown.append(_current(inner, endpoint))
            run.wait()
        expect(
            all(0 <= one <= cap for one in shown),
            expected=f"0 to {cap} current requests",
            observed=str(shown),
        )
        rest = _current(inner, endpoint)
        expect(rest == 0, expected="no current request at rest", observed=str(rest), journal=inner.journal())

    check_property(case, _loads(case), check, shared=3)


def _current(case: Case, endpoint: str) -> int:
    shown = exposed(case, endpoint, "current_requests")["current_requests"]
    expect(isinstance(shown, int), expected="current_requests as a whole number", observed=repr(shown))
    return shown if isinstance(shown, int) else -1


@clause("QUEUE-07", case="property-p20", ways=("chat", "chat stream"))
def test_every_accepted_call_of_any_load_ends(case: Case) -> None:
    """Property P-20 for calls: each one settles, as its server answered, whatever became of the others."""
    needs_cap(case)

    def check(inner: Case, drawn: tuple[tuple[PlannedCall, ...], int]) -> None:
        calls, cap = drawn
        _, _, running = start_load(inner, calls, max_concurrent_requests=cap, queue_size=16)
        for number, (call, run) in enumerate(running):
            outcome = run.wait()
            right = outcome.text == f"for call {number}" if call.good else outcome.raised
            expect(
                outcome.ending in ("answer", "end", "error") and right,
                expected="its own answer" if call.good else f"an error ({call.fate})",
                observed=describe(outcome),
            )

    check_property(case, _loads(case), check, shared=3)


# --- P-21: no residue ---------------------------------------------------------------------------------------


@clause("RES-01", case="property-p21", ways="chat stream")
def test_a_stream_left_anywhere_closes_its_connection(case: Case) -> None:
    """Property P-21 for streams: left after any piece, in any way, none generates on for nobody."""
    case.needs("stream")
    shape = case.shape()

    def check(inner: Case, drawn: tuple[int, str]) -> None:
        count, how = drawn
        space = inner.serve(shape.stream(WORDS).held("never", event=count))
        running = inner.start(endpoint=inner.endpoint(), shape=shape, stream=True)
        pieces = running.read(count)
        expect(len(pieces) == count, expected=f"{count} pieces before it is left", observed=str(len(pieces)))
        running.leave(how)
        expect_soon(
            inner, space, gone(1), f"the connection closed after the stream was left ({how}, {count} pieces)"
        )

    check_property(
        case, st.tuples(st.integers(1, 3), st.sampled_from(["close", "drop", "throw"])), check, shared=5
    )


@clause("RES-02", case="property-p21", ways="chat")
def test_a_call_taken_back_anywhere_closes_its_connection(case: Case) -> None:
    """Property P-21 for cancellation: before the head, or between any two pieces of a stream."""
    case.needs("cancel")
    shape = case.shape()
    most = 3 if case.claims("stream", "async") else 0

    def check(inner: Case, count: int) -> None:
        reply = shape.stream(WORDS).held("never", event=count) if count else shape.plain("late").held("never")
        space = inner.serve(reply)
        endpoint = inner.endpoint()
        if count:
            running = inner.start(endpoint=endpoint, shape=shape, stream=True)
            running.read(count)
            running.call.pull(1)
        else:
            running = start_cancellable(inner, inner.prompt(), endpoint)
            expect_received(inner, space)
        running.cancel()
        expect_soon(
            inner, space, gone(1), f"the connection closed after the call was cancelled ({count} pieces)"
        )
        outcome = running.wait()
        expect(outcome.raised, expected="a cancellation is what the caller sees", observed=describe(outcome))

    check_property(case, st.integers(0, most), check, shared=5)


@clause("RES-04", case="property-p21", ways="chat stream")
def test_any_run_of_refused_streams_leaves_no_connection_behind(case: Case) -> None:
    """Property P-21 for refusals of stream calls: the pool keeps its size, the last call works.

    What the refused calls tell their callers is judged elsewhere (STREAM-24, ERR-01).
    """
    case.needs("stream")
    shape = case.shape()
    faults = st.sampled_from(["429", "400", "401", "422", "500", "502", "cut", "in-band", "garbage"])

    def check(inner: Case, words: list[str]) -> None:
        prompts = [inner.prompt(f"refusal {number} {word}") for number, word in enumerate(words)]
        replies = [
            numbered(FAULTS[word](shape, True), number).where(contains=prompt).times(1, None)  # noqa: FBT003
            for number, (word, prompt) in enumerate(zip(words, prompts, strict=True))
        ]
        space = inner.serve(*replies, shape.stream(WORDS))
        endpoint = inner.endpoint(pool_size=2, timeout=inner.patience().limit(2.0))
        for prompt in prompts:
            inner.call(prompt, endpoint=endpoint, shape=shape, stream=True)
        expect_text(inner.call(endpoint=endpoint, shape=shape, stream=True), "".join(WORDS))
        open_now = [c for c in space.journal().connections if c.closed_at is None]
        expect(
            len(open_now) <= 2,
            expected=f"at most 2 connections open after {len(words)} refusals in turn",
            observed=str(len(open_now)),
            journal=space.journal(),
        )

    check_property(case, st.lists(faults, min_size=3, max_size=10), check, shared=3)


@clause("RES-05", case="property-p21", ways=("chat", "chat stream"))
def test_close_ends_everything_after_any_script(case: Case) -> None:
    """Property P-21 for close(): connections, threads, tasks and descriptors are back to the start."""
    case.needs("close")

    def check(inner: Case, calls: tuple[PlannedCall, ...]) -> None:
        try:
            before = _counts(inner)
            space, _, running = start_load(inner, calls, max_concurrent_requests=8, queue_size=8)
            for _, run in running:
                run.wait()
            closed = inner.ask("close")
            expect(closed.returned, expected="close() returns", observed=describe(closed))
            expect_soon(inner, space, connections_closed(), "every connection closed after close()")
            _expect_back_to(inner, before)
        finally:
            inner.driver.restart()

    check_property(case, loads(streaming=case.claims("stream")), check, cost="restarts")


@clause("RES-06", case="property-p21", ways=("chat", "chat stream"))
def test_no_script_makes_the_process_grow(case: Case) -> None:
    """Property P-21 for growth: the same load again needs no more threads, tasks and descriptors."""

    def check(inner: Case, calls: tuple[PlannedCall, ...]) -> None:
        plateau: Mapping[str, int] = {}
        kept: list[Space] = []
        for _ in range(3):
            space, endpoint, running = start_load(inner, calls, max_concurrent_requests=8, queue_size=8)
            for _, run in running:
                run.wait()
            if plateau and not inner.claims("close"):
                kept.append(space)
            plateau = plateau or _counts(inner)
            inner.close_endpoint(endpoint) if inner.claims("close") else None
        if not plateau:
            raise NotApplicable("the backend's host cannot count threads, tasks or descriptors")
        # Each load has an endpoint of its own, and what cannot be closed may keep its connections.
        pooled = sum(c.closed_at is None for space in kept for c in space.journal().connections)
        _expect_back_to(inner, plateau, pooled=pooled)

    check_property(case, loads(most=4, streaming=case.claims("stream")), check, shared=5)


def _counts(case: Case) -> Mapping[str, int]:
    """What lives in the backend's process, as far as its host can tell."""
    census = case.driver.census()
    counted = {
        "threads": None if census.threads is None else len(census.threads),
        "tasks": None if census.tasks is None else len(census.tasks),
        "descriptors": census.descriptors,
    }
    return {name: count for name, count in counted.items() if count is not None}


def _expect_back_to(case: Case, before: Mapping[str, int], pooled: int = 0) -> None:
    """Judge the counts against those ``before``, and ``pooled`` connections more."""
    until = time.monotonic() + case.patience().soon()
    room = {"descriptors": SPARE + pooled}
    while over := {n: c for n, c in _counts(case).items() if c > before.get(n, c) + room.get(n, SPARE)}:
        if time.monotonic() > until:
            told = "; ".join(f"{name}: {before[name]} before, {now} after" for name, now in over.items())
            expect(condition=False, expected="threads, tasks and descriptors as before", observed=told)
