"""RETRY: what holds of every run of attempts, whatever the server does (P-12 to P-15).

Rows of one example are played at once, each call on an endpoint of its own: an example costs one wait.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply
from tgi_conformance.suites.areas.refusals import needs_retry_of, refusal, retried_status, retries
from tgi_conformance.suites.generated.errors import (
    RetryAfter,
    bad_retry_afters,
    date_ahead,
    huge_retry_afters,
    whole_seconds,
)
from tgi_conformance.suites.generated.scripts import LASTING, status_runs
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.clause import clause, timing
from tgi_conformance.suites.harness.expect import (
    describe,
    expect,
    expect_error,
    expect_in_time,
    expect_requests,
    expect_text,
)
from tgi_conformance.suites.harness.policy import EARLY, JITTER_UNDECLARED, in_seconds, wait_band
from tgi_conformance.suites.harness.properties import check_property, whole_of
from tgi_conformance.suites.shapes.calls import Shape

T = TypeVar("T")

#: Short delays for cases that are not about them (seconds).
QUICK: Final[Mapping[str, Any]] = {
    "initial_retry_delay": 0.01,
    "backoff_factor": 1.0,
    "max_retry_delay": 0.02,
}
#: Rows of one example, where the backend can have as many endpoints.
ROWS: Final = 5
GRANTED: Final = "granted"


@dataclass(frozen=True, slots=True)
class Row:
    """One call of an example: what came of it, and its attempts."""

    running: Running
    prompt: str
    endpoint: str
    shape: Shape

    def attempts(self, journal: Journal) -> tuple[Exchange, ...]:
        """The requests of this call."""
        return journal.select(
            lambda e: e in journal.generations and self.shape.prompt_of(e.json()) == self.prompt
        )


def _rows(case: Case, each: st.SearchStrategy[Any], *, most: int = ROWS) -> st.SearchStrategy[list[Any]]:
    """Rows that are played at once; one alone where the backend has one endpoint."""
    if not case.claims("keys"):
        return st.lists(each, min_size=1, max_size=1)
    return st.lists(each, min_size=2, max_size=most)


def _all_of(case: Case, rows: Sequence[T]) -> st.SearchStrategy[list[T]]:
    """All these rows at once; one of them where the backend has one endpoint."""
    if not case.claims("keys"):
        return st.lists(st.sampled_from(rows), min_size=1, max_size=1)
    return whole_of(rows)


def _start(
    case: Case, scripts: Sequence[Sequence[Reply]], settings: Sequence[Mapping[str, Any]]
) -> list[Row]:
    """Start a call for each script, on an endpoint of these settings; a reply serves its own call only."""
    shape = case.shape()
    prompts = [case.prompt(f"row {number}") for number in range(len(scripts))]
    case.serve(
        *(
            reply.where(contains=prompt).named(f"row-{number}-attempt-{attempt}")
            for number, (prompt, script) in enumerate(zip(prompts, scripts, strict=True))
            for attempt, reply in enumerate(script)
        )
    )
    rows = []
    for prompt, given in zip(prompts, settings, strict=True):
        endpoint = case.endpoint(**given)
        rows.append(Row(case.start(prompt, endpoint=endpoint, shape=shape), prompt, endpoint, shape))
    return rows


def _needs_retry(case: Case, *settings: str) -> int:
    """A status that the backend retries, as often as a setting says."""
    code = retried_status(case)
    case.needs_setting("max_retries", *settings)
    return code


def _needs_rate_limits_retried(case: Case) -> None:
    """End the case where 429 is not retried: RETRY-04 to -07 try what is, and give advice."""
    needs_retry_of(case, 429)
    case.needs_setting("max_retries")


# --- P-12: Retry-After ---------------------------------------------------------------------------------


def _limited_then_granted(case: Case, headers: Sequence[RetryAfter], codes: Sequence[int] = ()) -> list[Row]:
    """Start a call for each header; it comes with the code of the same place, or with one that is retried."""
    granted = case.shape().plain(GRANTED).times(0, None)
    codes = codes or [retried_status(case)] * len(headers)
    scripts = [(refusal(code, *header.headers), granted) for code, header in zip(codes, headers, strict=True)]
    return _start(case, scripts, [{"max_retries": 1, **QUICK}] * len(scripts))


def _stays_away(case: Case, row: Row, header: RetryAfter, until: float, outcome: Outcome) -> None:
    """The second attempt of a row comes at ``until`` (the server's clock) or later, or not at all."""
    journal = case.journal()
    sent = row.attempts(journal)
    longest = case.policy(row.endpoint).max_retry_after
    if outcome.raised and len(sent) == 1 and longest is not None and (header.least or 0.0) > longest:
        return  # it declares that it gives up then (RETRY-07)
    expect_text(outcome, GRANTED)
    expect(
        all(exchange.first_byte_at >= until - EARLY for exchange in sent[1:]),
        expected=f"no attempt for {header.least:.3f} s (Retry-After: {header.lines[0]})",
        observed=in_seconds(journal.gaps(sent)),
        journal=journal,
    )


@clause("RETRY-04", case="property-p12", ways="chat")
@timing
def test_any_retry_after_in_seconds_is_a_lower_bound(case: Case) -> None:
    """Property P-12 for seconds, in whatever company of blanks and zeros, on any status that is retried."""
    _needs_rate_limits_retried(case)
    codes = [code for code in (429, 503) if retries(case, code)]

    def check(inner: Case, drawn: list[tuple[int, RetryAfter]]) -> None:
        rows = _limited_then_granted(inner, [header for _, header in drawn], [code for code, _ in drawn])
        for row, (_, header) in zip(rows, drawn, strict=True):
            outcome = row.running.wait()
            refused = row.attempts(inner.journal())[0]
            until = (refused.reply_at or refused.received_at) + (header.least or 0.0)
            _stays_away(inner, row, header, until, outcome)

    forms = [(code, header) for header in whole_seconds(1, 0) for code in codes]
    check_property(case, _all_of(case, forms), check, cost="whole")


@clause("RETRY-05", case="property-p12", ways="chat")
@timing
def test_any_retry_after_as_a_date_is_a_lower_bound(case: Case) -> None:
    """Property P-12 for dates less than two seconds ahead: the date is the first moment to come back."""
    _needs_rate_limits_retried(case)
    # A grain of one second is cut off each.
    ahead = [1.25, 1.5, 1.75]

    def check(inner: Case, seconds: list[float]) -> None:
        start, now, before = time.monotonic(), datetime.now(UTC), inner.patience().pace.usual
        headers = [date_ahead(now, before + each) for each in seconds]
        for row, header in zip(_limited_then_granted(inner, headers), headers, strict=True):
            _stays_away(inner, row, header, start + (header.least or 0.0), row.running.wait())

    check_property(case, _all_of(case, ahead), check, cost="whole")


@clause("RETRY-06", case="property-p12", ways="chat")
def test_any_bad_retry_after_changes_nothing(case: Case) -> None:
    """Property P-12 for values that say no wait: the client's own backoff applies, as with no header."""
    _needs_retry(case)

    def check(inner: Case, headers: list[RetryAfter]) -> None:
        for row in _limited_then_granted(inner, headers):
            expect_text(row.running.wait(), GRANTED)
            journal = inner.journal()
            sent = row.attempts(journal)
            expect_requests(sent, 2, because="one refusal, then a 200", journal=journal)
            (gap,) = journal.gaps(sent)
            low, high = wait_band(inner.policy(row.endpoint), 0) or (0.0, 1.0)
            expect(
                low - EARLY <= gap <= high + inner.patience(journal).soon(),
                expected=f"the client's own first wait, {low:.3f} to {high:.3f} s",
                observed=f"{gap:.3f} s",
                journal=journal,
            )

    check_property(case, _rows(case, bad_retry_afters()), check, shared=3)


@clause("RETRY-07", case="property-p12", ways="chat")
def test_any_retry_after_beyond_all_patience_is_never_answered_earlier(case: Case) -> None:
    """Property P-12 for a day and more: give up with the value exposed, or wait it out."""
    _needs_rate_limits_retried(case)

    def check(inner: Case, headers: list[RetryAfter]) -> None:
        rows = _limited_then_granted(inner, headers)
        until = time.monotonic() + inner.patience().absent(1.5)
        for row, header in zip(rows, headers, strict=True):
            outcome = row.running.wait_briefly(max(0.05, until - time.monotonic()))
            journal = inner.journal()
            because = f"the server asked for quiet (Retry-After: {header.lines[0]})"
            expect(
                len(row.attempts(journal)) <= 1,
                expected=f"1 request: {because}",
                observed=f"{len(row.attempts(journal))}",
                journal=journal,
            )
            if outcome is None:
                continue  # it waits it out, which the clause allows
            info = expect_error(outcome, because="the wait is beyond all limits")
            told = info.retry_after if info is not None else None
            if isinstance(told, int | float):
                shown = header.least or 0.0
                expect(
                    told >= shown - 60.0, expected=f"the server's value, {shown:.0f} s", observed=f"{told} s"
                )

    check_property(case, _rows(case, huge_retry_afters(datetime.now(UTC))), check, cost="waits")


# --- P-13: the number of attempts ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempts:
    """What the server answers to the attempts of one call before it grants it, and the limit in force."""

    statuses: tuple[int, ...]
    max_retries: int


def _runs(*codes: int) -> st.SearchStrategy[Attempts]:
    return st.builds(Attempts, status_runs(*codes), st.integers(0, 3))


def _play_run(case: Case, run: Attempts) -> tuple[Outcome, int]:
    """The outcome of a call, and how many requests it sent."""
    replies = [
        refusal(code).times(0, 1).named(f"attempt-{at}-{code}") for at, code in enumerate(run.statuses)
    ]
    shape = case.shape()
    space = case.serve(*replies, shape.plain(GRANTED).times(0, None))
    endpoint = case.endpoint(max_retries=run.max_retries, **QUICK)
    outcome = case.call(endpoint=endpoint, shape=shape)
    return outcome, len(space.journal().generations)


@clause("RETRY-01", case="property-p13", ways="chat")
def test_no_run_of_failures_costs_more_than_one_plus_max_retries(case: Case) -> None:
    """Property P-13 for the bound: temporary refusals in any order, as many as the server likes."""
    first = _needs_retry(case)
    passing = sorted({429, first} | {code for code in (502, 503, 504, 500, 424) if retries(case, code)})

    def check(inner: Case, run: Attempts) -> None:
        _, sent = _play_run(inner, run)
        expect(
            sent <= 1 + run.max_retries,
            expected=f"at most {1 + run.max_retries} attempts with max_retries={run.max_retries}",
            observed=f"{sent} attempts",
        )

    check_property(case, _runs(*passing), check, shared=3)


@clause("RETRY-02", case="property-p13", ways="chat")
def test_a_run_of_rate_limits_ends_well_exactly_within_the_limit(case: Case) -> None:
    """Property P-13 for success: n refusals and a 200 succeed where n is max_retries or less."""
    code = _needs_retry(case)

    def check(inner: Case, run: Attempts) -> None:
        outcome, sent = _play_run(inner, run)
        if len(run.statuses) > run.max_retries:
            expect_error(outcome, because=f"{len(run.statuses)} x {code}, max_retries={run.max_retries}")
            return
        expect_text(outcome, GRANTED)
        wanted = len(run.statuses) + 1
        expect(sent == wanted, expected=f"{wanted} requests", observed=f"{sent} requests")

    check_property(case, _runs(code), check, shared=3)


@clause("RETRY-03", case="property-p13", ways="chat")
def test_a_permanent_status_ends_any_run_of_attempts(case: Case) -> None:
    """Property P-13 for statuses that blame the request: no attempt after one, wherever it stands."""
    code = _needs_retry(case)

    def check(inner: Case, drawn: tuple[Attempts, int]) -> None:
        run, permanent = drawn
        whole = Attempts((*run.statuses, permanent), run.max_retries)
        outcome, sent = _play_run(inner, whole)
        expect_error(outcome, because=f"the server answered {whole.statuses}")
        expect(
            sent <= len(whole.statuses),
            expected=f"at most {len(whole.statuses)} requests, none after the {permanent}",
            observed=f"{sent} requests",
        )

    check_property(case, st.tuples(_runs(code), st.sampled_from(LASTING)), check, shared=3)


# --- P-14: the waits -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """The backoff settings of one endpoint, and how many waits are seen."""

    base: float
    factor: float
    count: int
    cap: float | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """What ``create_endpoint`` is given."""
        given = {
            "max_retries": self.count,
            "initial_retry_delay": self.base,
            "backoff_factor": self.factor,
        }
        return given if self.cap is None else {**given, "max_retry_delay": self.cap}

    def nominal(self, k: int) -> float:
        """Wait k without jitter."""
        grown = self.base * self.factor**k
        return grown if self.cap is None else min(self.cap, grown)


def _check_waits(case: Case, rows: list[Waits]) -> None:
    granted = case.shape().plain(GRANTED)
    refused = refusal(retried_status(case))
    started = _start(case, [(refused.times(w.count), granted) for w in rows], [w.settings for w in rows])
    for row, waits in zip(started, rows, strict=True):
        expect_text(row.running.wait(), GRANTED)
        journal = case.journal()
        gaps = journal.gaps(row.attempts(journal))
        for k, gap in enumerate(gaps):
            # With no declared band full jitter is assumed.
            low, high = wait_band(case.policy(row.endpoint), k) or (0.0, waits.nominal(k) * JITTER_UNDECLARED)
            told: dict[str, Any] = {
                "expected": f"wait {k} within {low:.3f} to {high:.3f} s ({waits})",
                "observed": in_seconds(gaps),
                "journal": journal,
            }
            expect(gap >= low - EARLY, **told)
            expect_in_time(gap <= high + case.patience(journal).late(), **told)


@clause("RETRY-08", case="property-p14", ways="chat")
@timing
def test_all_waits_lie_inside_the_envelope(case: Case) -> None:
    """Property P-14: base x factor^k with the declared jitter, for any base and factor."""
    _needs_retry(case, "initial_retry_delay", "backoff_factor")
    row = st.builds(
        Waits,
        base=st.sampled_from([0.02, 0.03, 0.05]),
        factor=st.sampled_from([1.0, 1.5, 2.0, 3.0]),
        count=st.integers(1, 3),
    )
    check_property(case, _rows(case, row, most=6), _check_waits, cost="rows")


@clause("RETRY-09", case="property-p14", ways="chat")
@timing
def test_all_waits_keep_to_factor_and_cap(case: Case) -> None:
    """Property P-14 for large factors: each wait grows to the cap and no further."""
    _needs_retry(case, "initial_retry_delay", "backoff_factor", "max_retry_delay")
    row = st.builds(
        Waits,
        base=st.sampled_from([0.01, 0.02]),
        factor=st.sampled_from([6.0, 10.0, 100.0]),
        count=st.integers(2, 4),
        cap=st.sampled_from([0.06, 0.08]),
    )
    check_property(case, _rows(case, row, most=6), _check_waits, cost="rows")


# --- P-15: commitment ------------------------------------------------------------------------------------


@clause("RETRY-11", case="property-p15", ways="chat stream")
def test_at_most_one_attempt_delivers_output(case: Case) -> None:
    """Property P-15: streams that break after k tokens; a replay would be told by its own words."""
    case.needs("retry", "stream")
    shape = case.shape()
    runs = st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["rst", "fin", "error-event", "no-end"])),
        min_size=1,
        max_size=3,
    )

    def check(inner: Case, run: list[tuple[int, str]]) -> None:
        replies = [_breaking(shape, at, *how) for at, how in enumerate(run)]
        whole = shape.stream(_words(len(run), 2)).named("whole")
        space = inner.serve(*(reply.times(0, 1) for reply in replies), whole.times(0, None))
        endpoint = inner.endpoint(max_retries=len(run), **QUICK)
        outcome = inner.call(endpoint=endpoint, shape=shape, stream=True)
        tellers = {word[0] for word in outcome.text.split()}
        expect(
            len(tellers) <= 1,
            expected="words of one attempt alone",
            observed=describe(outcome),
            journal=space.journal(),
        )

    check_property(case, runs, check)


def _words(attempt: int, count: int) -> tuple[str, ...]:
    """Tokens that say which attempt they are of."""
    return tuple(f" {'abcd'[attempt]}{number}" for number in range(count))


def _breaking(shape: Shape, attempt: int, count: int, ending: str) -> Reply:
    """A stream that breaks after so many tokens."""
    events = shape.open_events(_words(attempt, count))
    name = f"attempt-{attempt}-{ending}-after-{count}"
    if ending == "error-event":
        return shape.frames(*events, *shape.error_frames("Model is overloaded", "overloaded")).named(
            f"in-band-fault-{name}"
        )
    if ending == "no-end":
        return shape.frames(*events).named(f"in-band-fault-{name}")
    further = shape.open_events(_words(attempt, count + 1)[count:])
    return shape.frames(*events, *further).cut(ending, event=count).named(name)
