"""The waits between a call's attempts held against the wire: Retry-After, the backoff, the deadline.

What is played here is played of plain calls and of streams.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.areas.refusals import (
    needs_deadline,
    refusal,
    retried_status,
    retry_after_weighed,
)
from tgi_conformance.suites.areas.ways import begin
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.expect import (
    ClauseFailed,
    expect,
    expect_error,
    expect_in_time,
    expect_requests,
    expect_text,
    timeline,
)
from tgi_conformance.suites.harness.policy import EARLY, JITTER_UNDECLARED, in_seconds, wait_band

#: Grain of the clocks and of scheduling (seconds), beside ten times the server's lag.
GRAIN: Final = 0.05
#: Headers that say no wait: the client's own backoff applies.
BAD_RETRY_AFTER: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "empty": (("retry-after", ""),),
    "words": (("retry-after", "soon"),),
    "negative": (("retry-after", "-5"),),
    "past-date": (("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),),
    "nan": (("retry-after", "nan"),),
    "inf": (("retry-after", "inf"),),
    "overflow": (("retry-after", "1e10000"),),
    "arabic-digits": (("retry-after", "Ù¡Ù¢"),),
    "two-lines": (("retry-after", "soon"), ("retry-after", "later")),
}


def moment_ahead(case: Case) -> datetime:
    """A moment that is more than a second ahead once the client's request is there.

    A date has a grain of one second: two seconds ahead, cut to whole seconds, is more than one away.
    """
    return (datetime.now(UTC) + timedelta(seconds=2 + case.patience().pace.usual)).replace(microsecond=0)


def as_header(moment: datetime) -> str:
    """The moment as an IMF-fixdate."""
    return format_datetime(moment, usegmt=True)


def expect_gap_at_least(
    case: Case, journal: Journal, sent: Sequence[Exchange], seconds: float, because: str
) -> None:
    """Between the attempts of a call there are so many seconds at least."""
    gaps = journal.gaps(sent)
    with retry_after_weighed(case):
        expect(
            all(gap >= seconds - EARLY for gap in gaps),
            expected=f"at least {seconds} s between attempts ({because})",
            observed=in_seconds(gaps),
            journal=journal,
        )


def expect_none_before(
    case: Case, journal: Journal, moment: datetime, sent: Sequence[Exchange] | None = None
) -> None:
    """No attempt but the first comes before that moment (of those sent, or of all).

    The moment binds, not a wait: on a busy machine the refusal itself goes out late.
    """
    wall = time.time() - time.monotonic()
    attempts = journal.generations if sent is None else sent
    early = [moment.timestamp() - wall - again.first_byte_at for again in attempts[1:]]
    with retry_after_weighed(case):
        expect(
            all(seconds <= EARLY for seconds in early),
            expected=f"no attempt before the moment that Retry-After names ({as_header(moment)})",
            observed="attempts " + ", ".join(f"{seconds:.3f} s" for seconds in early) + " before it",
            journal=journal,
        )


def expect_waits_to_grow(case: Case, *, stream: bool) -> None:
    """Three refusals are followed by waits of base, base x factor and base x factor^2."""
    case.needs(*(("stream",) if stream else ()))
    code = retried_status(case)
    case.needs_setting("initial_retry_delay", "backoff_factor", "max_retries")
    shape = case.shape()
    space = case.serve(refusal(code).times(3), shape.reply("granted", streaming=stream))
    endpoint = case.endpoint(max_retries=3, initial_retry_delay=0.1, backoff_factor=2.0)

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "granted")

    expect_gaps_in_band(case, case.policy(endpoint), space.journal(), base=0.1, factor=2.0)


def expect_waits_capped(case: Case, *, stream: bool) -> None:
    """With a factor of ten the waits soon reach their cap, and stay there."""
    case.needs(*(("stream",) if stream else ()))
    code = retried_status(case)
    case.needs_setting("initial_retry_delay", "backoff_factor", "max_retries", "max_retry_delay")
    shape = case.shape()
    space = case.serve(refusal(code).times(4), shape.reply("granted", streaming=stream))
    endpoint = case.endpoint(
        max_retries=4, initial_retry_delay=0.02, backoff_factor=10.0, max_retry_delay=0.2
    )

    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "granted")

    journal = space.journal()
    gaps = journal.gaps()
    # The last wait is the cap times its jitter; with no declared band, at most that of most clients.
    low, high = wait_band(case.policy(endpoint), 3) or (0.05, 0.2 * JITTER_UNDECLARED)
    expect_in_time(
        max(gaps) <= high + case.patience(journal).late(),
        expected="no wait above the cap of 0.2 s (and its jitter)",
        observed=in_seconds(gaps),
        journal=journal,
    )
    expect(
        max(gaps) >= low - EARLY,
        expected=f"waits that grew towards the cap of 0.2 s with the factor 10, to {low:.3f} s or more",
        observed=in_seconds(gaps),
        journal=journal,
    )


def expect_backoff_afresh(case: Case, *, stream: bool) -> None:
    """After two refusals and an answer, the next call's first wait is the first of all again."""
    case.needs(*(("stream",) if stream else ()))
    code = retried_status(case)
    case.needs_setting("initial_retry_delay", "backoff_factor", "max_retries")
    shape = case.shape()
    again = refusal(code).named("second-refusal")
    space = case.serve(
        refusal(code).times(2),
        shape.reply("first", streaming=stream),
        again,
        shape.reply("second", streaming=stream),
    )
    # A wait that goes on from the earlier failures is 36 times the first: it shows whatever the client takes.
    base = max(0.05, round(case.patience().late() / 15, 2))
    endpoint = case.endpoint(max_retries=3, initial_retry_delay=base, backoff_factor=6.0)
    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "first")
    expect_text(case.call(endpoint=endpoint, shape=shape, stream=stream), "second")

    journal = space.journal()
    expect_requests(journal.generations, 5, because=f"2 x {code} and a 200, 1 x {code} and a 200")
    (gap,) = journal.gaps(journal.generations[3:])
    band = wait_band(case.policy(endpoint), 0)
    high = base * JITTER_UNDECLARED if band is None else band[1]
    expect_in_time(
        gap <= high + case.patience(journal).late(),
        expected=f"a first wait of at most {high:.3f} s again",
        observed=f"{gap:.3f} s",
        journal=journal,
    )


