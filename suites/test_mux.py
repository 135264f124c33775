"""MUX: several keys on one client. The server tells keys apart by the Authorization header."""

from typing import Any

import pytest

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.script import Server, always, echo
from tgi_conformance.suites.areas.held import taken_together
from tgi_conformance.suites.areas.process.own import created_in
from tgi_conformance.suites.areas.refusals import refusal, retried_status
from tgi_conformance.suites.areas.waits import expect_open, expect_received, expect_turned_away
from tgi_conformance.suites.areas.ways import EITHER, SHAPE, begin, needs_way
from tgi_conformance.suites.harness.case import ALIASES, Case
from tgi_conformance.suites.harness.clause import clause, load
from tgi_conformance.suites.harness.expect import (
    describe,
    expect,
    expect_error,
    expect_requests,
    expect_success,
)
from tgi_conformance.suites.harness.oracles import sent_for
from tgi_conformance.suites.harness.policy import known_retries, retried_statuses
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape, healthy


@clause("MUX-01")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@SHAPE
def test_each_request_carries_exactly_its_endpoints_key(case: Case, shape: Shape, *, stream: bool) -> None:
    """A literal, masked, empty or foreign key sends a tenant's prompt under another's name, or nowhere."""
    needs_way(case, shape, stream=stream)
    case.needs("keys")
    endpoints = {}
    for alias, model in _given(case):
        space = case.serve(healthy().times(0, None), server=Server(check_key=True, model_id=model))
        endpoints[alias] = (space, case.endpoint(key=alias))

    for alias, (space, endpoint) in endpoints.items():
        outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)
        sent = space.journal().generations
        values = [exchange.header_values("authorization") for exchange in sent]
        expect(
            values == [(f"Bearer {case.key(alias)}",)],
            expected=f"one Authorization header 'Bearer <key:{alias}>'",
            observed=_shown_keys(sent),
            journal=space.journal(),
        )
        expect_success(outcome)


@clause("MUX-02", case="one-endpoints-life-leaves-another-as-it-was", ways="chat")
@EITHER
def test_one_endpoints_life_leaves_another_as_it_was(case: Case, *, stream: bool) -> None:
    """Creating, changing and closing B must not touch A's key, URL, headers or limits."""
    case.needs("keys", *(("stream",) if stream else ()))
    space = case.serve_healthy()
    first = case.endpoint(key="A")
    for _ in range(2):
        expect_success(case.call(case.prompt("same"), endpoint=first, stream=stream))
    other = case.endpoint(key="B")
    expect_success(case.call(endpoint=other))
    if case.claims("update"):
        case.ask("update_endpoint", endpoint_id=other, api_key=case.key("C"))
    if "close_endpoint" in case.driver.implemented:
        case.close_endpoint(other)
    expect_success(case.call(case.prompt("same"), endpoint=first, stream=stream))

    sent = [e for e in space.journal().generations if e.key == "A"]
    expect_requests(sent, 3, because="three calls of the first endpoint", journal=space.journal())
    once, again, after = sent
    # What differs between two calls anyway (ids, nonces, lengths) says nothing about the other endpoint.
    volatile = {name for name, _ in set(_headers(once)) ^ set(_headers(again))}
    before, now = (
        (e.target, [header for header in _headers(e) if header[0] not in volatile]) for e in (again, after)
    )
    expect(
        before == now,
        expected=f"the first endpoint's requests as before: {before}",
        observed=str(now),
        journal=space.journal(),
    )


@clause("MUX-03", ways="chat")
@load
def test_no_cross_talk_under_concurrency(case: Case) -> None:
    """Shared headers show only when calls overlap: each prompt must go out under its own endpoint's key."""
    case.needs("keys")
    aliases = ALIASES[:4]
    codes = retried_statuses(case.description)
    limit_some = case.claims("retry") and bool(codes) and _outlasts_one(case)
    planned = [
        (alias, case.prompt(f"key={alias} {'<limited>' if limit_some and number % 5 == 0 else 'free'}"))
        for number in range(16)
        for alias in aliases
    ]
    # Each limited prompt is refused once, so that every call can end well within its retries.
    limits = [
        refusal(codes[0]).where(contains=prompt).times(1) for _, prompt in planned if "<limited>" in prompt
    ]
    space = case.serve(*limits, echo().times(0, None).deliver(delay_ms=3))
    endpoints = {
        alias: case.endpoint(
            key=alias,
            max_concurrent_requests=8,
            queue_size=64,
            max_retries=2,
            initial_retry_delay=0.02,
            backoff_factor=1.0,
        )
        for alias in aliases
    }
    together = taken_together(case, 16) * len(aliases)
    for first in range(0, len(planned), together):
        calls = planned[first : first + together]
        running = [(alias, prompt, case.start(prompt, endpoint=endpoints[alias])) for alias, prompt in calls]
        for alias, prompt, call in running:
            outcome = call.wait()
            expect_success(outcome, f"the call on {alias}")
            seen = outcome.text
            expect(prompt in seen, expected=f"the answer to {prompt!r}", observed=repr(seen[:120]))
    wrong = [e for e in space.journal().generations if f"key={e.key} " not in e.body.decode()]
    expect(
        not wrong,
        expected="each prompt under its own endpoint's key",
        observed=f"{len(wrong)} requests under another's: {[e.key for e in wrong[:5]]}",
        journal=space.journal(),
    )


@clause("MUX-04", case="a-retried-call-keeps-its-key", ways="chat")
@EITHER
def test_a_retried_call_keeps_its_key(case: Case, *, stream: bool) -> None:
    """An attempt under another key is failover nobody asked for."""
    case.needs("keys", "retry", *(("stream",) if stream else ()))
    code = retried_status(case)
    case.needs_setting("max_retries")
    space = case.serve(refusal(code).times(2), healthy().times(0, None))
    first = case.endpoint(key="A", max_retries=2, initial_retry_delay=0.03, backoff_factor=1.0)
    running = begin(case, case.prompt(), first, case.shape(), stream=stream)
    expect_received(case, space)
    case.endpoint(key="B")

    expect_success(running.wait())
    keys = [exchange.key for exchange in space.journal().generations]
    expect(
        keys == ["A"] * 3, expected="three attempts with key A", observed=str(keys), journal=space.journal()
    )


@clause("MUX-05", case="a-rate-limited-key-delays-no-other", ways="chat")
@EITHER
def test_a_rate_limited_key_delays_no_other(case: Case, *, stream: bool) -> None:
    """Backoff is per endpoint: a ban on one key is no ban on the next."""
    case.needs("keys", "retry", *(("stream",) if stream else ()))
    code = retried_status(case)
    case.needs_setting("max_retries")
    space = case.serve(
        always(refusal(code, ("retry-after", "30"))).where(key="A"), healthy().times(0, None).where(key="B")
    )
    limited = case.endpoint(
        key="A", max_concurrent_requests=2, queue_size=2, max_retries=2, initial_retry_delay=30.0
    )
    free = case.endpoint(key="B", max_concurrent_requests=2, queue_size=2)
    for _ in range(4):
        begin(case, case.prompt(), limited, case.shape(), stream=stream)
    expect_turned_away(case, space, key="A")

    running = begin(case, case.prompt(), free, case.shape(), stream=stream)
    outcome = running.wait_briefly(case.patience(space.journal()).soon())

    expect(
        outcome is not None and outcome.returned,
        expected="the call on the healthy key ends at once",
        observed="it waits" if outcome is None else describe(outcome),
        journal=space.journal(),
    )


@clause("MUX-06", case="retries", ways="chat")
@EITHER
def test_each_endpoints_retries_take_effect(case: Case, *, stream: bool) -> None:
    """Stored settings that the wire never sees are no settings."""
    case.needs("keys", "retry", *(("stream",) if stream else ()))
    code = retried_status(case)
    case.needs_setting("max_retries")
    quick: dict[str, Any] = {"initial_retry_delay": 0.02, "backoff_factor": 1.0}
    space = case.serve(always(refusal(code)))
    counts = {"A": 1, "B": 3}
    # Told apart by their prompts: which key is sent is MUX-01's.
    prompts = {alias: case.prompt() for alias in counts}
    for alias, retries in counts.items():
        endpoint = case.endpoint(key=alias, max_retries=retries, **quick)
        outcome = case.call(prompts[alias], endpoint=endpoint, stream=stream)
        expect_error(outcome, because=f"the server always answers {code}")

    journal = space.journal()
    sent = {alias: len(sent_for(journal, prompt)) for alias, prompt in prompts.items()}
    expect(
        sent == {alias: 1 + retries for alias, retries in counts.items()},
        expected="2 attempts with max_retries=1 and 4 with max_retries=3",
        observed=str(sent),
        journal=journal,
    )


@clause("MUX-06", case="concurrency", ways="chat")
def test_each_endpoints_cap_takes_effect(case: Case) -> None:
    """Caps are per endpoint, not the client's."""
    case.needs("keys", "queue")
    case.needs_setting("max_concurrent_requests")
    space = case.serve(healthy().held("go").times(0, None))
    narrow = case.endpoint(key="A", max_concurrent_requests=1, queue_size=8)
    wide = case.endpoint(key="B", max_concurrent_requests=3, queue_size=8)
    prompts = {alias: [case.prompt() for _ in range(3)] for alias in ("A", "B")}
    given = [(narrow, prompt) for prompt in prompts["A"]] + [(wide, prompt) for prompt in prompts["B"]]
    running = [case.start(prompt, endpoint=endpoint) for endpoint, prompt in given]
    expect_open(case, space, 4)
    seen = space.journal()
    open_now = {alias: sum(bool(sent_for(seen, text)) for text in prompts[alias]) for alias in prompts}
    space.release("go")
    for call in running:
        expect_success(call.wait())

    expect(
        open_now == {"A": 1, "B": 3},
        expected="1 open under cap 1 and 3 under cap 3",
        observed=str(open_now),
        journal=space.journal(),
    )


