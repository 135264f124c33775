"""What holds after any script: nothing is stuck, left behind, leaked or passed on (P-20 to P-22, P-24)."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest
from hypothesis import strategies as st

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, overloaded, status
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.fake_server.client import Condition, Space, WaitTimeout, connections_closed, gone
from tgi_conformance.suites.generated.scripts import FAULTS, LASTING, PASSING, PlannedCall, loads, refusal
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.clause import clause, timing
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_success, expect_text
from tgi_conformance.suites.harness.oracles import find_key, leaks_in_outcomes, leaks_in_output, stray_keys
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.harness.streams import ALL, allowance
from tgi_conformance.suites.harness.waits import expect_open, expect_received, expect_turned_away
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape

SHAPE = pytest.mark.parametrize("shape", [CHAT, NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
WORDS: Final = (" one", " two", " three", " four")
#: What may come and go beside the calls: a thread or socket of an event loop, a resolver, a kept connection.
SPARE: Final = 6


def _load(
    case: Case, calls: Sequence[PlannedCall], *more: Reply, **settings: Any
) -> tuple[Space, str, list[tuple[PlannedCall, Running]]]:
    """Start all calls of a load on one endpoint; each gets its own reply, by its prompt.

    ``more``: what is answered to calls that are made later.
    """
    shape = case.shape()
    prompts = [case.prompt(f"call {number} {call.fate}") for number, call in enumerate(calls)]
    space = case.serve(
        *(
            _named(call.reply(shape, f"for call {number}"), number).where(contains=prompt).times(0, None)
            for number, (prompt, call) in enumerate(zip(prompts, calls, strict=True))
        ),
        *more,
    )
    endpoint = case.endpoint(**settings)
    running = [
        (call, case.start(prompt, endpoint=endpoint, shape=shape, stream=call.streaming))
        for prompt, call in zip(prompts, calls, strict=True)
    ]
    for call, run in running:
        if call.streaming:
            run.call.pull(ALL)
    return space, endpoint, running


def _named(reply: Reply, number: int) -> Reply:
    return reply.named(f"{reply.name or 'call'}-{number}")


# --- P-20: liveness -----------------------------------------------------------------------------------------


def _loads(case: Case) -> st.SearchStrategy[tuple[tuple[PlannedCall, ...], int]]:
    """Calls and a cap below their number."""
    return st.tuples(loads(most=8, least=3, streaming=case.claims("stream")), st.integers(1, 2))


def _needs_cap(case: Case) -> None:
    case.needs("queue")
    case.needs_setting("max_concurrent_requests")


@clause("QUEUE-05", case="property-p20")
def test_every_ending_of_any_load_gives_its_slot_back_once(case: Case) -> None:
    """Property P-20 for slots: after any load the cap is free again, and no more than the cap."""
    _needs_cap(case)

    def check(inner: Case, drawn: tuple[tuple[PlannedCall, ...], int]) -> None:
        calls, cap = drawn
        held = inner.prompt("held")
        late = inner.shape().plain("late").where(contains=held).held("later").times(0, None)
        space, endpoint, running = _load(inner, calls, late, max_concurrent_requests=cap, queue_size=16)
        for _, run in running:
            run.wait()
        seen = len(space.journal().exchanges)
        later = [inner.start(f"{held} {n}", endpoint=endpoint) for n in range(cap + 1)]
        expect_open(space, cap)
        space.release("later")
        for run in later:
            expect_success(run.wait(), "a call after the load")
        most = space.journal().most_open(space.journal().exchanges[seen:])
        expect(most <= cap, expected=f"{cap} open at one time after the load", observed=str(most))

    check_property(case, _loads(case), check, shared=3)


@clause("QUEUE-06", case="property-p20")
def test_current_requests_is_true_during_and_after_any_load(case: Case) -> None:
    """Property P-20 for the count: never below 0 nor above the cap, and 0 when all is done."""
    _needs_cap(case)
    case.needs("stats")

    def check(inner: Case, drawn: tuple[tuple[PlannedCall, ...], int]) -> None:
        calls, cap = drawn
        _, endpoint, running = _load(inner, calls, max_concurrent_requests=cap, queue_size=16)
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
    shown = case.statistics(endpoint).get("current_requests")
    expect(isinstance(shown, int), expected="current_requests as a whole number", observed=repr(shown))
    return shown if isinstance(shown, int) else -1


@clause("QUEUE-07", case="property-p20")
def test_every_accepted_call_of_any_load_ends(case: Case) -> None:
    """Property P-20 for calls: each one settles, as its server answered, whatever became of the others."""
    _needs_cap(case)

    def check(inner: Case, drawn: tuple[tuple[PlannedCall, ...], int]) -> None:
        calls, cap = drawn
        _, _, running = _load(inner, calls, max_concurrent_requests=cap, queue_size=16)
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


def _expect_soon(space: Space, condition: Condition, expected: str) -> None:
    try:
        space.wait(condition, allowance(space.journal()))
    except WaitTimeout as timeout:
        expect(condition=False, expected=expected, observed="it is still open", journal=timeout.journal)


@clause("RES-01", case="property-p21")
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
        _expect_soon(
            space, gone(1), f"the connection closed after the stream was left ({how}, {count} pieces)"
        )

    check_property(
        case, st.tuples(st.integers(1, 3), st.sampled_from(["close", "drop", "throw"])), check, shared=5
    )


@clause("RES-02", case="property-p21")
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
            running = _cancellable(inner, inner.prompt(), endpoint)
            expect_received(space)
        running.cancel()
        _expect_soon(space, gone(1), f"the connection closed after the call was cancelled ({count} pieces)")
        outcome = running.wait()
        expect(outcome.raised, expected="a cancellation is what the caller sees", observed=describe(outcome))

    check_property(case, st.integers(0, most), check, shared=5)


def _cancellable(case: Case, prompt: str, endpoint: str) -> Running:
    """Start a call that can be taken back: an async one as it is, a sync one through ``submit``."""
    if case.claims("async"):
        return case.start(prompt, endpoint=endpoint)
    if "submit" not in case.driver.implemented:
        raise NotApplicable("a sync call is cancelled through submit, which is not implemented")
    return case.start(prompt, endpoint=endpoint, method="submit", kind=case.shape().method)


@clause("RES-04", case="property-p21")
def test_any_run_of_refused_streams_leaves_no_connection_behind(case: Case) -> None:
    """Property P-21 for refusals of stream calls: the pool keeps its size, the last call works."""
    case.needs("stream")
    shape = case.shape()
    faults = st.sampled_from(["429", "400", "401", "422", "500", "502", "cut", "in-band", "garbage"])

    def check(inner: Case, words: list[str]) -> None:
        replies = [_named(FAULTS[word](shape, True), number) for number, word in enumerate(words)]  # noqa: FBT003
        space = inner.serve(*replies, shape.stream(WORDS))
        endpoint = inner.endpoint(pool_size=2, timeout=2.0)
        for word in words:
            outcome = inner.call(endpoint=endpoint, shape=shape, stream=True)
            expect_error(outcome, because=f"the stream was refused ({word})")
        expect_text(inner.call(endpoint=endpoint, shape=shape, stream=True), "".join(WORDS))
        open_now = [c for c in space.journal().connections if c.closed_at is None]
        expect(
            len(open_now) <= 2,
            expected=f"at most 2 connections open after {len(words)} refusals in turn",
            observed=str(len(open_now)),
            journal=space.journal(),
        )

    check_property(case, st.lists(faults, min_size=3, max_size=10), check, shared=3)


@clause("RES-05", case="property-p21")
def test_close_ends_everything_after_any_script(case: Case) -> None:
    """Property P-21 for close(): connections, threads, tasks and descriptors are back to the start."""
    case.needs("close")

    def check(inner: Case, calls: tuple[PlannedCall, ...]) -> None:
        try:
            before = _counts(inner)
            space, _, running = _load(inner, calls, max_concurrent_requests=8, queue_size=8)
            for _, run in running:
                run.wait()
            closed = inner.ask("close")
            expect(closed.returned, expected="close() returns", observed=describe(closed))
            _expect_soon(space, connections_closed(), "every connection closed after close()")
            _expect_back_to(inner, before)
        finally:
            inner.driver.restart()

    check_property(case, loads(streaming=case.claims("stream")), check, cost="restarts")


@clause("RES-06", case="property-p21")
def test_no_script_makes_the_process_grow(case: Case) -> None:
    """Property P-21 for growth: the same load again needs no more threads, tasks and descriptors."""

    def check(inner: Case, calls: tuple[PlannedCall, ...]) -> None:
        plateau: Mapping[str, int] = {}
        for _ in range(3):
            _, endpoint, running = _load(inner, calls, max_concurrent_requests=8, queue_size=8)
            for _, run in running:
                run.wait()
            plateau = plateau or _counts(inner)
            inner.close_endpoint(endpoint) if inner.claims("close") else None
        if not plateau:
            raise NotApplicable("the backend's host cannot count threads, tasks or descriptors")
        _expect_back_to(inner, plateau)

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


def _expect_back_to(case: Case, before: Mapping[str, int]) -> None:
    until = time.monotonic() + 1.0
    while over := {n: c for n, c in _counts(case).items() if c > before.get(n, c) + SPARE}:
        if time.monotonic() > until:
            told = "; ".join(f"{name}: {before[name]} before, {now} after" for name, now in over.items())
            expect(condition=False, expected="threads, tasks and descriptors as before", observed=told)


# --- P-22: secrecy ------------------------------------------------------------------------------------------


def _expect_none(findings: Sequence[Finding]) -> None:
    breaches = [finding.message for finding in findings if finding.breach and not finding.advisory]
    expect(not breaches, expected="no key there", observed="; ".join(breaches))


def _outcomes(case: Case, calls: Sequence[PlannedCall]) -> tuple[Space, list[Outcome]]:
    space, _, running = _load(case, calls, max_concurrent_requests=8, queue_size=8)
    return space, [run.wait() for _, run in running]


@clause("SEC-01", case="property-p22")
def test_no_outcome_of_any_script_shows_the_key(case: Case) -> None:
    """Property P-22 for what comes back: values, exceptions, and the chain of their causes."""

    def check(inner: Case, calls: tuple[PlannedCall, ...]) -> None:
        _, outcomes = _outcomes(inner, calls)
        _expect_none(leaks_in_outcomes(outcomes, inner.record.keys))

    check_property(case, loads(streaming=case.claims("stream")), check, shared=3)


@clause("SEC-02", case="property-p22")
def test_no_output_of_any_script_shows_the_key(case: Case) -> None:
    """Property P-22 for what the process says: standard output, standard error, log records."""

    def check(inner: Case, calls: tuple[PlannedCall, ...]) -> None:
        mark = inner.driver.mark_output()
        _outcomes(inner, calls)
        logs = inner.driver.census().logs or ()
        records = [(log.level, log.logger, log.text) for log in logs]
        _expect_none(leaks_in_output(inner.driver.output_since(mark), records, inner.record.keys))

    check_property(case, loads(streaming=case.claims("stream")), check, shared=3)


@clause("SEC-03", case="property-p22")
def test_no_request_of_any_script_has_the_key_outside_its_header(case: Case) -> None:
    """Property P-22 for the wire: once, as a bearer token, and nowhere else."""

    def check(inner: Case, calls: tuple[PlannedCall, ...]) -> None:
        space, _ = _outcomes(inner, calls)
        _expect_none(stray_keys(space.journal(), inner.record.keys))
        for exchange in space.journal().generations:
            values = exchange.header_values("authorization")
            expect(
                values == (f"Bearer {inner.key()}",),
                expected="one header Authorization: Bearer <key:A>",
                observed=f"{len(values)} Authorization headers, key:{exchange.key}",
            )

    check_property(case, loads(streaming=case.claims("stream")), check, shared=3)


@clause("SEC-04", case="property-p22")
def test_no_redirect_takes_the_key_to_another_origin(case: Case) -> None:
    """Property P-22 for origins: any redirect to another port, host and path, in one or two steps."""
    shape = case.shape()
    redirects = st.tuples(
        st.sampled_from([301, 302, 303, 307, 308]),
        st.sampled_from(["127.0.0.1", "localhost"]),
        st.sampled_from(["same", "/elsewhere", "/a/b?c=d"]),
        st.booleans(),
    )

    def check(inner: Case, drawn: tuple[int, str, str, bool]) -> None:
        code, host, path, by_way = drawn
        reply = shape.plain("from the other origin").times(0, None)
        target_path = shape.plain_paths[0] if path == "same" else path
        bare = target_path.partition("?")[0]
        other = inner.serve(reply.where(method="GET", path=bare), reply.where(method="POST", path=bare))
        target = other.base_url.replace("127.0.0.1", host) + target_path
        hop = status(code, ("location", target))
        space = inner.serve(
            status(code, ("location", "/hop")) if by_way else hop,
            hop.where(path="/hop", method="GET").times(0, None).named("hop-get"),
            hop.where(path="/hop", method="POST").times(0, None).named("hop-post"),
        )
        inner.call(endpoint=inner.endpoint(url=space.base_url), shape=shape, attempts=9)
        heads = [exchange.head.decode("latin-1") for exchange in other.journal()]
        leaked = [head for head in heads if find_key(head, inner.record.keys) or _authorized(head)]
        expect(
            not leaked,
            expected="no Authorization header and no key at the other origin",
            observed=f"{len(leaked)} of {len(heads)} requests have it",
            journal=other.journal(),
        )

    check_property(case, redirects, check, shared=3)


def _authorized(head: str) -> bool:
    names = {line.partition(":")[0].strip().lower() for line in head.splitlines()}
    return bool(names & {"authorization", "proxy-authorization", "x-api-key", "api-key"})


# --- P-24: independence -------------------------------------------------------------------------------------


def _seen(exchange: Exchange, prompt: str) -> object:
    """A request without what names its call."""
    body = exchange.body.decode("utf-8", "replace").replace(prompt, "P")
    names = ("content-type", "accept", "authorization", "user-agent")
    return exchange.method, exchange.target, body, [exchange.header_values(name) for name in names]


@clause("GEN-13", case="property-p24")
@SHAPE
def test_a_call_after_any_failure_is_the_call_without_it(case: Case, shape: Shape) -> None:
    """Property P-24: request and answer of B are the same whether an A failed before it or not."""
    case.needs(shape.capability)
    offered = case.description.parameters.get(shape.method, frozenset())
    asked = {"temperature": 0.5, "seed": 7, "stop": ["x"]}
    given = {name: value for name, value in asked.items() if name in offered}
    fates = st.sampled_from(["good", *FAULTS])

    def check(inner: Case, before: list[str]) -> None:
        prompts = [inner.prompt(f"{n} {word}") for n, word in enumerate(before)]
        alone, after = inner.prompt("alone"), inner.prompt("after")
        replies = [
            _named(PlannedCall(fate=word).reply(shape, "earlier"), n).where(contains=prompt).times(0, None)
            for n, (word, prompt) in enumerate(zip(before, prompts, strict=True))
        ]
        space = inner.serve(*replies, shape.plain("as ever").times(0, None))
        endpoint = inner.endpoint()
        first = inner.call(alone, endpoint=endpoint, shape=shape)
        for prompt in prompts:
            inner.call(prompt, endpoint=endpoint, shape=shape, **given)
        second = inner.call(after, endpoint=endpoint, shape=shape)
        expect_success(second, "the call after the others")
        sent = space.journal().generations
        bare, last = (_seen(exchange, prompt) for exchange, prompt in ((sent[0], alone), (sent[-1], after)))
        expect(bare == last, expected=f"the request of the call alone, {bare}", observed=str(last))
        same = to_json((first.ending, first.text)) == to_json((second.ending, second.text))
        expect(same, expected=describe(first), observed=describe(second))

    check_property(case, st.lists(fates, min_size=1, max_size=3), check, shared=3)


def _retries(case: Case) -> Mapping[str, Any]:
    """Settings with which a rate limit puts a call to sleep, where the backend retries."""
    policy = case.description.retry or RetryPolicy()
    asleep = (
        case.claims("retry") and "max_retries" in case.description.settings and policy.max_retry_after != 0
    )
    return {"max_retries": 1, "initial_retry_delay": 2.0, "backoff_factor": 1.0} if asleep else {}


@clause("MUX-05", case="property-p24")
@timing
def test_no_trouble_of_one_key_touches_the_calls_of_another(case: Case) -> None:
    """Property P-24 across keys: B answers at once, whatever A's server does to A."""
    case.needs("keys")
    shape = case.shape()
    codes = st.lists(st.sampled_from([*PASSING, *LASTING]), min_size=1, max_size=3)

    def check(inner: Case, drawn: tuple[list[int], bool]) -> None:
        troubles, long = drawn
        headers = [("retry-after", "30")] if long else []
        refused = [
            _named(refusal(code, *headers), n).where(key="A").times(0, None if n == len(troubles) - 1 else 1)
            for n, code in enumerate(troubles)
        ]
        space = inner.serve(*refused, shape.plain("for B").where(key="B"))
        troubled = inner.endpoint(key="A", max_concurrent_requests=2, queue_size=4, **_retries(inner))
        quiet = inner.endpoint(key="B")
        for _ in troubles:
            inner.start(endpoint=troubled, shape=shape)
        expect_received(space, key="A")
        _expect_at_once(inner, lambda: inner.start(endpoint=quiet, shape=shape), "for B", space)

    check_property(case, st.tuples(codes, st.booleans()), check, shared=3)


