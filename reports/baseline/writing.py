"""Entries and claims of a baseline as TOML text. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from tgi_conformance.reports.baseline.entry import CLAIMS, EXPECTED, Entry
from tgi_conformance.reports.readable import visible

#: The head of a new file.
HEADING: Final = """\
# Failures of this repository's backend that are known and expected, for tgi-conformance (docs/gate.md).
# `tgi-conformance baseline update` adds what fails and takes out what is mended; reasons and links are yours.
"""
#: Capabilities on one line of the claims.
_LISTED_ON_A_LINE: Final = 8


def claims_text(claims: Mapping[str, Sequence[str]]) -> str:
    """The table of claims."""
    rows = (f"{toml_text(name)} = {_listed(given, _LISTED_ON_A_LINE)}" for name, given in claims.items())
    return "\n".join((f"[{CLAIMS}]", *rows, ""))


def entry_text(entry: Entry, comment: str = "") -> str:
    """One entry; ``comment`` is put above it as it is, lines of comment or nothing."""
    rows = [comment] if comment else []
    rows.append(f"[[{EXPECTED}]]")
    if entry.cases:
        rows.append(f"cases = {_listed(entry.cases, 1)}")
    if entry.cause:
        rows += [f"cause = {toml_text(entry.cause)}", f"count = {entry.count}"]
    for key, text in (("failure", entry.failure), ("pattern", entry.pattern)):
        if text:
            rows.append(f"{key} = {toml_text(text)}")
    rows += [f"reason = {toml_text(entry.reason)}", f"link = {toml_text(entry.link)}"]
    rows.append(f"expires = {entry.expires.isoformat()}")
    if entry.since is not None:
        rows.append(f"since = {entry.since.isoformat()}")
    if entry.backend:
        rows.append(f"backend = {toml_text(entry.backend)}")
    return "\n".join((*rows, ""))


def comment_line(text: str) -> str:
    """A text as one line of comment."""
    return f"# {' '.join(visible(text).split())}"


def toml_text(text: str) -> str:
    """A basic string of TOML; its escapes are those of JSON, and control characters are shown as such."""
    return json.dumps(visible(text), ensure_ascii=False)


def _listed(texts: Sequence[str], on_a_line: int) -> str:
    quoted = [toml_text(text) for text in texts]
    if len(quoted) <= on_a_line:
        return f"[{', '.join(quoted)}]"
    lines = (", ".join(quoted[at : at + on_a_line]) for at in range(0, len(quoted), on_a_line))
    return "\n".join(("[", *(f"    {line}," for line in lines), "]"))
