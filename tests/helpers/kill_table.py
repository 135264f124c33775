"""The kill matrix as values: a row for each mutant, the table, and whether the suites are sharp enough."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

#: Of the mutants that are killed, how many in a hundred must be so by the clause that they were written for.
BY_OWN_CLAUSE = 95
#: The most other clauses that a mutant may redden, at the median.
BLAST_RADIUS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """What one run of a mutant showed."""

    mutant: str
    breaks: str
    level: str
    #: Of the mutant's own file and those beside it that it is made with.
    source: str
    #: Of all else that the verdicts rest on.
    kit: str
    #: Whether cases that cannot reach the change were left out.
    selected: bool
    cases: int
    #: Clauses with a failed case, and those where the kit could not tell.
    red: tuple[str, ...]
    untestable: tuple[str, ...]
    seconds: float
    cpu: float = 0.0
    #: Why there is no result; empty: there is one.
    problem: str = ""

    @property
    def killed(self) -> bool:
        """Whether a clause failed."""
        return bool(self.red)

    @property
    def by_own(self) -> bool:
        """Whether the clause failed that the mutant was written for."""
        return self.breaks in self.red

    @property
    def others(self) -> tuple[str, ...]:
        """The other clauses that failed."""
        return tuple(clause for clause in self.red if clause != self.breaks)


def known(file: Path) -> dict[str, Row]:
    """Rows of earlier runs, the last of each mutant; one of another form is passed over."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    names = {field.name for field in fields(Row)}
    values = (value for value in map(json.loads, lines) if value.keys() == names)
    rows = (Row(**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}) for value in values)
    return {row.mutant: row for row in rows}


def table(rows: Iterable[Row]) -> list[str]:
    """The matrix as lines: mutant, its clause, whether that failed, how many others did, and which."""
    rows = list(rows)
    width = max((len(row.mutant) for row in rows), default=6)
    lines = [f"{'mutant':{width}}  {'breaks':9} own  others  cases  seconds  killed by"]
    for row in rows:
        own = "yes" if row.by_own else "NO"
        by = " ".join(row.red) or row.problem or "SURVIVED"
        doubt = f"  (undecided: {' '.join(row.untestable)})" if row.untestable else ""
        lines.append(
            f"{row.mutant:{width}}  {row.breaks:9} {own:3}  {len(row.others):6}  {row.cases:5}"
            f"  {row.seconds:7.1f}  {by}{doubt}"
        )
    return lines


def summary(rows: Sequence[Row]) -> tuple[list[str], bool]:
    """What stands under the table, and whether the suites are as sharp as they have to be."""
    killed = [row for row in rows if row.killed]
    others = [len(row.others) for row in killed] or [0]
    own = [row for row in killed if row.by_own]
    share = 100 * len(own) / len(killed) if killed else 0.0
    survivors = [row.mutant for row in rows if not row.killed]
    lines = [
        (
            f"killed {len(killed)} of {len(rows)}, "
            f"{len(own)} of them by the clause they were written for ({share:.1f} %)"
        ),
        f"blast radius: median {median(others):g} other clauses, most {max(others)}",
        f"survivors: {' '.join(survivors) or 'none'}",
        f"{sum(row.seconds for row in rows):.0f} s of runs, several at a time",
    ]
    return lines, not survivors and share >= BY_OWN_CLAUSE and median(others) <= BLAST_RADIUS
