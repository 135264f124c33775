"""ERR: failures reach the caller as errors of the right kind, with what the server said."""

from collections.abc import Callable, Mapping
from typing import Final

import pytest
from hypothesis import strategies as st

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.contracts.error_kinds import JUDGED_STATUSES, STATUS_RULES, ErrorKind, kinds_for_status
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, raw, silence, status, stream, tgi_error
from tgi_conformance.contracts.wire_examples import wire_example
from tgi_conformance.suites.areas.black_hole import black_hole
from tgi_conformance.suites.areas.failures import (
    BROKEN,
    FAILURES,
    MALFORMED,
    NO_JSON,
    ODD_ERRORS,
    TGI_ERRORS,
    expect_client_error,
    recorded,
)
from tgi_conformance.suites.areas.waits import expect_received
from tgi_conformance.suites.areas.ways import EITHER, FORM, SHAPE, begin
from tgi_conformance.suites.generated.schemas import json_values
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.clause import ahead, clause, timing
from tgi_conformance.suites.harness.expect import describe, error_text, expect, expect_error, expect_requests
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.policy import longest_waits, most_attempts
from tgi_conformance.suites.harness.properties import check_property
from tgi_conformance.suites.harness.rulings import Advice, NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

#: Time limit given where one is needed (seconds), and the longest that a call may take with it.
LIMIT: Final = 0.3
BOUND: Final = 3.0


def _failing(
    case: Case, reply: Reply, *, shape: Shape | None = None, stream: bool = False, **arguments: object
) -> Outcome:
    """Make one call that gets this reply."""
    shape = shape or case.shape()
    case.needs(shape.capability, *(("stream",) if stream else ()))
    case.serve(reply)
    return case.call(endpoint=case.endpoint(), shape=shape, stream=stream, **arguments)


@clause("ERR-01")
@pytest.mark.parametrize("form", sorted(FAILURES))
@SHAPE
def test_a_failed_call_raises(case: Case, shape: Shape, form: str) -> None:
    """``"Error: 500"`` as generated text is summarised, stored and shown as the model's words."""
    expect_error(_failing(case, FAILURES[form](shape), shape=shape), because=f"the call failed: {form}")


@clause("ERR-01", case="refused")
@SHAPE
def test_a_call_that_reaches_nobody_raises(case: Case, shape: Shape) -> None:
    """Nothing was generated."""
    case.needs(shape.capability)
    space = case.serve(origins=("a", "refused:b"))

    expect_error(case.call_new(url=space.url("refused:b"), shape=shape), because="nobody listens there")


@clause("ERR-01", case="mid-stream", ways="stream")
@pytest.mark.parametrize("ending", ["rst", "error-event"])
@SHAPE
def test_a_stream_that_fails_raises(case: Case, shape: Shape, ending: str) -> None:
    """An error text among the pieces is one more token to whoever joins them."""
    events = shape.open_events([" one", " two"])
    message = "Request failed during generation"
    if ending == "rst":
        reply = stream(*events).cut("rst", event=2)
    else:
        reply = stream(*events, *shape.error_frames(message))

    outcome = _failing(case, reply, shape=shape, stream=True)

    expect_error(outcome, because=f"the stream ended with {ending}")
    expect(
        message not in outcome.text,
        expected="the error's text in the error alone",
        observed=repr(outcome.text),
    )


@clause("ERR-02")
@FORM
@SHAPE
def test_an_empty_401_is_an_authentication_error(case: Case, shape: Shape, *, stream: bool) -> None:
    """TGI's 401 has no body: ``response.json()`` on it is a crash that hides what is wrong."""
    outcome = _failing(case, recorded("auth-wrong"), shape=shape, stream=stream)

    expect_error(outcome, ErrorKind.AUTH, status=401, because="TGI's 401 has an empty body")


@clause("ERR-03")
@pytest.mark.parametrize("form", sorted(TGI_ERRORS))
@SHAPE
def test_tgis_message_reaches_the_caller(case: Case, shape: Shape, form: str) -> None:
    """It names the parameter and the limit; "request failed" names nothing."""
    code, error_type, message = TGI_ERRORS[form]

    outcome = _failing(case, tgi_error(code, message, error_type), shape=shape)

    expect_error(outcome, contains=message, because=f"TGI said so with its {code}")


