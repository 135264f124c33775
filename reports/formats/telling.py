"""A cause and a red case in plain text, the same in each format for machines. Pure."""

from typing import Final

from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.causes.cause import Cause
from tgi_conformance.reports.readable import visible
from tgi_conformance.reports.repro import repro_command
from tgi_conformance.reports.run import RunInfo

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


def ruling_told(verdict: Verdict) -> str:
    """The ruling and its reason, as ``failed: expected 1 request; observed 2``; line breaks stay."""
    reason = verdict.reason or verdict.observed
    return f"{verdict.ruling}: {reason}" if reason else str(verdict.ruling)


def shown_by(info: RunInfo, verdict: Verdict, cause: Cause | None) -> tuple[tuple[str, str], ...]:
    """What a red case showed and what to do, as rows of a name and a text; empty texts are for nobody."""
    return (
        ("in the backend", cause.place if cause else ""),
        ("to do", cause.advice if cause else ""),
        ("expected", verdict.expected),
        ("observed", verdict.observed),
        ("blocked by", verdict.blocked_by),
        ("unsteady", verdict.unsteady),
        ("again", repro_command(info, verdict) if verdict.red else ""),
        ("test", verdict.nodeid),
    )
