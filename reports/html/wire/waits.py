"""When a client may come back: by the Retry-After of an answer, and by what the verdict expected."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from tgi_conformance.reports.html.wire.answers import AnswerText

#: "the client's own first wait of at least 0.020 s", "a second wait of at least 0.320 s".
_OWN_WAIT: Final = re.compile(r"\b(first|second|third) wait of at least (\d+(?:\.\d+)?) s")
_ORDER: Final[Mapping[str, int]] = {"first": 0, "second": 1, "third": 2}
#: "wait 0 within 0.010 to 0.030 s": a wait of the client's own, between two bounds.
_BETWEEN: Final = re.compile(r"\bwait (\d{1,3}) within (\d+(?:\.\d+)?) to (\d+(?:\.\d+)?) s\b")
#: "3 requests with key A within 5.0 s": a request that had to come by then.
_SOON: Final = re.compile(r"\b(\d{1,6}) requests?\b[^;:]{0,60} within (\d+(?:\.\d+)?) s\b")
_LEAST: Final = re.compile(r"(?:no attempt for|at least) (\d+(?:\.\d+)?) s(?: between attempts)?")


def asked_wait(answer: AnswerText) -> float | None:
    """Seconds that an answer asks the client to wait; None where it does not, or in no form that counts.

    A date counts from the answer's own ``date``: the journal's clock knows no time of day. Since that one is
    cut to whole seconds, the wait is up to a second shorter than the two tell: the least is given.
    """
    value = (answer.header("retry-after") or "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    until, now = _moment(value), _moment(answer.header("date") or "")
    return None if until is None or now is None else max(0.0, (until - now).total_seconds() - 1)


def own_waits(expected: str) -> Mapping[int, float]:
    """The client's own waits that a verdict expected: number of the wait, from 0, to seconds at least."""
    return {_ORDER[found[1]]: float(found[2]) for found in _OWN_WAIT.finditer(expected)}


def bounded_waits(expected: str) -> Mapping[int, tuple[float, float]]:
    """The client's own waits that a verdict expected between two bounds, in seconds, by number from 0."""
    return {int(found[1]): (float(found[2]), float(found[3])) for found in _BETWEEN.finditer(expected)}


def latest(expected: str) -> tuple[int, float] | None:
    """How many requests a verdict expected, and within how many seconds; None where it says no such thing."""
    found = _SOON.search(expected)
    return (int(found[1]), float(found[2])) if found else None


def least_wait(expected: str) -> float | None:
    """Seconds that a verdict expected between attempts, where it says so in general."""
    if _OWN_WAIT.search(expected) or _BETWEEN.search(expected):
        return None
    found = _LEAST.search(expected)
    return float(found[1]) if found else None


def _moment(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
