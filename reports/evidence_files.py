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


def write_evidence(
    folder: Path, evidence: Evidence, keys: Mapping[str, str], *, narrowed: bool = False
) -> str:
    """Write the evidence of one case, without the ``keys`` (alias to key).

    ``folder`` is the run's folder. Returns the path for ``Verdict.evidence``. Raises ``OSError`` when the
    file cannot be written.
    """
    layout = Layout(folder, narrowed)
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


def clean_evidence(layout: Layout) -> int:
    """Delete the evidence of earlier runs of the same layout, and nothing else; returns how many files.

    A file goes only if its name is that of a case and it begins as our files do. Links are not followed.
    """
    if not layout.evidence.is_dir():
        return 0
    deleted = 0
    for folder in sorted(layout.evidence.iterdir()):
        if folder.is_symlink() or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if _is_ours(path):
                path.unlink()
                deleted += 1
        if not any(folder.iterdir()):
            folder.rmdir()
    return deleted


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or not _OUR_NAME.fullmatch(path.name):
        return False
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK
