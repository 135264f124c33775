"""REQ: what a call leaves alone: the caller's values, a proxy it was told to avoid, a second request."""

from collections.abc import Mapping
from typing import Final

import pytest

from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import status
from tgi_conformance.suites.areas.process.own import call_in, created_in, forms
from tgi_conformance.suites.areas.refusals import refusal, retried_status
from tgi_conformance.suites.areas.tools import EARLIER_CALL
from tgi_conformance.suites.areas.ways import EITHER, FORM, SHAPE, needs_way
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import (
    describe,
    expect,
    expect_requests,
    expect_success,
    expect_text,
)
from tgi_conformance.suites.shapes.calls import CHAT, Shape

_SCHEMA: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": None}},
    "required": ["city"],
}
_TOOL: Final = {
    "type": "function",
    "function": {"name": "weather", "description": "It.", "parameters": _SCHEMA},
}
#: Nested values for every parameter that takes them, by method.
NESTED: Final[Mapping[str, Mapping[str, object]]] = {
    "chat": {
        "stop": ["a", "b"],
        "tools": [_TOOL],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "stream_options": {"include_usage": False},
        "logit_bias": [0.5, 1.0],
    },
    "generate": {"stop": ["a", "b"], "grammar": {"type": "json", "value": _SCHEMA}},
    "completions": {"stop": ["a", "b"], "stream_options": {"include_usage": True}},
}


@clause("REQ-13", case="plain")
@EITHER
@SHAPE
def test_a_callers_values_are_not_changed(case: Case, shape: Shape, *, stream: bool) -> None:
    """A dict that grows a key here goes out changed with the caller's next request."""
    needs_way(case, shape, stream=stream)
    case.serve(shape.reply("fine", streaming=stream).times(0, 1))
    _expect_untouched(_call_with_nested(case, shape, case.endpoint(), stream=stream))


@clause("REQ-13", case="after-retries")
@EITHER
@SHAPE
def test_a_callers_values_are_not_changed_by_retries(case: Case, shape: Shape, *, stream: bool) -> None:
    """What is popped from the caller's dict in the first attempt is missing in the second."""
    needs_way(case, shape, stream=stream)
    code = retried_status(case)
    case.needs_setting("max_retries")
    case.serve(refusal(code).times(0, 2), shape.reply("fine", streaming=stream).times(0, 1))
    endpoint = case.endpoint(max_retries=2, initial_retry_delay=0.02, backoff_factor=1.0)
    _expect_untouched(_call_with_nested(case, shape, endpoint, stream=stream))


def _call_with_nested(case: Case, shape: Shape, endpoint: str, *, stream: bool) -> Outcome:
    offered = case.description.parameters.get(shape.method, frozenset())
    given = {name: value for name, value in NESTED[shape.method].items() if name in offered}
    subject: object = None
    if shape.name == CHAT.name:
        subject = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": case.prompt()}]},
            {"role": "assistant", "content": "", "tool_calls": [EARLIER_CALL]},
            {"role": "tool", "content": "{}", "tool_call_id": "0"},
        ]
    return case.call(endpoint=endpoint, shape=shape, stream=stream, subject=subject, **given)


def _expect_untouched(outcome: Outcome) -> None:
    expect(
        not outcome.mutated and outcome.ending in ("answer", "end", "error"),
        expected="arguments that are equal before and after the call",
        observed=f"changed: {', '.join(outcome.mutated)}" if outcome.mutated else describe(outcome),
    )


@clause("REQ-14", ways=("chat", "chat stream"))
@pytest.mark.parametrize("no_proxy", ["127.0.0.1,localhost,::1", "127.0.0.1"], ids=["list", "address"])
def test_no_proxy_is_honoured_where_proxies_are(case: Case, no_proxy: str) -> None:
    """Prompts for a server on this machine would go, in clear, to whatever the proxy variable names."""
    shape = case.shape()
    trap = case.serve(status(502).times(0, None))
    space = case.serve_healthy()
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), trap.base_url)
    with case.fresh_process(**proxies, NO_PROXY=no_proxy, no_proxy=no_proxy) as driver:
        created = created_in(driver, case, space.base_url, case.key())
        expect_success(created, "create_endpoint")
        outcomes = [
            call_in(driver, case, shape, created.value, stream=stream) for stream in forms(case, shape)
        ]

    trapped = trap.journal()
    ours = [
        e for e in trapped.exchanges if "127.0.0.1" in e.target or "127.0.0.1" in (e.header("host") or "")
    ]
    silent = [c for c in trapped.connections if not c.requests]
    expect(
        not ours and not silent,
        expected="nothing at the proxy for a host that is listed in NO_PROXY",
        observed=f"{len(ours)} requests, {len(silent)} connections without one",
        journal=trapped,
    )
    for outcome in outcomes:
        expect_success(outcome)


@clause("REQ-15", case="one-call")
@FORM
@SHAPE
def test_one_call_sends_one_generation_request(case: Case, shape: Shape, *, stream: bool) -> None:
    """Doubled work is paid for, and waited for by everybody else."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    space = case.serve(shape.reply("once only", streaming=stream).times(1, None))
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)

    expect_text(outcome, "once only")
    expect_requests(
        space.journal().generations, 1, because="one call was made and answered", journal=space.journal()
    )
