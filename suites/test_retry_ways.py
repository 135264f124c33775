"""RETRY: what holds of a plain call's retries holds on each route, plain and streamed.

Streams, and each route, are often sent by code of their own, which has its own idea of a retry, or none.
"""

from collections.abc import Mapping
from typing import Any, Final

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.script import Reply, always, overloaded, silence, status
from tgi_conformance.contracts.unset import UNSET
from tgi_conformance.suites.areas.refusals import (
    QUICK,
    RATE_LIMITS,
    refusal,
    retried_status,
    retries,
    retrying,
)
from tgi_conformance.suites.areas.retry_waits import BAD_RETRY_AFTER
from tgi_conformance.suites.areas.ways import SHAPE, STREAM, begin, needs_way, on_ways
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_error, expect_requests, expect_text
from tgi_conformance.suites.harness.oracles import in_band_fault
from tgi_conformance.suites.harness.policy import EARLY, PERMANENT, wait_band
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape


@clause("RETRY-01")
@on_ways("chat-plain")
def test_attempts_never_exceed_one_plus_max_retries(case: Case, shape: Shape, *, stream: bool) -> None:
    """A stream that is opened in a loop of its own has no limit, or another one."""
    needs_way(case, shape, stream=stream)
    case.needs("retry")
    case.needs_setting("max_retries")
    space = case.serve(always(refusal(429)))
    endpoint = case.endpoint(max_retries=1, **QUICK)

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)

    expect_error(outcome, because="the server answered 429 each time")
    journal = space.journal()
    expect(
        len(journal.generations) <= 2,
        expected="at most 2 attempts with max_retries=1",
        observed=f"{len(journal.generations)} attempts",
        journal=journal,
    )


@clause("RETRY-02")
@on_ways("chat-plain")
def test_a_429_that_turns_into_200_ends_in_success(case: Case, shape: Shape, *, stream: bool) -> None:
    """The answer that follows within the limit is the call's result, whichever call it is."""
    needs_way(case, shape, stream=stream)
    code = retried_status(case)
    space = case.serve(refusal(code), shape.reply("granted at last", streaming=stream))
    endpoint = retrying(case, 1)

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "granted at last")

    expect_requests(space.journal().generations, 2, because=f"one {code}, then a 200")


@clause("RETRY-03", case="every-status")
@on_ways()
def test_no_permanent_status_is_retried(case: Case, shape: Shape, *, stream: bool) -> None:
    """Whatever the status blames (the request, the key, the account, the model), it will say so again."""
    needs_way(case, shape, stream=stream)
    case.needs("retry")
    words = {code: f"refused-with-{code}" for code in PERMANENT}
    space = case.serve(*(_permanent(code).where(contains=word).named(word) for code, word in words.items()))

    for code, word in words.items():
        # An endpoint each: a circuit breaker that counts these is RETRY-19's.
        endpoint = case.endpoint(max_retries=2, **QUICK)
        outcome = case.call(case.prompt(word), endpoint=endpoint, shape=shape, stream=stream, attempts=1)
        expect_error(outcome, because=f"the server answered {code}")

    journal = space.journal()
    for code, word in words.items():
        expect_requests(_with(journal, word), 1, because=f"a {code} is permanent", journal=journal)


def _permanent(code: int) -> Reply:
    """A refusal for good in one of the forms that it comes in; with a Retry-After, it is one no less."""
    headers = (("retry-after", "0"),) if code % 3 == 0 else ()
    if code % 2:
        return always(status(code, *headers, text="no, and not later either"))
    return always(status(code, *headers, json={"error": {"message": "no", "type": "invalid_request_error"}}))


def _with(journal: Journal, word: str) -> tuple[Exchange, ...]:
    """The requests whose prompt holds that word."""
    return tuple(each for each in journal.generations if word.encode() in each.body)


#: Calls that wait side by side: few, lest a circuit breaker open.
AT_ONCE: Final = 4


