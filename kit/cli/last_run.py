"""The last run in a folder of results: how it was made, for commands that go on from there."""

import json
from dataclasses import fields
from pathlib import Path

from tgi_conformance.contracts.codec import DecodeError, from_json
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.run import RunInfo


def last_run(folder: Path) -> RunInfo | None:
    """How the last run was made, whole, narrowed or in profile quick; None where there is none to be read.

    That of another version of the kit may lack something: what goes on from there can do without.
    """
    layouts = (Layout(folder), Layout(folder, quick=True), Layout(folder, narrowed=True))
    files = [layout.run for layout in layouts if layout.run.is_file()]
    if not files:
        return None
    newest = max(files, key=lambda file: file.stat().st_mtime_ns)
    known = {field.name for field in fields(RunInfo)}
    try:
        value = json.loads(newest.read_text(encoding="utf-8"))
        return from_json(RunInfo, {name: each for name, each in value.items() if name in known})
    except (DecodeError, ValueError, AttributeError):
        return None
