"""Writes all files of a run: the last step of the controller, also after Ctrl-C."""

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.redaction import redact, redact_verdict
from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.atomic import write_json, write_text
from tgi_conformance.reports.comparison import Comparison, compare
from tgi_conformance.reports.evidence_files import clean_evidence, write_evidence
from tgi_conformance.reports.gate import Gate, judge
from tgi_conformance.reports.html.page import render_html
from tgi_conformance.reports.junit import render_junit
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.markdown.report import render_markdown
from tgi_conformance.reports.results_map import ResultsMap, roll_up
from tgi_conformance.reports.run import Run, RunInfo
from tgi_conformance.reports.verdict_lines import write_verdicts

__all__ = ["Layout", "Written", "prepare", "write_all", "write_evidence"]


@dataclass(frozen=True, slots=True)
class Written:
    """What a run left: its files in the order of writing, and each map that was compared."""

    paths: tuple[Path, ...]
    comparison: tuple[Comparison, ...] = ()
    #: The maps, also of a narrowed run, which writes none.
    maps: tuple[ResultsMap, ...] = ()


def prepare(folder: Path, *, narrowed: bool = False) -> Layout:
    """Make the folder and delete the evidence of earlier runs of its layout; the controller calls it, once.

    Raises ``OSError`` where the folder cannot be made or written to, before any case has run.
    """
    layout = Layout(folder, narrowed)
    layout.base.mkdir(parents=True, exist_ok=True)
    if not os.access(layout.base, os.W_OK | os.X_OK):
        raise PermissionError(f"{layout.base}: no permission to write; choose another folder for the results")
    clean_evidence(layout)
    return layout


def write_all(run: Run, folder: Path, expected: Path | None = None, *, gate: Gate | None = None) -> Written:
    """Write all files of a run, each atomically, and compare its maps with those of the folder ``expected``.

    The data files come first, so that a defect of the page costs the page only. Without ``gate`` the run is
    judged by its verdicts alone. A narrowed run writes no map and is compared with none.
    """
    run = _redacted(run)
    gate = gate or judge(run)
    layout = Layout(folder, run.info.narrowed)
    maps = tuple(roll_up(run.verdicts, backend.name) for backend in run.backends)
    paths = [write_verdicts(layout.verdicts, run.verdicts)]
    if not layout.narrowed:
        paths += _write_maps(run, layout, maps)
    paths.append(write_json(layout.run, _run_json(run, gate)))
    paths.append(write_text(layout.junit, render_junit(run)))
    paths.append(write_text(layout.report, render_html(run, maps, gate, layout)))
    paths.append(write_text(layout.markdown, render_markdown(run, layout, Path.cwd())))
    return Written(tuple(paths), tuple(_compared(layout, maps, expected)), maps)


def _redacted(run: Run) -> Run:
    """The run as its files may show it. Aliases were put in by the workers; whatever slipped by goes here."""
    info = from_json(RunInfo, redact(to_json(run.info), {}))
    # Names tie the verdicts to their backend.
    backends = tuple(
        dataclasses.replace(clean, name=backend.name)
        for clean, backend in zip(info.backends, run.info.backends, strict=True)
    )
    verdicts = tuple(redact_verdict(verdict, {}) for verdict in run.verdicts)
    return Run(dataclasses.replace(info, backends=backends), verdicts)


def _write_maps(run: Run, layout: Layout, maps: tuple[ResultsMap, ...]) -> Iterator[Path]:
    for results in maps:
        yield write_json(layout.results_map(results.backend), dict(results.values))
        more = _more_results(run, results)
        yield write_json(layout.more_results(results.backend), more)


def _more_results(run: Run, results: ResultsMap) -> Mapping[str, JSON]:
    backend = run.info.backend(results.backend)
    return {
        "backend": backend.name,
        "version": backend.version,
        "claims": backend.claims,
        "claimed": [name for name in CAPABILITIES if name in backend.claimed],
        "not_claimed": [name for name in CAPABILITIES if name not in backend.claimed],
        "hidden": list(backend.hidden),
        "results": dict(results.more),
        "left_out": dict(results.left_out),
        "rulings": counts(run.of(backend.name)),
        "seed": run.info.seed,
        "profile": run.info.profile,
        "ended": run.info.ended,
    }


def counts(verdicts: tuple[Verdict, ...]) -> dict[str, int]:
    """Ruling to number of cases, only those that occur, in the order of their first case."""
    return dict(Counter(str(verdict.ruling) for verdict in verdicts))


def _run_json(run: Run, gate: Gate) -> JSON:
    info = run.info
    fields = {field.name: to_json(getattr(info, field.name)) for field in dataclasses.fields(info)}
    return {
        **fields,
        "exit_code": gate.code,
        "meaning": gate.meaning,
        "reasons": list(gate.reasons),
        "rulings": {backend.name: counts(run.of(backend.name)) for backend in run.backends},
    }


def _compared(layout: Layout, maps: tuple[ResultsMap, ...], expected: Path | None) -> Iterator[Comparison]:
    if expected is None or layout.narrowed:
        return
    for results in maps:
        comparison = compare(results, expected / layout.results_map(results.backend).name)
        if comparison is not None:
            yield comparison
