"""Verdicts as JSON Lines: one object a line, as ``verdict.schema.json`` describes it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.codec import DecodeError, from_json, to_json
from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.atomic import json_text, write_text

#: Of the form of a line. A member that is added needs no new one, since it has a default.
VERSION: Final = 1


class VerdictLinesError(ValueError):
    """A line that is no verdict: names the file, the line and the place in it."""


@dataclass(frozen=True, slots=True)
class VerdictLines:
    """The verdicts of a file, and a warning where its last line was cut off."""

    verdicts: tuple[Verdict, ...]
    warning: str = ""


def write_verdicts(path: Path, verdicts: Iterable[Verdict]) -> Path:
    """Write all verdicts, atomically."""
    return write_text(path, "".join(f"{line(verdict)}\n" for verdict in verdicts))


def line(verdict: Verdict) -> str:
    """One verdict as a line of ASCII without its line end; also the form that travels between processes."""
    members = to_json(verdict)
    return json_text({"version": VERSION, **members} if isinstance(members, Mapping) else members)


def parse_line(text: str) -> Verdict:
    """The verdict of one line; raises ``ValueError`` (``DecodeError`` with the pointer of the mistake)."""
    value = json.loads(text)
    if isinstance(value, dict) and (version := value.pop("version", VERSION)) != VERSION:
        raise DecodeError("/version", f"{version!r}; this kit reads version {VERSION}")
    return from_json(Verdict, value)


def read_verdicts(path: Path) -> VerdictLines:
    """Read a file of verdicts; see :func:`parse_verdicts`."""
    return parse_verdicts(path.read_text(encoding="utf-8", errors="replace"), str(path))


def parse_verdicts(text: str, name: str) -> VerdictLines:
    """The verdicts of the text of a file, which messages call ``name``.

    A last line without line end that is no whole verdict was cut off by a killed writer: it is left out with
    a warning. Any other bad line raises :class:`VerdictLinesError`.
    """
    *whole, last = text.split("\n")
    verdicts = [_parse(name, number, row) for number, row in enumerate(whole, 1) if row.strip()]
    if not last.strip():
        return VerdictLines(tuple(verdicts))
    try:
        verdicts.append(parse_line(last))
    except ValueError:
        warning = (
            f"{name}: line {len(whole) + 1} is cut off after {len(last)} characters; its verdict is left out"
        )
        return VerdictLines(tuple(verdicts), warning)
    return VerdictLines(tuple(verdicts))


def _parse(name: str, number: int, row: str) -> Verdict:
    try:
        return parse_line(row)
    except DecodeError as error:
        raise VerdictLinesError(f"{name}: line {number}: {error}") from error
    except ValueError as error:
        raise VerdictLinesError(f"{name}: line {number}: not JSON: {error}") from error
