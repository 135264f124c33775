"""RETRY: backoff and retry. The server's clock decides; lower bounds and counts are asserted."""

from typing import Any, Final

import pytest

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.contracts.script import Reply, always, silence, status, stream
from tgi_conformance.suites.areas.refusals import (
    FORMS,
    QUICK,
    needs_retry_of,
    refusal,
    retried_status,
    retries,
    retry_after_weighed,
    retrying,
    takes_deadline,
)
from tgi_conformance.suites.areas.retry_waits import (
    BAD_RETRY_AFTER,
    as_header,
    expect_backoff_afresh,
    expect_gap_at_least,
    expect_none_before,
    expect_waits_capped,
    expect_waits_to_grow,
    moment_ahead,
)
from tgi_conformance.suites.areas.streams import ALL
from tgi_conformance.suites.areas.waits import expect_received
from tgi_conformance.suites.areas.ways import EITHER, begin, needs_way
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import ahead, clause, timing
from tgi_conformance.suites.harness.expect import (
    expect,
    expect_error,
    expect_requests,
    expect_text,
)
from tgi_conformance.suites.harness.policy import (
    EARLY,
    in_seconds,
    wait_band,
)
from tgi_conformance.suites.harness.rulings import Advice, NotApplicable
from tgi_conformance.suites.shapes.calls import COMPLETIONS, NATIVE, Shape


@clause("RETRY-01", case="always", ways="chat")
@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("retries", [0, 1, 3])
def test_attempts_never_exceed_one_plus_max_retries(case: Case, retries: int, code: int) -> None:
    """Retries of two layers multiply just when the server is overloaded."""
    case.needs("retry")
    case.needs_setting("max_retries")
    space = case.serve(
        always(status(code, json={"error": "Model is overloaded", "error_type": "overloaded"}))
    )
    endpoint = case.endpoint(max_retries=retries, **QUICK)

    outcome = case.call(endpoint=endpoint)

    expect_error(outcome, because=f"the server answered {code} each time")
    sent = space.journal().generations
    expect(
        len(sent) <= 1 + retries,
        expected=f"at most {1 + retries} attempts with max_retries={retries}",
        observed=f"{len(sent)} attempts",
        journal=space.journal(),
    )


@clause("RETRY-02", ways="chat")
@pytest.mark.parametrize("failures", [1, 2])
@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_429_that_turns_into_200_ends_in_success(case: Case, form: str, failures: int) -> None:
    """A rate limit is temporary: the answer that follows within the limit is the call's result.

    A backend that declares other statuses retryable, and not 429, is held to one of those.
    """
    code = retried_status(case)
    shape = case.shape()
    space = case.serve(FORMS[form](code).times(failures), shape.plain("granted"))
    endpoint = retrying(case, failures)

    outcome = case.call(endpoint=endpoint, shape=shape)

    expect_text(outcome, "granted")
    expect_requests(space.journal().generations, failures + 1, because=f"{failures} x {code}, then a 200")


@clause("RETRY-02", case="429-not-declared")
def test_a_rate_limit_is_declared_retryable(case: Case) -> None:
    """429 is what TGI answers when it is full: advice to a backend that retries, and not that."""
    case.needs("retry")
    declared = case.description.retry
    if declared is None or declared.statuses is None:
        raise NotApplicable("the retryable statuses are not declared")
    if 429 not in declared.statuses:
        told = ", ".join(map(str, sorted(declared.statuses))) or "none"
        raise Advice(
            f"429 is not among the statuses declared retryable ({told}); TGI answers it when it is full"
        )


#: Permanent statuses that TGI itself or any gateway answers; ``RETRY-03/every-status`` has the others too.
REFUSED: Final = (400, 401, 403, 404, 405, 413, 415, 422)


