"""The folder of a run: opened before the first case, written after the last, also after Ctrl-C."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.contracts.redaction import redact, redact_verdict
from tgi_conformance.reports.comparison import Comparison, compare
from tgi_conformance.reports.evidence_files import write_evidence
from tgi_conformance.reports.finished import FinishedRun
from tgi_conformance.reports.gate import Gate, judge
from tgi_conformance.reports.layout import FILES, Layout
from tgi_conformance.reports.results_map import ResultsMap, roll_up
from tgi_conformance.reports.run import Run, RunInfo
from tgi_conformance.reports.writing.all_formats import write_formats
from tgi_conformance.reports.writing.exchange import forget, settle
from tgi_conformance.reports.writing.folder_lock import FolderInUse, lock
from tgi_conformance.reports.writing.formats import FORMATS
from tgi_conformance.reports.writing.guard import Unwritten, attempt
from tgi_conformance.reports.writing.stream import VerdictStream

__all__ = ["Layout", "Written", "open_folder", "write_all", "write_evidence"]


@dataclass(frozen=True, slots=True)
class Written:
    """What a run left: its files in the order of writing, and each map that was compared."""

    paths: tuple[Path, ...]
    comparison: tuple[Comparison, ...] = ()
    #: The maps, also of a narrowed run, which writes none.
    maps: tuple[ResultsMap, ...] = ()
    #: What could not be written.
    unwritten: tuple[Unwritten, ...] = ()


class FolderProblem(Exception):
    """The folder for the results cannot be used: says why, and what to do."""


class RunFolder:
    """The folder of a run that goes on: locked, with the verdicts so far on disk."""

    def __init__(self, layout: Layout, handle: IO[str], remarks: tuple[str, ...]) -> None:
        self._handle = handle
        self.remarks = remarks
        self.stream = VerdictStream(layout.verdicts)

    def close(self) -> None:
        """Let other runs in."""
        self._handle.close()


def open_folder(root: Path) -> RunFolder:
    """Make the folder and lock it; what a run that was cut short left there becomes that of a narrowed run.

    Raises :class:`FolderProblem` where it cannot be used, before any case has run.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = lock(root)
    except FolderInUse as problem:
        raise FolderProblem(str(problem)) from None
    except OSError as error:
        raise FolderProblem(_unusable(root, error)) from error
    layout = Layout(root, unfinished=True)
    try:
        remarks = _recovered(layout)
        layout.base.mkdir(exist_ok=True)
    except OSError as error:
        handle.close()
        raise FolderProblem(_unusable(root, error)) from error
    return RunFolder(layout, handle, remarks)


def _unusable(root: Path, error: OSError) -> str:
    blocking = next((path for path in (root, *root.parents) if path.exists() and not path.is_dir()), None)
    why = f"{blocking} is a file" if blocking else (error.strerror or str(error))
    return f"{root} cannot hold the results: {why}; choose another folder with --results"


def _recovered(layout: Layout) -> tuple[str, ...]:
    """Put what a run left that was cut short to the narrowed runs; returns what is to be said of it."""
    narrowed = replace(layout, narrowed=True)
    if not layout.verdicts.is_file():
        forget(layout.base)
        return ()
    settle(narrowed, (path for name in sorted(FILES) if (path := layout.base / name).is_file()))
    return (f"the run before was cut short; what it had decided is in {narrowed.settled.verdicts}",)


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

    The files are written apart, and take their places when all are there. Never raises: what cannot be
    written is told in the result. Without ``gate`` the run is judged by its verdicts alone. A narrowed run
    writes no map and is compared with none. ``asked`` and ``environment`` are for the formats that must be
    asked for.
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
    layout = layout_of(run.info, folder)
    finished = FinishedRun(
        run=run,
        gate=gate or judge(run),
        maps=tuple(roll_up(run.verdicts, backend.name) for backend in run.backends),
        layout=layout,
        asked=asked,
        environment=environment,
    )
    paths, unwritten = write_formats(FORMATS, finished)
    if layout.verdicts not in paths and layout.verdicts.is_file():
        paths = (layout.verdicts, *paths)  # as they came: all but what is ruled over the whole run
    settled: list[Path] = []
    unsettled = attempt(f"the files in {layout.settled.base}", lambda: settled.extend(settle(layout, paths)))
    unsettled = tuple(replace(fault, advice=f"what was written is in {layout.base}") for fault in unsettled)
    return Written(
        paths=tuple(settled) if not unsettled else paths,
        comparison=tuple(_compared(layout, finished.maps, expected)),
        maps=finished.maps,
        unwritten=(*unwritten, *unsettled),
    )


def layout_of(info: RunInfo, folder: Path) -> Layout:
    """Where the files of a run are written before they change places with those of the run before."""
    return Layout(folder, narrowed=info.narrowed, quick=info.profile == "quick", unfinished=True)


def _redacted(run: Run) -> Run:
    """The run as its files may show it. Aliases were put in by the workers; whatever slipped by goes here."""
    info = from_json(RunInfo, redact(to_json(run.info), {}))
    # Names tie the verdicts to their backend.
    backends = tuple(
        replace(clean, name=backend.name)
        for clean, backend in zip(info.backends, run.info.backends, strict=True)
    )
    verdicts = tuple(redact_verdict(verdict, {}) for verdict in run.verdicts)
    return Run(replace(info, backends=backends), verdicts)


def _compared(layout: Layout, maps: tuple[ResultsMap, ...], expected: Path | None) -> Iterator[Comparison]:
    if expected is None or layout.narrowed:
        return
    for results in maps:
        comparison = compare(results, expected / layout.results_map(results.backend).name)
        if comparison is not None:
            yield comparison
