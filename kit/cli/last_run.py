"""The last run in a folder of results: how it was made, for commands that go on from there."""

from pathlib import Path

from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.run import RunInfo
from tgi_conformance.reports.run_file import read_run_info


def last_run(folder: Path) -> RunInfo | None:
    """How the last run was made, whole, narrowed or in profile quick; None where there is none to be read.

    That of another version of the kit may lack something: what goes on from there can do without.
    """
    layouts = (Layout(folder), Layout(folder, quick=True), Layout(folder, narrowed=True))
    files = [layout.run for layout in layouts if layout.run.is_file()]
    if not files:
        return None
    newest = max(files, key=lambda file: file.stat().st_mtime_ns)
    try:
        return read_run_info(newest)
    except ValueError:
        return None