@clause("ERR-04", ways="chat")
@pytest.mark.parametrize("form", sorted(NO_JSON))
@FORM
def test_an_error_body_that_is_no_json_keeps_its_status_and_words(
    case: Case, form: str, *, stream: bool
) -> None:
    """The web layer and proxies answer in text and HTML; a parse error in place of a 502 misleads."""
    code, reply, words = NO_JSON[form]

    outcome = _failing(case, reply, stream=stream)

    expect_error(outcome, status=code, contains=words or None, because=f"the server answered {code}")


#: Characters of an error that may be shown where the server sent a hundred times as much.
EXCERPT: Final = 20_000


@clause("ERR-04", case="bounded", ways="chat")
@EITHER
def test_the_excerpt_of_an_error_body_is_bounded(case: Case, *, stream: bool) -> None:
    """A page of two megabytes in every log line costs more than the failure.

    What the adapter tells as the message is not weighed: a client may keep the whole body in an attribute.
    """
    page = status(502, html="<html>" + "Bad Gateway " * 170_000 + "</html>")
    outcome = _failing(case, page, stream=stream)

    expect_error(outcome, status=502, because="the server answered 502")
    longest = max((len(link.message) for link in outcome.exception), default=0)
    expect(
        longest <= EXCERPT,
        expected=f"an excerpt of at most {EXCERPT} characters",
        observed=f"a message of {longest} characters",
    )


@clause("ERR-05", ways="chat")
@pytest.mark.parametrize("form", sorted(ODD_ERRORS))
@pytest.mark.parametrize("code", [422, 500])
def test_no_error_body_crashes_the_error_path(case: Case, code: int, form: str) -> None:
    """A ``KeyError: 'error'`` is the client's own failure in place of the server's."""
    expect_client_error(_failing(case, status(code, json=ODD_ERRORS[form])), code)


@clause("ERR-05", case="property-p09")
@SHAPE
def test_no_json_value_at_all_crashes_the_error_path(case: Case, shape: Shape) -> None:
    """Any status of failure, any JSON."""
    case.needs(shape.capability)

    def check(example: Case, given: tuple[int, JSON]) -> None:
        code, body = given
        expect_client_error(_failing(example, status(code, json=body), shape=shape), code)

    codes = st.sampled_from([400, 401, 404, 418, 422, 424, 429, 500, 503, 599])
    check_property(case, st.tuples(codes, json_values()), check, shared=3)


@clause("ERR-06", case="status", ways="chat")
@pytest.mark.parametrize("code", JUDGED_STATUSES)
def test_status_and_kind_can_be_read_by_program(case: Case, code: int) -> None:
    """What to do about it depends on what it is; nobody should have to parse prose for that."""
    outcome = _failing(case, status(code, json={"error": "no", "error_type": "some"}))

    expect_error(outcome, *sorted(kinds_for_status(code)), status=code, because=f"the server answered {code}")


@clause("ERR-06", case="seldom", ways="chat")
def test_the_kind_of_a_seldom_status_can_be_read_by_program(case: Case) -> None:
    """No TGI sends these, routers and gateways do: who does not know one is advised of it."""
    for code in sorted(STATUS_RULES.keys() - set(JUDGED_STATUSES)):
        outcome = _failing(case, status(code, json={"error": "no", "error_type": "some"}))
        info = expect_error(outcome, status=code, because=f"the server answered {code}")
        kinds = sorted(kinds_for_status(code))
        if info is None or info.kind not in kinds:
            raise Advice(f"{code} is an error of kind {' or '.join(kinds)}; observed {describe(outcome)}")


@clause("ERR-06", case="transport", ways="chat")
def test_a_failed_connection_is_told_apart_from_an_answer(case: Case) -> None:
    """There is no status where there was no answer."""
    space = case.serve(origins=("a", "refused:b"))

    outcome = case.call_new(url=space.url("refused:b"))

    expect_error(outcome, ErrorKind.TRANSPORT, because="nobody listens there")


@clause("ERR-06", case="timeout", ways="chat")
@ahead
def test_a_timeout_is_told_apart_from_an_answer(case: Case) -> None:
    """The one failure that may have cost a generation."""
    case.needs("timeout")
    case.needs_setting("timeout")
    case.serve(silence("stall"))
    limit = case.patience().limit(LIMIT)

    outcome = case.call(endpoint=case.endpoint(timeout=limit))

    expect_error(outcome, ErrorKind.TIMEOUT, because=f"nothing came within {limit} s")


