"""STAT: usage statistics, held against what the server saw and sent."""

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import pytest

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Event, Reply, data, done, echo, silence, status
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.answers import serve_each
from tgi_conformance.suites.areas.held import taken_together
from tgi_conformance.suites.areas.refusals import refusal, retried_status
from tgi_conformance.suites.areas.statistics import exposed, statistics
from tgi_conformance.suites.areas.ways import EITHER
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause, load
from tgi_conformance.suites.harness.expect import expect, expect_success, expect_text, only_request
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, SHAPE_BY_NAME, Shape

SHAPES = pytest.mark.parametrize("shape", [CHAT, NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
#: From here on an integer is a time or an id.
_NO_COUNTER = 1_000_000
NOTHING: Final[Mapping[str, int]] = MappingProxyType({})
TOKENS: Final = ("input_tokens", "output_tokens", "total_tokens")


@clause("STAT-01", case="at-rest-the-total-is-what-succeeded-and-failed", ways="chat")
@EITHER
def test_at_rest_the_total_is_what_succeeded_and_failed(case: Case, *, stream: bool) -> None:
    """Whatever the endings, the counters add up."""
    case.needs("stats", *(("stream",) if stream else ()))
    shape = case.shape()
    replies = {
        "one": shape.reply("one", streaming=stream),
        "status-500": status(500, text="x"),
        "status-422": status(422, text="x"),
        "reset": silence("rst"),
        "two": shape.reply("two", streaming=stream),
    }
    prompts = serve_each(case, replies)
    endpoint = case.endpoint()
    before = _at_rest(case, endpoint)
    endings = [
        case.call(prompt, endpoint=endpoint, shape=shape, stream=stream).returned
        for prompt in prompts.values()
    ]

    seen = _counts(case, endpoint, before)
    succeeded = sum(endings)
    expect(
        seen["total_requests"] == len(replies)
        and seen["successful_requests"] == succeeded
        and seen["failed_requests"] == len(replies) - succeeded,
        expected=f"{len(replies)} calls: {succeeded} successful, {len(replies) - succeeded} failed",
        observed=str(seen),
    )


#: Streams that fail after the status 200 was seen.
FAILING_STREAMS = ("truncated", "reset", "error-event")


@clause("STAT-02")
@pytest.mark.parametrize("failure", FAILING_STREAMS)
@SHAPES
def test_a_stream_that_breaks_counts_as_failed(case: Case, shape: Shape, failure: str) -> None:
    """A client that counts when it sees the head counts half a text as a success."""
    case.needs("stats", "stream", shape.capability)
    case.serve(_failing_stream(shape, failure))
    endpoint = case.endpoint()
    before = _at_rest(case, endpoint)
    case.call(endpoint=endpoint, shape=shape, stream=True, attempts=1)

    seen = _counts(case, endpoint, before)
    expect(
        seen["successful_requests"] == 0 and seen["failed_requests"] == 1,
        expected="0 successful, 1 failed",
        observed=str(seen),
    )


@clause("STAT-03", case="body")
@SHAPES
def test_tokens_are_the_servers_numbers(case: Case, shape: Shape) -> None:
    """Characters over four is no token count: the server said 7 and 3 for a text of 400 characters."""
    case.needs("stats", shape.capability)
    reply = _counted(shape, prompt=7, completion=3)
    case.serve(reply)
    endpoint = case.endpoint()
    before = _at_rest(case, endpoint)
    arguments: dict[str, Any] = {}
    if shape.name == NATIVE.name and "details" in case.description.parameters.get("generate", frozenset()):
        arguments["details"] = True
    expect_success(case.call(endpoint=endpoint, shape=shape, **arguments))

    _expect_tokens(case, endpoint, 7, 3, before)


@clause("STAT-03", case="headers", ways="native")
def test_native_tokens_come_from_the_headers_when_the_body_has_none(case: Case) -> None:
    """A native answer without details still says its counts in its headers."""
    case.needs("stats", "native")
    example = wire_example("gen-minimal")
    headers = tuple(
        (name, {"x-prompt-tokens": "7", "x-generated-tokens": "3"}.get(name, value))
        for name, value in example.headers
        if name != "content-type"
    )
    case.serve(status(200, *headers, json={"generated_text": "x" * 400}))
    endpoint = case.endpoint()
    before = _at_rest(case, endpoint)
    expect_success(case.call(endpoint=endpoint, shape=NATIVE))

    _expect_tokens(case, endpoint, 7, 3, before)


@clause("STAT-04", ways="chat stream")
@pytest.mark.parametrize("where", ["once", "on-every-chunk", "twice"])
def test_streamed_usage_is_taken_once_as_a_total(case: Case, where: str) -> None:
    """Usage is cumulative: summing what each chunk repeats multiplies the bill."""
    case.needs("stats", "stream", "chat")
    total = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    events = [dict(event) for event in wire_example("chat-stream-include-usage").events]
    *chunks, last = events
    if where == "on-every-chunk":
        for number, chunk in enumerate(chunks):
            chunk["usage"] = total | {"completion_tokens": min(number + 1, 3)}
    last["usage"] = total
    frames = [*chunks, *([last] * (2 if where == "twice" else 1))]
    case.serve(CHAT.frames(*_frames(frames)))
    endpoint = case.endpoint()
    before = _at_rest(case, endpoint)
    expect_success(case.call(endpoint=endpoint, shape=CHAT, stream=True))

    _expect_tokens(case, endpoint, 7, 3, before)


@clause("STAT-04", case="last")
@pytest.mark.parametrize("shape", [COMPLETIONS, NATIVE], ids=lambda shape: shape.name)
def test_the_last_event_of_a_stream_tells_its_tokens(case: Case, shape: Shape) -> None:
    """TGI counts more tokens than it hands out texts: the end of the text is a token too."""
    case.needs("stats", "stream", shape.capability)
    case.serve(_counted_stream(shape, prompt=7, completion=3))
    endpoint = case.endpoint()
    before = _at_rest(case, endpoint)
    expect_success(case.call(endpoint=endpoint, shape=shape, stream=True))

    if shape.name == COMPLETIONS.name:
        _expect_tokens(case, endpoint, 7, 3, before)
        return
    # The length of the prompt stands in a field that only TGI 3 has.
    shown = exposed(case, endpoint, "output_tokens")["output_tokens"]
    seen = shown - before.get("output_tokens", 0) if isinstance(shown, int) else None
    if not seen and shape.parameters_of(only_request(case.journal()).json()).get("details") is not True:
        raise NotApplicable("the client counts no tokens of native streams, and asks for no details")
    expect(
        seen == 3,
        expected="details.generated_tokens: output 3",
        observed=f"output {seen}",
        journal=case.journal(),
    )


@clause("STAT-05")
@pytest.mark.parametrize("shape", [CHAT, NATIVE], ids=lambda shape: shape.name)
def test_a_client_that_counts_streamed_tokens_asks_for_them(case: Case, shape: Shape) -> None:
    """TGI sends usage in a stream only where it is asked for."""
    case.needs("stats", "stream", shape.capability)
    space = case.serve(shape.stream([" one", " two"]))
    endpoint = case.endpoint()
    expect_success(case.call(endpoint=endpoint, shape=shape, stream=True))
    sent = only_request(space.journal())
    body = sent.json()
    assert isinstance(body, dict)
    if shape.name == CHAT.name:
        options = body.get("stream_options")
        asked = isinstance(options, dict) and options.get("include_usage") is True
    else:
        asked = shape.parameters_of(body).get("details") is True
    expect(
        asked,
        expected="stream_options.include_usage" if shape.name == CHAT.name else "parameters.details",
        observed=str(sorted(body)),
        journal=space.journal(),
    )


#: Where usage may be missing: whole answers of each route, and a chat stream.
UNCOUNTED = ("chat", "native", "completions", "chat-stream")


@clause("STAT-06", ways=("native", "chat", "chat stream", "completions"))
@pytest.mark.parametrize("where", UNCOUNTED)
def test_missing_usage_is_not_a_measured_zero(case: Case, where: str) -> None:
    """Nothing said and "0 tokens" are two things; a sum that mixes them is too small, and looks exact."""
    case.needs("stats", "keys")
    shape = SHAPE_BY_NAME[where.removesuffix("-stream")]
    case.needs(shape.capability, *(("stream",) if where.endswith("-stream") else ()))
    absent, zero = _uncounted(shape, where)
    case.serve(absent.where(key="A"), zero.where(key="B"))
    shown: dict[str, dict[str, object]] = {}
    for alias in ("A", "B"):
        endpoint = case.endpoint(key=alias)
        outcome = case.call(endpoint=endpoint, shape=shape, stream=where.endswith("-stream"))
        expect_success(outcome)
        shown[alias] = _plain_values(statistics(case, endpoint))

    names = ("input_tokens", "output_tokens", "total_tokens")
    zeros = {name: shown["B"][name] for name in names if name in shown["B"]}
    if not zeros:
        raise NotApplicable("token counts are not exposed")
    expect(
        all(value == 0 for value in zeros.values()),
        expected="0 tokens where the server said 0",
        observed=str(zeros),
    )
    expect(
        shown["A"] != shown["B"],
        expected="statistics that tell a call without usage (unknown, or an estimate) from one of 0 tokens",
        observed=f"the same for both: {shown['A']}",
    )


@clause("STAT-07", ways="chat")
@load
def test_no_update_is_lost_under_concurrency(case: Case) -> None:
    """A counter that is read, added to and written back loses updates when calls overlap."""
    case.needs("stats")
    shape = case.shape()
    count = 200
    case.serve(_counted(shape, prompt=7, completion=3).times(count))
    endpoint = case.endpoint(max_concurrent_requests=16, queue_size=400)
    arguments: dict[str, Any] = {"details": True} if _can_ask_details(case, shape) else {}
    together = taken_together(case, count)
    for _ in range(count // together):
        running = [case.start(endpoint=endpoint, shape=shape, **arguments) for _ in range(together)]
        for call in running:
            expect_success(call.wait())

    seen = _counts(case, endpoint)
    expect(
        seen["total_requests"] == count and seen["successful_requests"] == count,
        expected=f"{count} total and successful",
        observed=str(seen),
    )
    _expect_shown_tokens(case, endpoint, 7 * count, 3 * count)


@clause("STAT-08", case="counts-belong-to-the-endpoint-and-add-up", ways="chat")
@EITHER
def test_counts_belong_to_the_endpoint_and_add_up(case: Case, *, stream: bool) -> None:
    """Each endpoint has its own counters; the aggregate is their sum; input and output make the total."""
    case.needs("stats", "keys", *(("stream",) if stream else ()))
    # A native stream tells the length of its prompt in a field that only TGI 3 has.
    shape = case.shape(CHAT, COMPLETIONS) if stream else case.shape()
    counted = _counted_stream if stream else _counted
    case.serve(counted(shape, prompt=7, completion=3).times(6))
    arguments: dict[str, Any] = {"details": True} if _can_ask_details(case, shape) else {}
    before = _aggregate(case)
    loads = {"A": 1, "B": 2, "C": 3}
    endpoints = {alias: case.endpoint(key=alias) for alias in loads}
    for alias, calls in loads.items():
        for _ in range(calls):
            expect_success(case.call(endpoint=endpoints[alias], shape=shape, stream=stream, **arguments))

    for alias, calls in loads.items():
        seen = _counts(case, endpoints[alias])
        expect(
            seen["total_requests"] == calls and seen["successful_requests"] == calls,
            expected=f"{calls} calls on endpoint {alias}",
            observed=str(seen),
        )
        _expect_shown_tokens(case, endpoints[alias], 7 * calls, 3 * calls)
    after = _aggregate(case)
    growth = {name: after[name] - before[name] for name in after}
    due = {"total_requests": 6} | _tokens(42, 18)
    expect(
        growth == {name: due[name] for name in growth},
        expected="an aggregate that grew by 6 requests and 42 + 18 = 60 tokens",
        observed=str(growth),
    )


@clause("STAT-09", case="a-call-counts-once-however-many-attempts", ways="chat")
@EITHER
def test_a_call_counts_once_however_many_attempts(case: Case, *, stream: bool) -> None:
    """The caller made one call; two refusals on the way are no failures of it."""
    case.needs("stats", "retry", *(("stream",) if stream else ()))
    code = retried_status(case)
    case.needs_setting("max_retries")
    shape = case.shape()
    case.serve(refusal(code).times(2), shape.reply("granted", streaming=stream))
    endpoint = case.endpoint(max_retries=2, initial_retry_delay=0.02, backoff_factor=1.0)
    before = _at_rest(case, endpoint)
    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "granted")
    seen = _counts(case, endpoint, before)
    expect(
        seen["total_requests"] == 1 and seen["failed_requests"] == 0,
        expected="1 total, 0 failed",
        observed=str(seen),
    )


@clause("STAT-10", case="monotonic", ways="chat")
def test_counters_only_grow(case: Case) -> None:
    """Between resets no counter goes down."""
    case.needs("stats")
    case.serve(echo().times(3))
    endpoint = case.endpoint()
    seen = []
    for _ in range(3):
        case.call(endpoint=endpoint)
        seen.append(_counts(case, endpoint)["total_requests"])
    expect(seen == sorted(seen), expected="a total that only grows", observed=str(seen))


@clause("STAT-10", case="reset-touches-its-target", ways="chat")
def test_a_reset_touches_only_its_target(case: Case) -> None:
    """Resetting A leaves B's counters alone."""
    case.needs("stats", "reset", "keys")
    case.serve(echo().times(2))
    endpoints = [case.endpoint(key=alias) for alias in ("A", "B")]
    for endpoint in endpoints:
        expect_success(case.call(endpoint=endpoint))
    case.ask("reset_stats", endpoint_id=endpoints[0])
    totals = [_counts(case, endpoint)["total_requests"] for endpoint in endpoints]
    expect(totals == [0, 1], expected="0 after the reset, 1 untouched", observed=str(totals))


# --- what the tests above share ---------------------------------------------------------------------------


def _at_rest(case: Case, endpoint: str) -> Mapping[str, int]:
    """The counters of a new endpoint; whether they are 0, or another endpoint's too, is STAT-08's."""
    shown = statistics(case, endpoint)
    return {name: value for name, value in shown.items() if isinstance(value, int)}


def _counts(case: Case, endpoint: str, before: Mapping[str, int] = NOTHING) -> dict[str, int]:
    """The three request counters of an endpoint, or their growth; one that is missing fails the clause."""
    shown = statistics(case, endpoint)
    names = ("total_requests", "successful_requests", "failed_requests")
    missing = [name for name in names if not isinstance(shown.get(name), int)]
    expect(
        not missing,
        expected=f"the counters {', '.join(names)}",
        observed=f"{', '.join(missing)} missing in {shown}",
    )
    return {name: int(str(shown[name])) - before.get(name, 0) for name in names}


def _aggregate(case: Case) -> dict[str, int]:
    """The requests and tokens of all endpoints, as far as they are shown."""
    shown = statistics(case)
    return {name: int(str(shown[name])) for name in ("total_requests", *TOKENS) if name in shown}


def _expect_tokens(
    case: Case, endpoint: str, prompt: int, completion: int, before: Mapping[str, int] = NOTHING
) -> None:
    """The token counters are the server's numbers; not applicable where none is shown."""
    exposed(case, endpoint, *TOKENS)
    _expect_shown_tokens(case, endpoint, prompt, completion, before)


def _expect_shown_tokens(
    case: Case, endpoint: str, prompt: int, completion: int, before: Mapping[str, int] = NOTHING
) -> None:
    """Those of the token counters that are shown are the server's numbers."""
    shown = statistics(case, endpoint)
    wanted = _tokens(prompt, completion)
    seen = {name: shown[name] for name in TOKENS if name in shown}
    grown = {name: now - before.get(name, 0) if isinstance(now, int) else now for name, now in seen.items()}
    expect(
        all(grown[name] == wanted[name] for name in grown),
        expected=f"the server's numbers: {', '.join(f'{name} {wanted[name]}' for name in grown)}",
        observed=", ".join(f"{name} {now}" for name, now in grown.items()),
        journal=case.journal(),
    )


def _tokens(prompt: int, completion: int) -> dict[str, int]:
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}


def _counted(shape: Shape, *, prompt: int, completion: int) -> Reply:
    """A healthy answer of 400 characters whose counts the server states."""
    text = " word" * 80
    if shape.name != NATIVE.name:
        return shape.plain(text, usage=(prompt, completion))
    headers = (("x-prompt-tokens", str(prompt)), ("x-generated-tokens", str(completion)))
    body = shape.body(text, usage=(prompt, completion))
    return status(200, *headers, json=body)


def _counted_stream(shape: Shape, *, prompt: int, completion: int) -> Reply:
    """A healthy stream whose counts the server states at its end, as TGI does on that route."""
    usage: JSON = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if shape.name == CHAT.name:
        *chunks, last = _drafts("chat-stream-include-usage")
        return shape.frames(*_frames([*chunks, last | {"usage": usage}]))
    if shape.name == COMPLETIONS.name:
        *chunks, last = _drafts("cmpl-stream-length")
        return shape.frames(*_frames([*chunks, last | {"usage": usage}]))
    one, two, *_, end = _drafts("gens-details-eos")
    end["index"], end["generated_text"] = 3, one["token"]["text"] + two["token"]["text"]
    end["details"] |= {"generated_tokens": completion, "input_length": prompt}
    return shape.frames(*(data(value) for value in (one, two, end)))


def _drafts(example: str) -> list[dict[str, Any]]:
    """The events of a recorded stream, to be changed."""
    return [dict(copy.deepcopy(event)) for event in wire_example(example).events]


def _uncounted(shape: Shape, where: str) -> tuple[Reply, Reply]:
    """The same answer without any count, and with counts of 0."""
    if where == "chat-stream":
        *chunks, last = [dict(event) for event in wire_example("chat-stream-include-usage").events]
        none = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return (shape.frames(*_frames(chunks)), shape.frames(*_frames([*chunks, last | {"usage": none}])))
    if shape.name == NATIVE.name:
        headers = (("x-prompt-tokens", "0"), ("x-generated-tokens", "0"))
        body: JSON = {"generated_text": " word"}
        return (status(200, json=body), status(200, *headers, json=shape.body(" word", usage=(0, 0))))
    bare = shape.body(" word")
    assert isinstance(bare, dict)
    return (
        status(200, json={name: value for name, value in bare.items() if name != "usage"}),
        shape.plain(" word", usage=(0, 0)),
    )


def _plain_values(shown: dict[str, object]) -> dict[str, object]:
    """Counters and marks; names, ids and times say nothing of tokens."""
    return {
        name: value
        for name, value in shown.items()
        if value is None or isinstance(value, bool) or (isinstance(value, int) and value < _NO_COUNTER)
    }


def _can_ask_details(case: Case, shape: Shape) -> bool:
    return shape.name == NATIVE.name and "details" in case.description.parameters.get("generate", frozenset())


def _failing_stream(shape: Shape, failure: str) -> Reply:
    events = shape.open_events([" one", " two"])
    if failure == "error-event":
        return in_band_fault(shape.frames(*events, *shape.error_frames("Request failed during generation")))
    ending = "no-last-chunk" if failure == "truncated" else "rst"
    return shape.frames(*events).cut(ending, event=2)


def _frames(values: list[dict[str, JSON]]) -> tuple[Event, ...]:
    return (*(data(value) for value in values), done())
