"""GitHub Actions: the summary of a step, as Markdown, and annotations in its log. Pure."""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS
from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.causes.by_case import CausesByCase
from tgi_conformance.reports.causes.cause import Cause
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.finished import FinishedRun
from tgi_conformance.reports.formats.place import place_of
from tgi_conformance.reports.formats.telling import count, observed, one_line, told
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.ruling_marks import in_words
from tgi_conformance.reports.run import BackendInfo, Run

#: Bytes that GitHub takes as the summary of one step; beyond it shows nothing of it.
STEP_SUMMARY_LIMIT: Final = 1024 * 1024
#: Annotations of one kind that GitHub shows for a step.
MOST_ANNOTATIONS: Final = 10
#: Left for the last line, which says what is not shown.
_RESERVE: Final = 400
#: Rows of the table, and cases of a cause: a page that is read, not searched.
_MOST_CAUSES: Final = 100
_MOST_CASES: Final = 20
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+!|~>@:])")


def is_on_github(environment: Mapping[str, str]) -> bool:
    """Whether this runs in GitHub Actions, which sets the variable to ``true``."""
    return environment.get("GITHUB_ACTIONS") == "true"


def step_summary(finished: FinishedRun, *, room: int = STEP_SUMMARY_LIMIT) -> str:
    """Markdown of at most ``room`` bytes: verdict, causes, keys, then the cases of each cause."""
    parts = list(_parts(finished))
    kept, used = 0, _RESERVE
    for part in parts:
        used += len(part.encode())
        if used > room:
            break
        kept += 1
    text = "".join(parts[:kept])
    if kept == len(parts) or room < _RESERVE:
        return text
    return f"{text}\n*{count(len(parts) - kept, 'part')} did not fit; `report.html` has it all.*\n"


def annotations(run: Run, root: Path) -> tuple[str, ...]:
    """Commands for the log, one a cause, worst first; the last counts those that GitHub would not show."""
    found = [(run.info.backend(backend), cause) for backend, cause in CausesByCase(run)]
    shown = found if len(found) <= MOST_ANNOTATIONS else found[: MOST_ANNOTATIONS - 1]
    lines = [_annotation(backend, cause, root) for backend, cause in shown]
    if rest := found[len(shown) :]:
        cases = count(sum(len(cause.verdicts) for _, cause in rest), "case")
        more = f"{count(len(rest), 'more cause')} behind {cases}"
        lines.append(f"::error title=TGI conformance::{more}, see the report")
    return tuple(lines)


def _annotation(backend: BackendInfo, cause: Cause, root: Path) -> str:
    place = place_of(cause, backend.spec, root)
    title = f"{cause.severity} ({backend.name})"
    where = f"file={_property(place.file)},line={place.line},title={_property(title)}"
    return f"::error {where}::{_data(told(cause))}"


def _data(text: str) -> str:
    return one_line(text, 4_000).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _parts(finished: FinishedRun) -> Iterator[str]:
    maps = {results.backend: results for results in finished.maps}
    for backend in finished.run.backends:
        causes = tuple(causes_of(finished.run, backend.name))
        yield _head(finished.run, backend)
        if causes:
            yield _table(causes)
        yield _keys(maps.get(backend.name, ResultsMap(backend=backend.name)))
        yield from (_cases(cause) for cause in causes)
    yield f"\nExit code {finished.gate.code}: {_cell(finished.gate.meaning)}\n"
    debt = finished.run.info.debt
    if debt is not None:
        yield f"\n{_cell(debt.in_words)}\n"


def _head(run: Run, backend: BackendInfo) -> str:
    words = in_words(run.of(backend.name), backend.claims)
    sign = {"good": "✅", "bad": "❌"}.get(words.tone, "⚪")
    headline = causes_of(run, backend.name).headline
    told_causes = f" **{headline}.**" if headline else ""
    name = _cell(f"{backend.name} {backend.version}")
    return f"\n## {sign} {name}: {words.title}\n\n{_cell(words.detail)}{told_causes}\n"


def _table(causes: Sequence[Cause]) -> str:
    rows = [
        "\n| | what a user suffers | cases | clauses | where | what to change |",
        "|---|---|---|---|---|---|",
    ]
    for cause in causes[:_MOST_CAUSES]:
        clauses = ", ".join(map(_cell, cause.clauses))
        cells = (_cell(cause.severity), _cell(cause.sentence), str(len(cause.verdicts)), clauses)
        rows.append(f"| {' | '.join((*cells, _cell(cause.place), _cell(cause.advice)))} |")
    more = len(causes) - _MOST_CAUSES
    rest = f"\n{count(more, 'more cause')}: see `report.html`.\n" if more > 0 else ""
    return "\n".join(rows) + f"\n{rest}"


def _keys(results: ResultsMap) -> str:
    rows = [f"| {_cell(key)} | {results.values[key]} |" for key in RESULTS_KEYS if key in results.values]
    head = f"{len(results.values) - len(results.failed)} of {count(len(results.values), 'key')} Success"
    table = "\n".join(("| key | result |", "|---|---|", *rows))
    return f"\n<details><summary>Results map: {head}</summary>\n\n{table}\n\n</details>\n" if rows else ""


def _cases(cause: Cause) -> str:
    shown = [_case(verdict) for verdict in cause.verdicts[:_MOST_CASES]]
    more = len(cause.verdicts) - len(shown)
    rest = [f"- {count(more, 'more case')}"] if more else []
    head = f"{_cell(cause.sentence).rstrip('.')}: {count(len(cause.verdicts), 'case')}"
    body = "\n".join((*shown, *rest))
    return f"\n<details><summary>{head}</summary>\n\n{body}\n\n</details>\n"


def _case(verdict: Verdict) -> str:
    expected = f", expected {_cell(verdict.expected)}" if verdict.expected else ""
    return f"- {_cell(verdict.case)}: {_cell(observed(verdict))}{expected}"


def _cell(text: str) -> str:
    """Text that stays text in a cell of a table: neither Markdown nor HTML is left in it."""
    return _MARKDOWN.sub(r"\\\1", html.escape(one_line(text), quote=False))
