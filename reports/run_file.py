"""How a run was made, read from its ``run.json``."""

import json
from dataclasses import fields
from pathlib import Path

from tgi_conformance.contracts.codec import from_json
from tgi_conformance.reports.run import RunInfo


def read_run_info(path: Path) -> RunInfo:
    """The run that a file tells of, without what it came to.

    Raises ``OSError``, or ``ValueError`` for what is no such file (``DecodeError`` names the place).
    """
    known = {field.name for field in fields(RunInfo)}
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path}: not a JSON object")  # noqa: TRY004 - the text of a file, not an argument
    return from_json(RunInfo, {name: each for name, each in value.items() if name in known})