def _expect_in_time(case: Case, outcome: Outcome, what: str, limit: float, policy: RetryPolicy) -> None:
    expect_error(outcome, ErrorKind.TIMEOUT, because=f"{what} with a limit of {limit} s")
    took = (outcome.ended_at or 0.0) - (outcome.entered_at or 0.0)
    bound = _bound(case, limit, policy)
    expect(took <= bound, expected=f"an end within {bound:.1f} s", observed=f"{took:.2f} s")


def _bound(case: Case, limit: float, policy: RetryPolicy) -> float:
    """Seconds within which a call of that limit must have ended, every attempt that its policy allows."""
    retried = policy.faults is None or "timeout" in policy.faults
    again = most_attempts(policy) - 1 if retried else 0
    more = again * limit + longest_waits(policy, again)
    return case.patience(case.journal()).soon(BOUND + limit - LIMIT + more)


def _needs_limit(case: Case, declared: str) -> None:
    """End the case by what is declared where no limit can be set."""
    if case.claims("timeout") and "timeout" in case.description.settings:
        return
    default = getattr(case.description.defaults, declared)
    if default is None:
        raise NotApplicable(f"no timeout can be set, and no {declared} is declared")
    expect(
        default != float("inf"),
        expected="waits that are finite by default",
        observed=f"{declared} is declared to be infinite",
    )
    case.note({"declared, not observed": {declared: default}})
    raise NotApplicable(f"a {declared} of {default} s is declared, not observed")


@clause("ERR-07", case="connect", ways="chat")
@timing
@ahead
def test_the_wait_for_a_connection_is_finite(case: Case) -> None:
    """A firewall that drops packets gives no sign at all."""
    shape = case.shape()
    _needs_limit(case, "connect_timeout")
    case.serve()
    with black_hole() as url:
        limit = case.patience().limit(LIMIT)
        outcome, policy = case.try_endpoint(url=url, timeout=limit), RetryPolicy()
        # A backend that asks the server when an endpoint is made waits there.
        if not (outcome.raised and case.description.auxiliary):
            endpoint = case.made(outcome, timeout=limit)
            policy = case.policy(endpoint)
            running = case.start(endpoint=endpoint, shape=shape)
            outcome = running.wait(_bound(case, limit, policy) + 2)

    _expect_in_time(case, outcome, "the connection is never accepted", limit, policy)


#: Servers that fall silent, by where.
SILENT: Final[Mapping[str, Callable[[Shape], Reply]]] = {
    "no-answer": lambda _: silence("stall"),
    "after-the-head": lambda shape: shape.plain("never").cut("stall", at="head"),
    "in-the-body": lambda shape: shape.plain("never").cut("stall", byte=9),
}


@clause("ERR-07", case="read", ways="chat")
@pytest.mark.parametrize("form", sorted(SILENT))
@timing
@ahead
def test_the_wait_for_an_answer_is_finite(case: Case, form: str) -> None:
    """A worker that waits for ever is one worker less."""
    shape = case.shape()
    _needs_limit(case, "read_timeout")
    case.serve(SILENT[form](shape))

    limit = case.patience().limit(LIMIT)
    endpoint = case.endpoint(timeout=limit)
    policy = case.policy(endpoint)
    running = case.start(endpoint=endpoint, shape=shape)
    outcome = running.wait(_bound(case, limit, policy) + 2)

    _expect_in_time(case, outcome, f"the server falls silent: {form}", limit, policy)


@clause("ERR-07", case="read", ways="chat stream")
@pytest.mark.parametrize("stream", [True], ids=["stream"])
@timing
@ahead
def test_the_wait_for_a_stream_to_begin_is_finite(case: Case, *, stream: bool) -> None:
    """The limit that a client has for the silences of a stream may not hold before its head is there."""
    case.needs("stream")
    shape = case.shape()
    _needs_limit(case, "read_timeout")
    case.serve(silence("stall"))

    limit = case.patience().limit(LIMIT)
    endpoint = case.endpoint(timeout=limit)
    policy = case.policy(endpoint)
    running = case.start(endpoint=endpoint, shape=shape, stream=stream)
    outcome = running.wait(_bound(case, limit, policy) + 2)

    _expect_in_time(case, outcome, "the server never answers", limit, policy)


@clause("ERR-08", ways="chat")
@pytest.mark.parametrize("form", sorted(BROKEN))
def test_a_broken_connection_is_a_transport_error(case: Case, form: str) -> None:
    """No answer came: nothing is known but that."""
    shape = case.shape()
    case.serve(BROKEN[form])

    outcome = case.call_new(shape=shape)

    expect_error(outcome, ErrorKind.TRANSPORT, because=f"the connection was {form}")


@clause("ERR-08", case="malformed", ways="chat")
@pytest.mark.parametrize("form", sorted(MALFORMED))
def test_malformed_http_is_a_transport_error(case: Case, form: str) -> None:
    """A crash of the HTTP parser is no way to say that a port speaks something else."""
    outcome = _failing(case, in_band_fault(raw(MALFORMED[form])))

    expect_error(outcome, ErrorKind.TRANSPORT, ErrorKind.PROTOCOL, because="the answer is no HTTP")


@clause("ERR-08", case="refused", ways="chat")
def test_a_refused_connection_is_a_transport_error(case: Case) -> None:
    """Nobody listens there."""
    space = case.serve(origins=("a", "refused:b"))

    outcome = case.call_new(url=space.url("refused:b"))

    expect_error(outcome, ErrorKind.TRANSPORT, because="nobody listens there")


@clause("ERR-09", ways="chat")
@pytest.mark.parametrize("form", ["fail-shard-error-first-gen", "fail-incomplete-gen"], ids=["424", "500"])
def test_a_failed_generation_is_no_validation_error(case: Case, form: str) -> None:
    """The request was fine; changing it will not help."""
    outcome = _failing(case, recorded(form))

    info = expect_error(outcome, because=f"the server answered {wire_example(form).status}")
    blames_request = (ErrorKind.VALIDATION, ErrorKind.BAD_REQUEST, ErrorKind.INVALID_ARGUMENT)
    expect(
        info is not None and info.kind not in blames_request,
        expected="an error that does not blame the request",
        observed=describe(outcome),
    )


@clause("ERR-10", ways="chat")
@pytest.mark.parametrize("how", ["cancel", "interrupt"])
@EITHER
def test_cancellation_passes_through(case: Case, how: str, *, stream: bool) -> None:
    """Swallowed, it leaves a caller waiting for a call that it had taken back."""
    # A stream of a sync client is left, not cancelled.
    case.needs("cancel", "retry", *(("stream", "async") if stream else ()))
    if how == "interrupt" and case.claims("async"):
        raise NotApplicable("an interrupt goes to the event loop, not into a coroutine")
    shape = case.shape()
    space = case.serve(shape.reply("too late", streaming=stream).held("answer"))
    endpoint = case.endpoint(max_retries=2, initial_retry_delay=0.02, backoff_factor=1.0)

    running = _cancellable(case, endpoint, shape, how, stream=stream)
    expect_received(case, space)
    running.cancel(how)
    outcome = running.wait(case.patience(space.journal()).soon(2.0))

    raised = outcome.exception[0].type.rpartition(".")[2] if outcome.exception else ""
    kind = outcome.error.kind if outcome.error is not None else None
    expect(
        outcome.raised and (kind is ErrorKind.CANCELLED or raised in ("CancelledError", "KeyboardInterrupt")),
        expected="the cancellation itself, or the client's own word for it",
        observed=f"{describe(outcome)} {error_text(outcome)[:200]}",
    )
    space.release("answer")
    expect_requests(
        space.journal().generations, 1, because="the call was taken back", journal=space.journal()
    )


def _cancellable(case: Case, endpoint: str, shape: Shape, how: str, *, stream: bool) -> Running:
    """Start a call that can be taken back; a sync one is cancelled through ``submit``."""
    if how == "interrupt" or case.claims("async"):
        return begin(case, case.prompt(), endpoint, shape, stream=stream)
    if "submit" not in case.driver.implemented:
        raise NotApplicable("a sync call is cancelled through submit, which is not implemented")
    return case.start(endpoint=endpoint, shape=shape, method="submit", kind=shape.method)
