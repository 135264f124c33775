"""Writes a run in every format that is wanted; none costs another one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tgi_conformance.reports.finished import FinishedRun
from tgi_conformance.reports.writing.format import Format
from tgi_conformance.reports.writing.guard import Unwritten, attempt


def write_formats(
    formats: Sequence[Format], finished: FinishedRun
) -> tuple[tuple[Path, ...], tuple[Unwritten, ...]]:
    """Return the files that were written, in the order of the table, and what was not."""
    written: list[Path] = []
    unwritten: list[Unwritten] = []
    for row in formats:
        shown = replace(finished, gate=finished.gate.without(unwritten))
        faults, files = _write(row, shown)
        written += files
        unwritten += faults
    return tuple(written), tuple(unwritten)


def _write(row: Format, finished: FinishedRun) -> tuple[tuple[Unwritten, ...], tuple[Path, ...]]:
    files: list[Path] = []

    def write() -> None:
        if row.wanted(finished):
            files.extend(row.files(finished))
            row.write(finished)

    faults = attempt(row.name, write)
    if not faults:
        return (), tuple(files)
    # The name of the file says more than that of the format.
    named = ", ".join(file.name for file in files) or row.name
    return tuple(replace(fault, what=named) for fault in faults), ()
