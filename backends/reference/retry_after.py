"""The Retry-After header (RFC 9110, 10.2.3) as a number of seconds, or nothing."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_LONGEST_FIGURE: Final = 15
FAR_FUTURE: Final = 1e15
"""Stands for a figure that no clock holds; it is beyond every limit, as the figure itself is."""

_ASCTIME: Final = "%a %b %d %H:%M:%S %Y"


def parse_retry_after(lines: Sequence[str], now: float) -> float | None:
    """Return the seconds to wait, or ``None`` where the header is absent or says nothing usable.

    ``lines`` are the values of all header lines: two lines contradict each other and count as
    none. ``now`` is the wall clock in seconds since 1970. A date in the past says nothing.
    """
    if len(lines) != 1:
        return None
    value = lines[0].strip(" \t")
    if _SECONDS.fullmatch(value):
        whole = value.partition(".")[0].lstrip("0")
        return FAR_FUTURE if len(whole) > _LONGEST_FIGURE else float(value)
    date = _parse_date(value)
    if date is None:
        return None
    wait = date.timestamp() - now
    return wait if wait > 0 else None


def _parse_date(value: str) -> datetime | None:
    """Read the three forms of RFC 9110, 5.6.7: IMF-fixdate, RFC 850 and asctime."""
    try:
        return datetime.strptime(value, _ASCTIME).replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