@clause("MUX-07", case="an-unknown-endpoint-is-an-error", ways="chat")
@EITHER
def test_an_unknown_endpoint_is_an_error(case: Case, *, stream: bool) -> None:
    """A typing error must not send the prompt under the default key."""
    case.needs("keys", *(("stream",) if stream else ()))
    space = case.serve_healthy()
    case.endpoint(key="A")

    outcome = case.call(endpoint="no-such-endpoint", stream=stream, attempts=1)

    expect_error(outcome, because="there is no such endpoint")
    expect_requests(
        space.journal().generations, 0, because="no endpoint was addressed", journal=space.journal()
    )


@clause("MUX-08")
@load
def test_endpoint_ids_are_unique(case: Case) -> None:
    """Ids made of the time collide when several threads create at once."""
    case.needs("keys")
    space = case.serve_healthy()
    arguments = {"base_url": space.base_url, "api_key": case.key("A")}
    count = 200
    case.probes.require_endpoint()
    calls = [case.driver.call("create_endpoint", arguments) for _ in range(count)]
    ids = [case.made(call.wait(case.settings.deadline)) for call in calls]
    if "close_endpoint" in case.driver.implemented:
        for endpoint in set(ids):
            case.driver.run("close_endpoint", {"endpoint_id": endpoint})

    expect(
        len(set(ids)) == count,
        expected=f"{count} different ids from {count} creations at once",
        observed=f"{len(set(ids))} different",
    )


@clause("MUX-09", case="fair", ways="chat")
@EITHER
def test_rotation_is_fair(case: Case, *, stream: bool) -> None:
    """With all keys healthy each gets its share, give or take one."""
    case.needs("rotate", "keys", *(("stream",) if stream else ()))
    space = case.serve_healthy()
    shape = case.shape()
    # In a process of its own: endpoints that another case left behind would take their turns too.
    with case.fresh_process() as driver:
        for alias in ALIASES[:3]:
            expect_success(created_in(driver, case, space.base_url, case.key(alias)), "create_endpoint")
        for _ in range(9):
            asked = shape.arguments(case.prompt()) | ({"stream": True} if stream else {})
            expect_success(driver.run(shape.method, asked, stream=stream))
    counts = {alias: len([e for e in space.journal().generations if e.key == alias]) for alias in ALIASES[:3]}
    expect(
        max(counts.values()) - min(counts.values()) <= 1,
        expected="9 calls over 3 keys: 3 each, give or take one",
        observed=str(counts),
        journal=space.journal(),
    )


@clause("MUX-11", case="no-key")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@SHAPE
def test_without_a_key_there_is_no_authorization(case: Case, shape: Shape, *, stream: bool) -> None:
    """``Bearer None`` and ``Bearer `` are not what an anonymous request looks like."""
    needs_way(case, shape, stream=stream)
    space = case.serve_healthy()
    outcome = case.try_endpoint(key=None)
    if outcome.raised:
        raise NotApplicable("the backend refuses an endpoint without a key")
    case.call(endpoint=case.made(outcome), shape=shape, stream=stream)
    placeholder = case.description.defaults.placeholder_key
    allowed = [()] if placeholder is None else [(), (f"Bearer {placeholder}",)]
    values = [exchange.header_values("authorization") for exchange in space.journal().generations]
    expect(
        bool(values) and all(value in allowed for value in values),
        expected="no Authorization header, or the declared placeholder",
        observed=str(values),
        journal=space.journal(),
    )


# --- what the tests above share ---------------------------------------------------------------------------


def _outlasts_one(case: Case) -> bool:
    """Whether a call is known to outlast one refusal: the number of retries can be set, or is declared."""
    declared = case.description.retry or RetryPolicy()
    return "max_retries" in case.description.settings or known_retries(declared) > 0


def _given(case: Case) -> list[tuple[str, str]]:
    """(alias, model) of the endpoints that the environment asks for; two at least."""
    given = [(endpoint.alias, endpoint.model) for endpoint in case.settings.endpoints]
    model = given[0][1] if given else "google/t5-efficient-tiny"
    taken = {alias for alias, _ in given}
    more = [(alias, model) for alias in ALIASES if alias not in taken]
    return given + more[: max(0, 2 - len(given))]


def _shown_keys(exchanges: tuple[Exchange, ...]) -> str:
    """What the Authorization headers are, without showing a secret."""
    shown = []
    for exchange in exchanges:
        values = exchange.header_values("authorization")
        if exchange.key not in ("none", "other"):
            shown.append(f"{len(values)} x key:{exchange.key}")
        else:
            shown.append(f"{exchange.key}: {[value[:12] for value in values]}")
    return "; ".join(shown) or "no request"


def _headers(exchange: Exchange) -> list[tuple[str, str]]:
    """The headers of a request, the key behind its alias."""
    shown = f"Bearer key:{exchange.key}"
    return [
        (name.lower(), shown if name.lower() == "authorization" else value)
        for name, value in exchange.headers
    ]
