"""A run that is over, read from its folder or from one of its files."""

from dataclasses import dataclass
from pathlib import Path

from tgi_conformance.contracts.codec import DecodeError
from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.run import Run, RunInfo
from tgi_conformance.reports.run_file import read_run_info
from tgi_conformance.reports.verdict_lines import read_verdicts


class RecordedRunError(ValueError):
    """There is no run to be read; says where, and what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run, and where it stands."""

    run: Run
    #: The folder of its files; the evidence of its verdicts is relative to it.
    base: Path
    #: What is to be said of it: no ``run.json`` beside the verdicts, a last line that is cut off.
    warnings: tuple[str, ...] = ()


def read_recorded(place: Path) -> RecordedRun:
    """The run of a file, or of a results folder: the whole one, else the quick one, else the narrowed one.

    A ``verdicts.jsonl`` may stand alone: then little is known of how the run was made. Raises
    :class:`RecordedRunError`.
    """
    base = _base(place)
    verdicts, file = (place if place.suffix == ".jsonl" else base / "verdicts.jsonl"), base / "run.json"
    try:
        lines = read_verdicts(verdicts)
        info = read_run_info(file) if file.is_file() else None
    except (OSError, DecodeError, ValueError) as problem:
        raise RecordedRunError(f"{place} cannot be read: {problem}") from problem
    warnings = [lines.warning] if lines.warning else []
    if info is None:
        warnings.append(f"{file} is not there: versions, seed, claims and options are not compared")
    return RecordedRun(
        run=Run(info or _unknown(lines.verdicts), lines.verdicts), base=base, warnings=tuple(warnings)
    )


def _base(place: Path) -> Path:
    if place.is_file():
        return place.parent
    layouts = (Layout(place), Layout(place, quick=True), Layout(place, narrowed=True))
    found = next((layout.base for layout in layouts if layout.verdicts.is_file()), None)
    if found is None:
        raise RecordedRunError(f"{place}: no run is there; give a results folder, run.json or verdicts.jsonl")
    return found


def _unknown(verdicts: tuple[Verdict, ...]) -> RunInfo:
    """What is known of a run by its verdicts alone."""
    return RunInfo(started="", ended="", seed=next((v.seed for v in verdicts if v.seed is not None), 0))