@clause("RETRY-06")
@on_ways("chat-plain", "native-plain", "completions-plain")
def test_a_bad_retry_after_leaves_the_backoff_to_the_client(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """The header is read in each place that retries."""
    needs_way(case, shape, stream=stream)
    code = retried_status(case)
    refusals = {f"header-{form}": refusal(code, *lines) for form, lines in BAD_RETRY_AFTER.items()}

    endpoint, journal = _all_granted(case, shape, refusals, stream=stream)

    band = wait_band(case.policy(endpoint), 0)
    for word in refusals:
        (gap,) = journal.gaps(_with(journal, word))
        expect(
            band is None or gap >= band[0] - EARLY,
            expected=f"the client's own first wait of at least {band[0] if band else 0:.3f} s ({word})",
            observed=f"{gap:.3f} s",
            journal=journal,
        )


def _all_granted(
    case: Case, shape: Shape, refusals: Mapping[str, Reply], *, stream: bool
) -> tuple[str, Journal]:
    """Make one call a refusal, a few at a time, each refused once so and then answered."""
    granted = shape.reply("granted", streaming=stream).times(len(refusals))
    refused = (reply.where(contains=f"<{word}>").named(f"form-{word}") for word, reply in refusals.items())
    space = case.serve(*refused, granted)
    endpoint = retrying(case, 1)
    words = list(refusals)
    for first in range(0, len(words), AT_ONCE):
        running = [
            begin(case, case.prompt(f"<{word}>"), endpoint, shape, stream=stream)
            for word in words[first : first + AT_ONCE]
        ]
        for call in running:
            expect_text(call.wait(), "granted")
    journal = space.journal()
    for word in refusals:
        sent = _with(journal, f"<{word}>")
        expect_requests(sent, 2, because=f"refused once ({word}), then a 200", journal=journal)
    return endpoint, journal


@clause("RETRY-16")
@on_ways("chat-plain")
def test_all_attempts_send_the_same_body_and_request_id(case: Case, shape: Shape, *, stream: bool) -> None:
    """A request that is built anew for its second attempt is another one."""
    needs_way(case, shape, stream=stream)
    code, header = retried_status(case), case.description.request_id_header
    space = case.serve(refusal(code), shape.reply("granted", streaming=stream))
    named: dict[str, Any] = {} if header is None else {"request_id": "id-of-two-attempts"}
    endpoint = retrying(case, 1)

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream, **named), "granted")

    journal = space.journal()
    sent = journal.generations
    expect_requests(sent, 2, because=f"one {code}, then a 200", journal=journal)
    seen = {(each.path, each.body, None if header is None else each.header(header)) for each in sent}
    expect(
        len(seen) == 1,
        expected="two attempts alike in path, body and request id",
        observed=repr(sorted(map(repr, seen))),
        journal=journal,
    )


@clause("RETRY-17")
@on_ways("chat-plain")
def test_after_the_limit_a_429_is_still_a_rate_limit(case: Case, shape: Shape, *, stream: bool) -> None:
    """The last failure of a stream's attempts is told as what it is, and not as a stream that broke."""
    needs_way(case, shape, stream=stream)
    case.needs("retry")
    case.serve(always(overloaded(("retry-after", "0"))))
    endpoint = case.endpoint(max_retries=1, **QUICK)

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)

    because = "each attempt was answered 429"
    info = expect_error(outcome, *RATE_LIMITS, contains="Model is overloaded", because=because)
    shown = UNSET if info is None else info.status
    expect(shown in (UNSET, 429), expected="the status 429 on the error", observed=repr(shown))


#: What RETRY-20 tries of what a backend declares: statuses, and faults by how they come about.
PASSING: Final = (408, 409, 424, 425, 429, 500, 502, 503, 504)
FAULTS: Final[Mapping[str, str]] = {"reset": "rst", "closed": "fin"}


@clause("RETRY-20")
@on_ways("chat-plain")
def test_what_is_declared_retryable_is_retried(case: Case, shape: Shape, *, stream: bool) -> None:
    """One declaration binds all of a backend's calls."""
    needs_way(case, shape, stream=stream)
    case.needs("retry")
    declared = getattr(case.description.retry, "faults", None) or ()
    passing = {f"{code}": status(code, text="try later") for code in PASSING if retries(case, code)}
    passing |= {fault: silence(ending) for fault, ending in FAULTS.items() if fault in declared}
    if not passing:
        raise NotApplicable("nothing is declared retryable")

    _all_granted(case, shape, passing, stream=stream)


@clause("DECL-01", case="not-retried")
@on_ways("chat-plain")
def test_what_is_not_declared_retryable_is_not_retried(case: Case, shape: Shape, *, stream: bool) -> None:
    """A stream's own loop may retry what the client's policy does not."""
    needs_way(case, shape, stream=stream)
    case.needs("retry")
    declared = case.description.retry
    if declared is None or declared.statuses is None:
        raise NotApplicable("the retryable statuses are not declared")
    left = [code for code in PASSING if code not in declared.statuses]
    words = {code: f"passing-{code}" for code in left}
    space = case.serve(
        *(always(refusal(code)).where(contains=word).named(word) for code, word in words.items())
    )

    for word in words.values():
        endpoint = case.endpoint(max_retries=2, **QUICK)  # one each, for the sake of circuit breakers
        case.call(case.prompt(word), endpoint=endpoint, shape=shape, stream=stream, attempts=10)

    journal = space.journal()
    for code, word in words.items():
        because = f"{code} is not declared retryable"
        expect_requests(_with(journal, word), 1, because=because, journal=journal)


@clause("RETRY-18", case="refused")
@SHAPE
@STREAM
def test_a_stream_that_begins_with_a_refusal_is_not_retried(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """What the in-band error says of the request it says again, though no output was handed out yet."""
    needs_way(case, shape, stream=stream)
    case.needs("retry")
    refused = shape.frames(*shape.error_frames("Input validation error: `seed` is wrong", "validation"))
    space = case.serve(in_band_fault(refused).times(1, None))
    endpoint = case.endpoint(max_retries=2, **QUICK)

    expect_error(case.call(endpoint=endpoint, shape=shape, stream=stream), because="the first event says so")

    journal = space.journal()
    expect_requests(journal.generations, 1, because="a validation error is permanent", journal=journal)