def _expect_at_once(case: Case, start: Callable[[], Running], text: str, space: Space) -> None:
    outcome = start().wait_briefly(allowance(space.journal()))
    expect(
        outcome is not None and outcome.returned and outcome.text == text,
        expected=f"{text!r} at once",
        observed="it waits" if outcome is None else describe(outcome),
        journal=case.journal(),
    )


@clause("QUEUE-10", case="property-p24")
@timing
def test_no_call_asleep_holds_up_the_calls_beside_it(case: Case) -> None:
    """Property P-24 within an endpoint: with slots free, B answers at once while any number of A sleep."""
    _needs_cap(case)
    case.needs("retry")
    case.needs_setting("max_retries")
    shape = case.shape()

    def check(inner: Case, drawn: tuple[int, int]) -> None:
        asleep, awake = drawn
        limited = overloaded(("retry-after", "5")).where(contains="<limited>").times(asleep, None)
        space = inner.serve(limited, shape.plain("granted").times(awake))
        endpoint = inner.endpoint(
            max_concurrent_requests=asleep + 1, queue_size=8, max_retries=1, initial_retry_delay=5.0
        )
        for _ in range(asleep):
            inner.start(inner.prompt("<limited>"), endpoint=endpoint, shape=shape)
        expect_turned_away(space, asleep)
        for _ in range(awake):
            _expect_at_once(inner, lambda: inner.start(endpoint=endpoint, shape=shape), "granted", space)

    check_property(case, st.tuples(st.integers(1, 3), st.integers(1, 3)), check, shared=3)