@clause("RETRY-03", ways="chat")
@pytest.mark.parametrize("code", REFUSED)
@pytest.mark.parametrize("form", ["json", "text"])
def test_a_status_that_blames_the_request_is_not_retried(case: Case, code: int, form: str) -> None:
    """Sending the same request again cannot mend it; it costs the caller minutes and the server load."""
    case.needs("retry")
    refused = (
        status(code, json={"error": "no", "error_type": "validation"})
        if form == "json"
        else status(code, text="Failed to deserialize the JSON body into the target type")
    )
    space = case.serve(always(refused))
    endpoint = case.endpoint(max_retries=2, **QUICK)

    expect_error(case.call(endpoint=endpoint, attempts=1), because=f"the server answered {code}")

    expect_requests(space.journal().generations, 1, because=f"a {code} is permanent", journal=space.journal())


#: What the prompt of the streaming call among others says.
_STREAMED = "streamed-call"


@clause("RETRY-04", case="seconds", ways=("chat", "chat stream"))
@timing
@ahead
def test_retry_after_in_seconds_is_a_lower_bound(case: Case) -> None:
    """Coming back earlier lengthens the ban and wastes the attempts that are left."""
    case.needs("retry")
    shape = case.shape()
    codes = [code for code in (429, 503) if retries(case, code)] or [retried_status(case)]
    refusals = {f"code-{code}": refusal(code, ("retry-after", "1")) for code in codes}
    granted = [shape.plain("granted").times(len(refusals))]
    if case.claims("stream"):
        # Streams are often sent by code of their own; by themselves they are RETRY-04/stream's.
        refusals[_STREAMED] = refusal(codes[0], ("retry-after", "1"))
        granted.insert(0, shape.stream(("granted",)).where(contains=_STREAMED))
    space = case.serve(
        *(reply.where(contains=word).named(word) for word, reply in refusals.items()), *granted
    )

    # At once: the wait is the same, and it is a second.
    running = [
        case.start(
            case.prompt(word),
            endpoint=retrying(case, 1, asked=1.0),
            shape=shape,
            stream=word == _STREAMED,
        )
        for word in refusals
    ]

    for call in running:
        expect_text(call.wait(), "granted")
    journal = space.journal()
    for word in refusals:
        sent = tuple(each for each in journal.generations if word.encode() in each.body)
        expect_requests(sent, 2, because=f"one {word}, then a 200", journal=journal)
        expect_gap_at_least(case, journal, sent, 1.0, f"Retry-After: 1 on {word}")


@clause("RETRY-05", case="imf-fixdate", ways="chat")
@timing
@ahead
def test_retry_after_as_a_date_is_a_lower_bound(case: Case) -> None:
    """Both forms of the header say the same thing (RFC 9110 section 10.2.3)."""
    code = retried_status(case)
    shape = case.shape()
    moment = moment_ahead(case)
    space = case.serve(refusal(code, ("retry-after", as_header(moment))), shape.plain("granted"))
    endpoint = retrying(case, 1, asked=2.0)

    outcome = case.call(endpoint=endpoint, shape=shape)

    expect_text(outcome, "granted")
    expect_none_before(case, space.journal(), moment)


@clause("RETRY-06", ways="chat")
@pytest.mark.parametrize("form", sorted(BAD_RETRY_AFTER))
def test_a_bad_retry_after_leaves_the_backoff_to_the_client(case: Case, form: str) -> None:
    """``inf`` must not sleep for ever, ``-5`` must not crash the sleep, words must not crash the parser."""
    code = retried_status(case)
    shape = case.shape()
    space = case.serve(refusal(code, *BAD_RETRY_AFTER[form]), shape.plain("granted"))
    endpoint = retrying(case, 1)

    outcome = case.call(endpoint=endpoint, shape=shape)

    expect_text(outcome, "granted")
    band = wait_band(case.policy(endpoint), 0)
    expect_requests(space.journal().generations, 2, because=f"one {code}, then a 200")
    (gap,) = space.journal().gaps()
    expect(
        band is None or gap >= band[0] - EARLY,
        expected=f"the client's own first wait of at least {band[0] if band else 0:.3f} s",
        observed=f"{gap:.3f} s",
        journal=space.journal(),
    )


