"""RETRY: the waits before a stream, and on each route, are those of any other call."""

from itertools import cycle, product
from typing import Final

import pytest

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.suites.areas.refusals import refusal, retried_status, retries, retrying
from tgi_conformance.suites.areas.retry_waits import (
    as_header,
    expect_backoff_afresh,
    expect_gap_at_least,
    expect_no_attempt_after_deadline,
    expect_none_before,
    expect_waits_capped,
    expect_waits_to_grow,
    moment_ahead,
)
from tgi_conformance.suites.areas.ways import WAYS, begin, is_claimed
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import ahead, clause, timing
from tgi_conformance.suites.harness.expect import expect_requests, expect_text
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT

STREAM: Final = pytest.mark.parametrize("stream", [True], ids=["stream"])


@clause("RETRY-04", case="stream", ways="chat stream")
@timing
@ahead
def test_retry_after_in_seconds_binds_streams_too(case: Case) -> None:
    """A stream is often sent by code of its own, which has its own idea of a retry, or none."""
    journal = _refused_then_streamed(case, "1", asked=1.0)

    expect_gap_at_least(case, journal, journal.generations, 1.0, "Retry-After: 1 on a stream")


@clause("RETRY-05", case="stream", ways="chat stream")
@timing
@ahead
def test_retry_after_as_a_date_binds_streams_too(case: Case) -> None:
    """Both forms of the header say the same thing, whatever the request asked for."""
    moment = moment_ahead(case)
    journal = _refused_then_streamed(case, as_header(moment), asked=2.0)

    expect_none_before(case, journal, moment)


def _refused_then_streamed(case: Case, retry_after: str, *, asked: float) -> Journal:
    """Have a stream refused once with that header, asking for ``asked`` seconds at most, then answered."""
    case.needs("retry", "stream")
    code, shape = retried_status(case), case.shape()
    space = case.serve(refusal(code, ("retry-after", retry_after)), shape.stream((" granted",)))
    endpoint = retrying(case, 1, asked=asked)

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=True), " granted")

    journal = space.journal()
    expect_requests(journal.generations, 2, because=f"one {code}, then a 200", journal=journal)
    return journal


@clause("RETRY-08", case="growing-waits", ways="chat stream")
@STREAM
@timing
@ahead
def test_the_waits_of_a_stream_grow(case: Case, *, stream: bool) -> None:
    """A stream that is opened in a loop of its own often waits the same each time, or not at all."""
    expect_waits_to_grow(case, stream=stream)


@clause("RETRY-09", case="capped", ways="chat stream")
@STREAM
@timing
@ahead
def test_the_waits_of_a_stream_are_capped(case: Case, *, stream: bool) -> None:
    """The cap belongs to the caller's patience, whatever is asked for."""
    expect_waits_capped(case, stream=stream)


@clause("RETRY-12", case="attempts", ways="chat stream")
@STREAM
@timing
@ahead
def test_no_attempt_at_a_stream_starts_after_the_deadline(case: Case, *, stream: bool) -> None:
    """A deadline that begins with the first piece does not bound the wait for it."""
    expect_no_attempt_after_deadline(case, stream=stream)


@clause("RETRY-21", case="after-success", ways="chat stream")
@STREAM
@timing
@ahead
def test_the_backoff_of_streams_starts_afresh_after_a_success(case: Case, *, stream: bool) -> None:
    """A stream's success comes at its end, where a client may forget to note it."""
    expect_backoff_afresh(case, stream=stream)


#: Calls of the other routes, by a word of their prompts.
ROUTES: Final = {
    f"{shape.name}-{'streamed' if stream else 'whole'}": (shape, stream)
    for shape, stream in WAYS
    if shape.name != CHAT.name
}


@clause("RETRY-04", case="every-route", ways=("native", "native stream", "completions", "completions stream"))
@timing
@ahead
def test_retry_after_in_seconds_binds_every_route(case: Case) -> None:
    """The calls wait side by side: the wait is the same, and it is a second."""
    journal = _each_refused_once(case, "1", asked=1.0)

    for word in ROUTES:
        sent = _with(journal, word)
        expect_gap_at_least(case, journal, sent, 1.0, f"Retry-After: 1 on {word}")


@clause("RETRY-05", case="every-route", ways=("native", "native stream", "completions", "completions stream"))
@timing
@ahead
def test_retry_after_as_a_date_binds_every_route(case: Case) -> None:
    """Both forms of the header say the same thing on each of them."""
    moment = moment_ahead(case)
    journal = _each_refused_once(case, as_header(moment), asked=2.0)

    for word in ROUTES:
        sent = _with(journal, word)
        expect_none_before(case, journal, moment, sent)


def _each_refused_once(case: Case, retry_after: str, *, asked: float) -> Journal:
    """Have one call of each claimed way be refused with that header and then answered, all at once.

    The statuses that are retried (429, 503) are taken in turn, and so are two spellings of the header.
    """
    codes = [code for code in (429, 503) if retries(case, code)] or [retried_status(case)]
    claimed = {word: way for word, way in ROUTES.items() if is_claimed(case, way[0], stream=way[1])}
    if not claimed:
        raise NotApplicable("no call of another route is claimed")
    answers = zip(claimed, cycle(product(codes, ("retry-after", "Retry-After"))), strict=False)
    refusals = [
        refusal(code, (name, retry_after)).where(contains=word).named(word) for word, (code, name) in answers
    ]
    granted = [
        shape.reply("granted", streaming=stream).where(contains=word)
        for word, (shape, stream) in claimed.items()
    ]
    space = case.serve(*refusals, *granted)
    running = {
        word: begin(case, case.prompt(word), retrying(case, 1, asked=asked), shape, stream=stream)
        for word, (shape, stream) in claimed.items()
    }
    for call in running.values():
        expect_text(call.wait(), "granted")
    journal = space.journal()
    for word in claimed:
        sent = _with(journal, word)
        expect_requests(sent, 2, because=f"one refusal on {word}, then a 200", journal=journal)
    return journal


def _with(journal: Journal, word: str) -> tuple[Exchange, ...]:
    """The requests whose prompt holds that word."""
    return tuple(each for each in journal.generations if word.encode() in each.body)
