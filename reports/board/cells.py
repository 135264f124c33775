"""A cell of the board: what the cases of one area show of one client. Pure.

Only what was tried whole, and kept, is green: a cell with anything that is open says so instead.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tgi_conformance.contracts.verdict import DECIDED, Ruling, Verdict
from tgi_conformance.reports.board.suite import AreaSuite
from tgi_conformance.reports.ruling_marks import MARKS, Tone

#: What failed. A baseline makes nothing of it better; blocked cases fail with what blocks them.
_FAILING: Final = (Ruling.FAILED, Ruling.EXPECTED)
#: What applies, and could not be decided.
_OPEN: Final = (Ruling.UNTESTABLE, Ruling.NOT_RUN, Ruling.KIT_FAULT)


class State(StrEnum):
    """What a cell says, as a word."""

    RED = "red"
    UNTESTED = "untested"
    ADVISORY = "advisory"
    PASSED = "passed"
    NOT_CLAIMED = "not claimed"

    @property
    def sign(self) -> str:
        """The sign of the ruling that it stands for."""
        return MARKS[_RULINGS[self]].sign

    @property
    def tone(self) -> Tone:
        """Its colour. What was not tried has none."""
        return "mute" if self is State.UNTESTED else MARKS[_RULINGS[self]].tone

    @property
    def css(self) -> str:
        """A class of CSS."""
        return self.value.replace(" ", "-")


_RULINGS: Final[Mapping[State, Ruling]] = {
    State.RED: Ruling.FAILED,
    State.UNTESTED: Ruling.NOT_RUN,
    State.ADVISORY: Ruling.ADVISORY,
    State.PASSED: Ruling.PASSED,
    State.NOT_CLAIMED: Ruling.NOT_APPLICABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The cases of one area, counted; those that blocked ones hang on are counted where they are ruled."""

    area: str
    state: State
    #: Those that a baseline expects to fail among them.
    failed: int = 0
    blocked: int = 0
    #: Not run, untestable, or a mistake of the kit.
    undecided: int = 0
    advisory: int = 0
    passed: int = 0
    recorded: int = 0
    not_claimed: int = 0
    #: Not judged in this run: of another server, outside the requirement set.
    not_here: int = 0
    #: Of the suite of this kit: so many were decided.
    tried_clauses: int = 0
    tried_cases: int = 0
    #: Clauses of the suite of which the run says nothing.
    missing: tuple[str, ...] = ()
    #: What is to be said of a cell that is not green though nothing is wrong.
    note: str = ""

    @property
    def red(self) -> int:
        """Cases that make it red."""
        return self.failed + self.blocked

    @property
    def counts(self) -> tuple[tuple[int, str], ...]:
        """Each count that is not zero, with its word, the gravest first."""
        every = (
            (self.failed, "failed"),
            (self.blocked, "blocked"),
            (self.undecided, "undecided"),
            (self.advisory, "advisory"),
            (self.passed, "passed"),
            (self.recorded, "recorded"),
            (self.not_here, "not judged here"),
            (self.not_claimed, "not claimed"),
        )
        return tuple((count, word) for count, word in every if count)

    @property
    def in_words(self) -> str:
        """``red: 58 failed, 154 passed, 105 not claimed``."""
        counted = ", ".join(f"{count} {word}" for count, word in self.counts) or "no case"
        return f"{self.state}: {counted}{f'; {self.note}' if self.note else ''}"

    @property
    def short(self) -> str:
        """What a table has room for: how many cases are against the client; empty: none is."""
        numbers = {State.RED: self.red, State.ADVISORY: self.advisory}
        return str(numbers[self.state]) if self.state in numbers else ""


def cell_of(area: AreaSuite, verdicts: Sequence[Verdict], *, partly: str = "") -> Cell:
    """The cell of these verdicts, all of one area; ``partly`` says why the run left cases out."""
    counts = Counter(verdict.ruling for verdict in verdicts)
    decided = [verdict for verdict in verdicts if verdict.ruling in DECIDED]
    missing = tuple(sorted(area.clauses - {verdict.clause for verdict in verdicts}))
    state, note = _state(counts, missing, partly)
    return Cell(
        area=area.name,
        state=state,
        note=note,
        failed=_sum(counts, _FAILING),
        blocked=counts[Ruling.BLOCKED],
        undecided=_sum(counts, _OPEN),
        advisory=counts[Ruling.ADVISORY],
        passed=counts[Ruling.PASSED],
        recorded=counts[Ruling.RECORDED],
        not_claimed=counts[Ruling.NOT_APPLICABLE],
        not_here=counts[Ruling.NOT_HERE],
        tried_clauses=len(area.clauses & {verdict.clause for verdict in decided}),
        tried_cases=len(area.cases & {verdict.case for verdict in decided}),
        missing=missing,
    )


def _state(counts: Counter[Ruling], missing: Sequence[str], partly: str) -> tuple[State, str]:
    if _sum(counts, _FAILING) or counts[Ruling.BLOCKED]:
        return State.RED, ""
    if open_still := _why_open(counts, missing, partly):
        return State.UNTESTED, open_still
    if counts[Ruling.ADVISORY]:
        return State.ADVISORY, ""
    return (State.PASSED, "") if counts[Ruling.PASSED] else (State.NOT_CLAIMED, "")


def _why_open(counts: Counter[Ruling], missing: Sequence[str], partly: str) -> str:
    """Why an area without a failure cannot be called kept, in words; empty: nothing of it is open."""
    if not counts.total():
        return f"no case of it was run: {partly}" if partly else "no case of it was run"
    if count := _sum(counts, _OPEN):
        return f"{_cases(count)} could not be decided"
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        why = partly or "the run is of a kit that did not have it"
        return f"nothing is known of {missing[0]}{more}: {why}"
    applied = counts.total() - counts[Ruling.NOT_APPLICABLE]
    if applied and partly:
        return f"the run tried {partly}"
    if applied and not (counts[Ruling.PASSED] or counts[Ruling.ADVISORY]):
        return "nothing that applies was judged in this run"
    return ""


def _sum(counts: Counter[Ruling], rulings: Iterable[Ruling]) -> int:
    return sum(counts[ruling] for ruling in rulings)


def _cases(count: int) -> str:
    return f"{count} case{'' if count == 1 else 's'}"
