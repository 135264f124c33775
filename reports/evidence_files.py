"""Evidence on disk: one file a case, written redacted by the worker that ran it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.codec import DecodeError, from_json, to_json
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.redaction import redact
from tgi_conformance.contracts.verdict import Evidence
from tgi_conformance.reports.atomic import json_text, write_text
from tgi_conformance.reports.layout import Layout

SCHEMA_ID: Final = "urn:tgi-conformance:schema:evidence"

#: How every evidence file begins, and nothing else does: what lacks it is not ours to delete.
_MARK: Final = json_text({"$schema": SCHEMA_ID})[:-1].encode()
_OUR_NAME: Final = re.compile(r"[A-Z]+-\d{2}.*\.json")


class EvidenceError(ValueError):
    """An evidence file that cannot be read: names the file and the place in it."""


def write_evidence(folder: Path, evidence: Evidence, keys: Mapping[str, str]) -> str:
    """Write the evidence of one case, without the ``keys`` (alias to key).

    ``folder`` is the run's folder; until the run is over the file stands in its ``unfinished``. Returns the
    path for ``Verdict.evidence``. Raises ``OSError`` when the file cannot be written.
    """
    layout = Layout(folder, unfinished=True)
    content = redact(to_json(evidence), keys)
    # Identities hold no keys and name the file: they stay as they are.
    members: dict[str, JSON] = dict(content) if isinstance(content, Mapping) else {}
    members |= {"case": evidence.case, "backend": evidence.backend}
    path = layout.evidence_file(evidence.backend, evidence.case)
    write_text(path, json_text({"$schema": SCHEMA_ID, **members}) + "\n")
    return layout.relative(path)


def read_evidence(path: Path) -> Evidence:
    """Read what :func:`write_evidence` wrote; raises :class:`EvidenceError` or ``OSError``."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            value.pop("$schema", None)
        return from_json(Evidence, value)
    except (DecodeError, ValueError) as error:
        raise EvidenceError(f"{path}: {error}; delete the file or run the case again") from error


def evidence_in(base: Path) -> list[Path]:
    """The evidence files below the folder of a run, and nothing else that may stand there.

    A file counts only if its name is that of a case and it begins as our files do. Links are not followed.
    """
    folders = _folders(base / "evidence")
    return [path for folder in folders for path in sorted(folder.iterdir()) if _is_ours(path)]


def clean_evidence(base: Path) -> None:
    """Delete the evidence files below the folder of a run, and the folders that this leaves empty."""
    for path in evidence_in(base):
        path.unlink()
    for folder in _folders(base / "evidence"):
        if not any(folder.iterdir()):
            folder.rmdir()


def _folders(evidence: Path) -> list[Path]:
    if not evidence.is_dir():
        return []
    return [folder for folder in sorted(evidence.iterdir()) if folder.is_dir() and not folder.is_symlink()]


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or not _OUR_NAME.fullmatch(path.name):
        return False
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK
