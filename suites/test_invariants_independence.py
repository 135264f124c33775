"""GEN, MUX, QUEUE: no call is touched by what becomes of another (P-24)."""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.areas.held import needs_cap
from tgi_conformance.suites.areas.refusals import refusal, retried_status
from tgi_conformance.suites.areas.waits import expect_received, expect_turned_away
from tgi_conformance.suites.areas.ways import SHAPE
from tgi_conformance.suites.generated.scripts import FAULTS, LASTING, PASSING, PlannedCall
from tgi_conformance.suites.generated.started import numbered
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.clause import clause, timing
from tgi_conformance.suites.harness.expect import describe, expect, expect_success
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.shapes.calls import Shape


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
            numbered(PlannedCall(fate=word).reply(shape, "earlier"), n).where(contains=prompt).times(0, None)
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
    if not asleep:
        return {}
    return {"max_retries": 1, "initial_retry_delay": case.patience().beyond(2.0), "backoff_factor": 1.0}


@clause("MUX-05", case="property-p24", ways="chat")
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
            numbered(refusal(code, *headers), n)
            .where(key="A")
            .times(0, None if n == len(troubles) - 1 else 1)
            for n, code in enumerate(troubles)
        ]
        space = inner.serve(*refused, shape.plain("for B").where(key="B"))
        troubled = inner.endpoint(key="A", max_concurrent_requests=2, queue_size=4, **_retries(inner))
        quiet = inner.endpoint(key="B")
        for _ in troubles:
            inner.start(endpoint=troubled, shape=shape)
        expect_received(inner, space, key="A")
        _expect_at_once(inner, lambda: inner.start(endpoint=quiet, shape=shape), "for B", space)

    check_property(case, st.tuples(codes, st.booleans()), check, shared=3)


def _expect_at_once(case: Case, start: Callable[[], Running], text: str, space: Space) -> None:
    outcome = start().wait_briefly(case.patience(space.journal()).soon())
    expect(
        outcome is not None and outcome.returned and outcome.says(text),
        expected=f"{text!r} at once",
        observed="it waits" if outcome is None else describe(outcome),
        journal=case.journal(),
    )


@clause("QUEUE-10", case="property-p24", ways="chat")
@timing
def test_no_call_asleep_holds_up_the_calls_beside_it(case: Case) -> None:
    """Property P-24 within an endpoint: with slots free, B answers at once while any number of A sleep."""
    needs_cap(case)
    code = retried_status(case)
    case.needs_setting("max_retries")
    shape = case.shape()

    def check(inner: Case, drawn: tuple[int, int]) -> None:
        asleep, awake = drawn
        long = inner.patience().beyond(5.0)
        refused = refusal(code, ("retry-after", f"{long:.0f}")).where(contains="<limited>")
        space = inner.serve(refused.times(asleep, None), shape.plain("granted").times(awake))
        endpoint = inner.endpoint(
            max_concurrent_requests=asleep + 1, queue_size=8, max_retries=1, initial_retry_delay=long
        )
        for _ in range(asleep):
            inner.start(inner.prompt("<limited>"), endpoint=endpoint, shape=shape)
        expect_turned_away(inner, space, asleep)
        for _ in range(awake):
            _expect_at_once(inner, lambda: inner.start(endpoint=endpoint, shape=shape), "granted", space)

    check_property(case, st.tuples(st.integers(1, 3), st.integers(1, 3)), check, shared=3)
