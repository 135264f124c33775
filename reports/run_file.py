"""How a run was made, read from its ``run.json``."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from tgi_conformance.contracts.codec import from_json
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.reports.run import RunInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended: its exit code, and why."""

    code: int
    reasons: tuple[str, ...] = ()


def read_run_end(path: Path) -> RunEnd:
    """What the run of a file came to; raises as :func:`read_run_info`."""
    value = _members(path)
    return from_json(RunEnd, {"code": value.get("exit_code"), "reasons": value.get("reasons", [])})


def read_run_info(path: Path) -> RunInfo:
    """The run that a file tells of, without what it came to.

    Raises ``OSError``, or ``ValueError`` for what is no such file (``DecodeError`` names the place).
    """
    known = {field.name for field in fields(RunInfo)}
    return from_json(RunInfo, {name: each for name, each in _members(path).items() if name in known})


def _members(path: Path) -> dict[str, JSON]:
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{path}: not a JSON object")  # noqa: TRY004 - the text of a file, not an argument
    return value