@clause("RETRY-07", case="a-day", ways="chat")
@EITHER
def test_a_retry_after_beyond_the_deadline_is_never_answered_earlier(case: Case, *, stream: bool) -> None:
    """Give up with the value exposed, or wait it out; an early retry is what the server asked not to get."""
    case.needs(*(("stream",) if stream else ()))
    code = retried_status(case)
    shape = case.shape()
    needs_way(case, shape, stream=stream)
    space = case.serve(refusal(code, ("retry-after", "86400")))
    endpoint = case.endpoint(max_retries=2, **QUICK)
    limit = case.patience().limit(1.5)
    limited: dict[str, Any] = {"deadline": limit} if takes_deadline(case, shape) else {}

    running = begin(case, case.prompt(), endpoint, shape, stream=stream, **limited)
    expect_received(case, space)
    outcome = running.wait_briefly(case.patience(space.journal()).soon() + limit)

    journal = space.journal()
    with retry_after_weighed(case):
        expect_requests(
            journal.generations, 1, because="the server asked for a day of quiet", journal=journal
        )
    if outcome is None:
        return  # it waits the day out, which the clause allows
    info = expect_error(outcome, because="the wait is beyond the call's limit")
    if info is not None and isinstance(info.retry_after, float | int):
        expect(
            info.retry_after >= 86399,
            expected="the server's value, 86400 s, on the error",
            observed=f"{info.retry_after} s",
        )


@clause("RETRY-08", case="growing-waits", ways="chat")
@timing
@ahead
def test_waits_grow_from_the_initial_delay_by_the_factor(case: Case) -> None:
    """Without Retry-After the client spaces its attempts: base, base x factor, base x factor^2."""
    expect_waits_to_grow(case, stream=False)


@clause("RETRY-09", case="capped", ways="chat")
@timing
@ahead
def test_the_wait_is_capped(case: Case) -> None:
    """A factor of ten is in days after seven retries; the cap keeps the caller's wait bounded."""
    expect_waits_capped(case, stream=False)


@clause("RETRY-09", case="factor", ways="chat")
@timing
@ahead
def test_the_factor_is_applied(case: Case) -> None:
    """With a factor of 8 the second wait is far above the first.

    Where the jitter is not declared it may go down to 0: of several calls, one waits a quarter at least.
    """
    code = retried_status(case)
    case.needs_setting("initial_retry_delay", "backoff_factor", "max_retries")
    shape = case.shape()
    declared = (case.description.retry or RetryPolicy()).jitter is not None
    words = [f"call-{number}" for number in range(1 if declared else 8)]
    space = case.serve(
        *(refusal(code).where(contains=word).named(f"refused-{word}").times(2) for word in words),
        shape.plain("granted").times(len(words)),
    )
    endpoint = case.endpoint(max_retries=2, initial_retry_delay=0.04, backoff_factor=8.0)

    running = [case.start(case.prompt(word), endpoint=endpoint, shape=shape) for word in words]

    for call in running:
        expect_text(call.wait(), "granted")
    journal = space.journal()
    waits = []
    for word in words:
        sent = tuple(each for each in journal.generations if word.encode() in each.body)
        expect_requests(sent, 3, because=f"two {code}, then a 200", journal=journal)
        waits.append(journal.gaps(sent)[1])
    band = wait_band(case.policy(endpoint), 1)
    low = 0.04 * 8 * 0.25 if band is None else band[0]
    expect(
        max(waits) >= low - EARLY,
        expected=f"a second wait of at least {low:.3f} s (0.04 s x 8)",
        observed=in_seconds(waits),
        journal=journal,
    )


#: How a stream that has given two tokens breaks.
BREAKS = ("rst", "fin", "error-event")


@clause("RETRY-11", ways="chat stream")
@pytest.mark.parametrize("ending", BREAKS)
def test_nothing_is_replayed_once_output_was_handed_out(case: Case, ending: str) -> None:
    """A replay doubles text and merges tool arguments; the caller decides whether to ask again."""
    case.needs("retry", "stream")
    _expect_no_replay(case, case.shape(), ending)


@clause("RETRY-11")
@pytest.mark.parametrize("shape", [NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
def test_nothing_is_replayed_on_the_other_routes(case: Case, shape: Shape) -> None:
    """Each route's stream is often read by code of its own."""
    case.needs("retry", "stream", shape.capability)
    for ending in BREAKS:
        _expect_no_replay(case, shape, ending)


def _expect_no_replay(case: Case, shape: Shape, ending: str) -> None:
    # It breaks once they are out: what was not yet read may be lost with the connection (STREAM-12).
    space = case.serve(_broken_stream(shape, ending).held("break", event=2).times(1, None))
    endpoint = case.endpoint(max_retries=2, **QUICK)

    running = case.start(endpoint=endpoint, shape=shape, stream=True, attempts=1)
    running.call.pull(ALL)
    running.call.wait_pieces(2, case.patience(space.journal()).soon())
    space.release("break")
    outcome = running.wait()

    expect_error(outcome, because="the stream broke after two tokens")
    expect(
        outcome.says(" one two"),
        expected="the two tokens that came, once",
        observed=repr(outcome.text),
    )
    expect_requests(
        space.journal().generations, 1, because="output was already handed out", journal=space.journal()
    )


@clause("RETRY-20", case="status", ways="chat")
@pytest.mark.parametrize("code", [408, 409, 424, 425, 429, 500, 502, 503, 504])
def test_each_declared_status_is_retried_until_a_good_answer(case: Case, code: int) -> None:
    """What the backend declares retryable, it retries up to its limit."""
    needs_retry_of(case, code)
    shape = case.shape()
    failures = _failures(case)
    space = case.serve(status(code, text="try later").times(failures), shape.plain("granted"))
    endpoint = retrying(case, failures)

    expect_text(case.call(endpoint=endpoint, shape=shape), "granted")

    expect_requests(space.journal().generations, failures + 1, because=f"{failures} x {code}, then a 200")


@clause("RETRY-20", case="fault", ways="chat")
@pytest.mark.parametrize(("fault", "ending"), [("reset", "rst"), ("closed", "fin")])
def test_each_declared_fault_is_retried_until_a_good_answer(case: Case, fault: str, ending: str) -> None:
    """A connection lost before any answer is retried where the backend says so."""
    case.needs("retry")
    if fault not in (getattr(case.description.retry, "faults", None) or ()):
        raise NotApplicable(f"the fault {fault} is not declared retryable")
    shape = case.shape()
    failures = _failures(case)
    case.serve(silence(ending).times(failures), shape.plain("granted"))
    endpoint = retrying(case, failures)

    expect_text(case.call(endpoint=endpoint, shape=shape), "granted")


@clause("RETRY-21", case="after-success", ways="chat")
@timing
@ahead
def test_backoff_starts_afresh_after_a_success(case: Case) -> None:
    """A call must not wait for the failures of an earlier one."""
    expect_backoff_afresh(case, stream=False)


# --- what the tests above share ---------------------------------------------------------------------------


def _failures(case: Case) -> int:
    """Failures that a call is to outlast: two where the number of retries can be set, else one."""
    return 2 if "max_retries" in case.description.settings else 1


def _broken_stream(shape: Shape, ending: str) -> Reply:
    """Two tokens, then the break; a gate before event 2 holds it back."""
    *events, never = shape.open_events([" one", " two", " three"])
    if ending == "error-event":
        return stream(*events, *shape.error_frames("Request failed during generation"))
    return stream(*events, never).cut(ending, event=2)
