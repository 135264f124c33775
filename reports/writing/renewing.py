"""Brings the results map of a whole run up to date after a run of its red cases: files in, files out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tgi_conformance.contracts.redaction import redact_verdict
from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.atomic import write_json
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.renewal import Renewal, differing, renewed
from tgi_conformance.reports.results_map import roll_up
from tgi_conformance.reports.run import Run, RunInfo
from tgi_conformance.reports.run_file import read_run_info
from tgi_conformance.reports.verdict_lines import read_verdicts, write_verdicts
from tgi_conformance.reports.writing.data_files import more_results


def renew_map(folder: Path, later: Run) -> Iterator[str]:
    """Renew the map of the folder's whole run with what a run of red cases decided; yields what was done.

    Raises ``OSError`` or ``ValueError`` where the files of the whole run cannot be read or written.
    """
    layout = Layout(folder)
    if not (layout.run.is_file() and layout.verdicts.is_file()):
        yield "no results map is renewed: there is no whole run in this folder"
        return
    whole = read_run_info(layout.run)
    if why := differing(whole, later.info):
        yield f"the results map is not renewed: {why}; run all cases"
        return
    renewal = renewed(read_verdicts(layout.verdicts).verdicts, _before(layout), later.verdicts)
    # The evidence of this run gives way to that of the next narrowed one.
    since = (redact_verdict(replace(v, evidence="", breaches=()), {}) for v in renewal.since)
    write_verdicts(layout.renewed, since)
    if left := renewal.undecided:
        cases = "1 case" if len(left) == 1 else f"{len(left)} cases"
        open_still = f"{cases} of the whole run not decided since, the first {left[0]}"
        yield f"the results map is not renewed: {open_still}"
        return
    for backend in whole.backends:
        yield _write(layout, whole, later.info, renewal, backend.name)


def _before(layout: Layout) -> tuple[Verdict, ...]:
    return read_verdicts(layout.renewed).verdicts if layout.renewed.is_file() else ()


def _write(layout: Layout, whole: RunInfo, later: RunInfo, renewal: Renewal, backend: str) -> str:
    results = roll_up(renewal.verdicts, backend)
    since = [verdict.case for verdict in renewal.since if verdict.backend == backend]
    beside = {
        **more_results(Run(whole, renewal.verdicts), results),
        "renewed": {
            "ended": later.ended,
            "version": later.backend(backend).version,
            "cases": sorted(since),
            "verdicts": layout.relative(layout.renewed),
        },
    }
    write_json(layout.results_map(backend), dict(results.values))
    write_json(layout.more_results(backend), beside)
    rest = sum(verdict.backend == backend for verdict in renewal.verdicts) - len(since)
    return f"the results map of {backend} is renewed: {len(since)} cases since, {rest} as of {whole.ended}"
