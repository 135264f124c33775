"""Why a run is red, clause by clause, as lines."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich.text import Text

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.reports.blocked import blocking_clauses
from tgi_conformance.reports.ruling_marks import MARKS
from tgi_conformance.reports.terminal.lines import hanging, one_line, plural

#: Rulings told clause by clause. What was blocked is told by its cause, what was not run by the gate.
TOLD: Final = RED - {Ruling.BLOCKED, Ruling.NOT_RUN}
#: Lines of reasons, for one screen.
MOST_REASONS: Final = 40
#: Different reasons of one clause that a terminal shows.
_MOST_OF_ONE: Final = 3
_INDENT: Final = 8


def reasons(
    verdicts: Sequence[Verdict], *, width: int | None = 100, most: int | None = MOST_REASONS
) -> list[Text]:
    """Why the run is red, grouped by clause, in at most ``most`` lines; None: all of it.

    What blocks other cases comes first, then MUST before the rest.

    Cases of one clause that failed for the same reason share a line.
    """
    told = [v for v in verdicts if v.ruling in TOLD]
    causes = blocking_clauses(verdicts)
    red = sorted(told, key=lambda v: (v.clause not in causes, v.level != "MUST", v.clause))
    groups = [list(group) for _, group in groupby(red, key=lambda v: v.clause)]
    lines: list[Text] = []
    for number, group in enumerate(groups):
        block = _clause_block(group, width, all_of_it=most is None)
        # The last line is kept for what does not fit.
        last = number + 1 == len(groups)
        if most is not None and len(lines) + len(block) > (most if last else most - 1):
            left = groups[number:]
            cases = sum(map(len, left))
            more = f"+{len(left)} more {plural(len(left), 'clause')} with {cases} {plural(cases, 'case')}"
            return [*lines, Text(f"  {more}: see report.html", "bold")]
        lines += block
    return lines


def _clause_block(group: Sequence[Verdict], width: int | None, *, all_of_it: bool) -> list[Text]:
    clause = group[0].clause
    catalogue = load_catalogue()
    statement = catalogue[clause].statement if clause in catalogue else ""
    head = Text.assemble("  ", (f"{clause} {group[0].level}", "bold"), "  ")
    title = Text.assemble(head, (one_line(statement), "dim"))
    if width is not None:  # `explain` prints it all
        title.truncate(width, overflow="ellipsis")
    lines = [title]
    by_reason: dict[tuple[Ruling, str], list[Verdict]] = {}
    for verdict in group:
        by_reason.setdefault((verdict.ruling, verdict.reason), []).append(verdict)
    shown = len(by_reason) if all_of_it else _MOST_OF_ONE
    for (ruling, reason), cases in list(by_reason.items())[:shown]:
        head = Text.assemble("    ", (_named(cases, all_of_them=all_of_it), MARKS[ruling].colour), "  ")
        lines += hanging(head, reason or str(ruling), width=width, indent=_INDENT)
    if rest := sum(len(cases) for cases in list(by_reason.values())[shown:]):
        lines.append(Text(f"    +{rest} more {plural(rest, 'case')} in report.html", "dim"))
    return lines


def _named(cases: Sequence[Verdict], *, all_of_them: bool) -> str:
    first = cases[0]
    slugs = [one_line(verdict.case.removeprefix(f"{verdict.clause}/")) for verdict in cases]
    more = f" +{len(slugs) - 1}" if len(slugs) > 1 else ""
    names = ", ".join(slugs) if all_of_them else f"{slugs[0]}{more}"
    unsteady = f" (unsteady {first.unsteady})" if first.unsteady else ""
    return f"{MARKS[first.ruling].sign} {names}{unsteady}"
