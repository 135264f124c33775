"""How rulings are shown: one table for terminal and page, so that both say the same.

A mark and a word always go with a colour; nothing is said by colour alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tgi_conformance.contracts.verdict import DECIDED, FOR_TIME, RED, Ruling, Verdict
from tgi_conformance.reports.blocked import blocked_in_words

Tone = Literal["good", "bad", "warn", "info", "mute"]


@dataclass(frozen=True, slots=True)
class Mark:
    """One ruling's sign, its tone, and its column head."""

    sign: str
    tone: Tone
    #: Rich's name of the colour on a terminal.
    colour: str


MARKS: Final[Mapping[Ruling, Mark]] = {
    Ruling.PASSED: Mark("✓", "good", "green"),
    Ruling.FAILED: Mark("✗", "bad", "red"),
    Ruling.BLOCKED: Mark("⊘", "bad", "red"),
    Ruling.UNTESTABLE: Mark("?", "bad", "red"),
    Ruling.NOT_RUN: Mark("∅", "bad", "red"),
    Ruling.KIT_FAULT: Mark("⚠", "bad", "magenta"),
    Ruling.ADVISORY: Mark("!", "warn", "yellow"),
    Ruling.EXPECTED: Mark("≈", "warn", "yellow"),
    Ruling.RECORDED: Mark("•", "info", "cyan"),
    Ruling.NOT_APPLICABLE: Mark("-", "mute", "bright_black"),
    Ruling.NOT_HERE: Mark("○", "mute", "bright_black"),
}
"""In the order of columns and of weight for a summary."""

_WEIGHT: Final = (
    *(Ruling.KIT_FAULT, Ruling.FAILED, Ruling.BLOCKED, Ruling.UNTESTABLE, Ruling.NOT_RUN),
    *(Ruling.ADVISORY, Ruling.EXPECTED, Ruling.PASSED, Ruling.RECORDED),
    *(Ruling.NOT_HERE, Ruling.NOT_APPLICABLE),
)


def heaviest(verdicts: Iterable[Verdict]) -> Ruling:
    """The ruling that a group of cases is shown by; of no cases: not run."""
    found = {verdict.ruling for verdict in verdicts}
    return next((ruling for ruling in _WEIGHT if ruling in found), Ruling.NOT_RUN)


@dataclass(frozen=True, slots=True)
class Words:
    """The verdict on one backend in words."""

    tone: Tone
    title: str
    detail: str


def in_words(verdicts: tuple[Verdict, ...], claims: str) -> Words:
    """Say what the cases show of a backend: a title of two or three words, and a sentence."""
    failed = [verdict for verdict in verdicts if verdict.ruling is Ruling.FAILED]
    other_red = [verdict for verdict in verdicts if verdict.ruling in RED - {Ruling.FAILED, Ruling.BLOCKED}]
    blocked = blocked_in_words(verdicts)
    decided = sum(verdict.ruling in DECIDED for verdict in verdicts)
    expected = sum(verdict.ruling is Ruling.EXPECTED for verdict in verdicts)
    advisory = sum(verdict.ruling is Ruling.ADVISORY for verdict in verdicts)
    for_time = sum(verdict.reason.startswith(FOR_TIME) for verdict in verdicts)
    aside = f"; {_cases(advisory)} against a SHOULD" if advisory else ""
    aside += f"; {_cases(for_time)} {FOR_TIME}" if for_time else ""
    known_too = f"; {_cases(expected)} expected to fail" if expected else ""
    end = f"{aside}; it {claims}."
    unclear = [f"{_cases(len(other_red))} could not be decided"] if other_red else []
    if failed:
        clauses = len({verdict.clause for verdict in failed})
        where = f"in {clauses} clause{'' if clauses == 1 else 's'}"
        broken = f"{len(failed)} of {_cases(decided)} decided failed, {where}"
        return Words("bad", "Does not conform", "; ".join((broken, *blocked, *unclear)) + known_too + end)
    if blocked or unclear:
        return Words("bad", "Not settled", "; ".join((*blocked, *unclear)) + known_too + end)
    if expected:
        known = f"{expected} of {_cases(decided)} decided fail as expected, the others are as they must be"
        return Words("warn", "Known failures", known + end)
    if not decided:
        return Words("mute", "Nothing judged", "No case applied or was run.")
    return Words("good", "Conforms", f"All of {_cases(decided)} decided are as they must be{end}")


def _cases(count: int) -> str:
    return f"{count} case{'' if count == 1 else 's'}"