def expect_gaps_in_band(
    case: Case, policy: RetryPolicy, journal: Journal, *, base: float, factor: float
) -> None:
    """The waits of a call lie inside their declared bands; undeclared, near the nominal ones."""
    gaps, late = journal.gaps(), case.patience(journal).late()
    bands = [wait_band(policy, k) for k in range(len(gaps))]
    if all(band is not None for band in bands):
        pairs = [(gap, band) for gap, band in zip(gaps, bands, strict=True) if band is not None]
        shown = "; ".join(f"{low:.3f}-{high:.3f}" for _, (low, high) in pairs)
        told: dict[str, Any] = {
            "expected": f"waits inside {shown} s",
            "observed": in_seconds(gaps),
            "journal": journal,
        }
        expect(all(gap >= low - EARLY for gap, (low, _) in pairs), **told)
        expect_in_time(all(gap <= high + late for gap, (_, high) in pairs), **told)
        return
    # With no declared band full jitter is assumed, and more of it upwards than clients are known to have.
    high = JITTER_UNDECLARED
    over = [gap for k, gap in enumerate(gaps) if gap > high * base * factor**k + late]
    expect_in_time(
        not over,
        expected=f"no wait above {high} x base x factor^k",
        observed=in_seconds(gaps),
        journal=journal,
    )


def expect_no_attempt_after_deadline(case: Case, *, stream: bool) -> None:
    """A call that is refused again and again ends by its deadline, and sends nothing after it."""
    case.needs(*(("stream",) if stream else ()))
    code = retried_status(case)
    shape = case.shape()
    needs_deadline(case, shape)
    space = case.serve(refusal(code))
    # So many that they would go on well beyond any bound.
    endpoint = case.endpoint(max_retries=60, initial_retry_delay=0.2, backoff_factor=1.0, max_retry_delay=0.2)
    deadline = case.patience().limit(0.5)

    running = begin(case, case.prompt(), endpoint, shape, stream=stream, deadline=deadline)
    outcome = within_deadline(case, running, space, deadline)

    expect_error(outcome, because="the deadline is over")
    begun = outcome.entered_at or 0.0
    journal = space.journal()
    bound = case.patience(journal).soon(deadline + GRAIN)
    starts = [exchange.received_at - begun for exchange in journal.generations]
    late = [at for at in starts if at > bound]
    expect(
        not late,
        expected=f"no attempt after the deadline of {deadline} s",
        observed=f"attempts at {', '.join(f'{at:.3f}' for at in late)} s",
        journal=space.journal(),
    )


def within_deadline(case: Case, running: Running, space: Space, deadline: float) -> Outcome:
    """The outcome of a call, which must end by its deadline; one that does not is given up."""
    outcome = running.wait_briefly(deadline + case.patience(space.journal()).soon())
    if outcome is None:
        running.call.abandon()
        raise ClauseFailed(
            f"the call ends by its deadline of {deadline} s", "it goes on", timeline(space.journal())
        )
    return outcome
