"""The tables of the summary: rulings by area, and the keys of the results map."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.text import Text

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS
from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.ruling_marks import MARKS
from tgi_conformance.reports.terminal.lines import hanging, paragraph


def areas(verdicts: Sequence[Verdict], *, width: int | None) -> Iterator[Text]:
    """One row an area, one column a ruling that occurs; in words where the columns do not fit."""
    columns = [ruling for ruling in MARKS if any(v.ruling is ruling for v in verdicts)]
    by_area: dict[str, Counter[Ruling]] = {area.name: Counter() for area in load_catalogue().areas}
    for verdict in verdicts:
        by_area.setdefault(_area(verdict), Counter())[verdict.ruling] += 1
    rows = [(area, counts) for area, counts in by_area.items() if counts]
    rows.append(("all", Counter(v.ruling for v in verdicts)))
    widths = {ruling: max(len(ruling), 6) for ruling in columns}
    if width is not None and 10 + sum(2 + each for each in widths.values()) > width:
        yield from (line for area, counts in rows for line in _in_words(area, counts, width))
        return
    yield Text.assemble(
        "  ", ("area    ", "bold"), *((f"  {ruling:>{widths[ruling]}}", "bold") for ruling in columns)
    )
    for area, counts in rows:
        cells = [
            (
                f"  {counts[ruling] or '.':>{widths[ruling]}}",
                MARKS[ruling].colour if counts[ruling] else "dim",
            )
            for ruling in columns
        ]
        yield Text.assemble("  ", (f"{area:<8}", "bold" if area == "all" else ""), *cells)


def _in_words(area: str, counts: Counter[Ruling], width: int) -> list[Text]:
    text = ", ".join(f"{counts[ruling]} {ruling}" for ruling in MARKS if counts[ruling])
    return hanging(Text(f"  {area:<8}", "bold" if area == "all" else ""), text, width=width, indent=10)


def keys(results: ResultsMap, *, width: int | None) -> Iterator[Text]:
    """The 22 keys in columns; without a width one a line."""
    longest = max(map(len, RESULTS_KEYS)) + 4
    columns = 1 if width is None else max(1, (width - 2) // longest)
    done = len(results.values)
    left_out = len(RESULTS_KEYS) - done
    aside = f", {left_out} left out" if left_out else ""
    failed = len(results.failed)
    head = f"results map: {done - failed} Success, {failed} Failed{aside}"
    yield from paragraph(head, width=width, indent=2, style="bold")
    rows = -(-len(RESULTS_KEYS) // columns)
    for row in range(rows):
        cells = [_key(key, results) for key in RESULTS_KEYS[row::rows]]
        line = Text("  ")
        for cell in cells:
            cell.pad_right(max(0, longest - len(cell.plain)))
            line.append_text(cell)
        line.rstrip()
        yield line
    for key in results.unclear:
        yield from paragraph(
            f"{key} is left out: {results.left_out[key]}", width=width, indent=2, style="yellow"
        )


def _key(key: str, results: ResultsMap) -> Text:
    result = results.values.get(key)
    if result is None:
        return Text(f"- {key}", "bright_black")
    return Text(f"✓ {key}", "green") if result == "Success" else Text(f"✗ {key}", "bold red")


def _area(verdict: Verdict) -> str:
    return verdict.area or verdict.clause.partition("-")[0]
