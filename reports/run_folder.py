"""Writes all files of a run: the last step of the controller, also after Ctrl-C."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.contracts.redaction import redact, redact_verdict
from tgi_conformance.reports.comparison import Comparison, compare
from tgi_conformance.reports.evidence_files import clean_evidence, write_evidence
from tgi_conformance.reports.finished import FinishedRun
from tgi_conformance.reports.gate import Gate, judge
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.results_map import ResultsMap, roll_up
from tgi_conformance.reports.run import Run, RunInfo
from tgi_conformance.reports.writing.all_formats import write_formats
from tgi_conformance.reports.writing.formats import FORMATS
from tgi_conformance.reports.writing.guard import Unwritten, attempt

__all__ = ["Layout", "Written", "prepare", "write_all", "write_evidence"]


@dataclass(frozen=True, slots=True)
class Written:
    """What a run left: its files in the order of writing, and each map that was compared."""

    paths: tuple[Path, ...]
    comparison: tuple[Comparison, ...] = ()
    #: The maps, also of a narrowed run, which writes none.
    maps: tuple[ResultsMap, ...] = ()
    #: What could not be written.
    unwritten: tuple[Unwritten, ...] = ()


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


def write_all(
    run: Run,
    folder: Path,
    expected: Path | None = None,
    *,
    gate: Gate | None = None,
    asked: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Written:
    """Write a run in all formats that are wanted, and compare its maps with those of the folder ``expected``.

    Never raises: what cannot be written is told in the result. Without ``gate`` the run is judged by its
    verdicts alone. A narrowed run writes no map and is compared with none. ``asked`` and ``environment`` are
    for the formats that must be asked for.
    """
    parts: list[Written] = []
    faults = attempt(
        f"the files in {folder}",
        lambda: parts.append(_written(run, folder, expected, gate, asked or {}, environment or {})),
    )
    return parts[0] if parts else Written((), unwritten=faults)


def _written(
    run: Run,
    folder: Path,
    expected: Path | None,
    gate: Gate | None,
    asked: Mapping[str, str],
    environment: Mapping[str, str],
) -> Written:
    run = _redacted(run)
    layout = Layout(folder, run.info.narrowed)
    finished = FinishedRun(
        run=run,
        gate=gate or judge(run),
        maps=tuple(roll_up(run.verdicts, backend.name) for backend in run.backends),
        layout=layout,
        asked=asked,
        environment=environment,
    )
    paths, unwritten = write_formats(FORMATS, finished)
    return Written(paths, tuple(_compared(layout, finished.maps, expected)), finished.maps, unwritten)


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


def _compared(layout: Layout, maps: tuple[ResultsMap, ...], expected: Path | None) -> Iterator[Comparison]:
    if expected is None or layout.narrowed:
        return
    for results in maps:
        comparison = compare(results, expected / layout.results_map(results.backend).name)
        if comparison is not None:
            yield comparison
