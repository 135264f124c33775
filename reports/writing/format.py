"""One format that a run is written in, as a row of the table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tgi_conformance.reports.finished import FinishedRun


def always(_: FinishedRun) -> bool:
    """Written after every run."""
    return True


def whole_runs(finished: FinishedRun) -> bool:
    """Written after whole runs only."""
    return not finished.layout.narrowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """What a format is called, which files it consists of, and what writes them.

    ``write`` may raise anything: that ends no run and costs no other format.
    """

    name: str
    files: Callable[[FinishedRun], tuple[Path, ...]]
    write: Callable[[FinishedRun], object]
    #: Whether to write this run in it; one that must be asked for looks at ``asked`` or the environment.
    wanted: Callable[[FinishedRun], bool] = always
