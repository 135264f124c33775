"""A cause in one or two sentences of plain text, the same in each format of this folder. Pure."""

from typing import Final

from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.causes.cause import Cause
from tgi_conformance.reports.readable import visible

#: Characters of one text of a backend that a message shows; the reports of the run have it all.
LONGEST: Final = 600
_MOST_CLAUSES: Final = 6


def one_line(text: str, longest: int = LONGEST) -> str:
    """The text on one line, control characters made visible, cut with a sign where it is very long."""
    line = " ".join(visible(text[: 2 * longest]).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def told(cause: Cause) -> str:
    """What the user of the client suffers, how often it was seen, and what to change."""
    sentence = one_line(cause.sentence).rstrip(".")
    shown = ", ".join(cause.clauses[:_MOST_CLAUSES])
    more = len(cause.clauses) - _MOST_CLAUSES
    clauses = f"{shown} and {more} more" if more > 0 else shown
    advice = f" {one_line(cause.advice)}" if cause.advice else ""
    blocked = f", {len(cause.blocked)} blocked" if cause.blocked else ""
    return f"{sentence} ({count(len(cause.verdicts), 'case')}{blocked}: {clauses}).{advice}"


def count(number: int, noun: str) -> str:
    """``1 case``, ``3 cases``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def observed(verdict: Verdict) -> str:
    """What a case saw, on one line."""
    return one_line(verdict.observed or verdict.reason)
