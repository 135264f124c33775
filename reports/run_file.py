"""How a run was made, read from its ``run.json``."""

import json
from collections.abc import Mapping
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
    return run_info_of(_members(path))


def run_info_of(members: Mapping[str, JSON]) -> RunInfo:
    """The run that the members of a ``run.json`` tell of; what this kit does not know is left out.

    Raises ``DecodeError``.
    """
    known = {field.name for field in fields(RunInfo)}
    return from_json(RunInfo, {name: each for name, each in members.items() if name in known})


def parse_members(text: str, name: str) -> dict[str, JSON]:
    """The members of the text of a ``run.json``; ``name`` is for the ``ValueError`` where it is none."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"{name}: not a JSON object")  # noqa: TRY004 - the text of a file, not an argument
    return value


def _members(path: Path) -> dict[str, JSON]:
    return parse_members(path.read_text(encoding="utf-8"), str(path))
