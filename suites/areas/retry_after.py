"""Retry-After held against the wire: no attempt comes before it is over, whichever form the header has."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.suites.areas.refusals import retry_after_weighed
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import expect
from tgi_conformance.suites.harness.policy import EARLY, in_seconds


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


def expect_none_before(case: Case, journal: Journal, moment: datetime) -> None:
    """No attempt but the first comes before that moment.

    The moment binds, not a wait: on a busy machine the refusal itself goes out late.
    """
    wall = time.time() - time.monotonic()
    early = [moment.timestamp() - wall - again.first_byte_at for again in journal.generations[1:]]
    with retry_after_weighed(case):
        expect(
            all(seconds <= EARLY for seconds in early),
            expected=f"no attempt before the moment that Retry-After names ({as_header(moment)})",
            observed="attempts " + ", ".join(f"{seconds:.3f} s" for seconds in early) + " before it",
            journal=journal,
        )
