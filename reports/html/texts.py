"""The text of each cause, as ``report.md`` has it, for the page's button that copies it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.verdict import Evidence, Verdict
from tgi_conformance.reports.evidence_files import EvidenceError, read_evidence
from tgi_conformance.reports.html.view import Page
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.markdown.cause_text import cause_markdown
from tgi_conformance.reports.markdown.report import commands_of
from tgi_conformance.reports.run import Run

#: Causes of one backend whose text stands inside; ``report.md`` has all.
MOST: Final = 40


def texts(run: Run, page: Page, layout: Layout) -> Mapping[str, str]:
    """Id of a cause's element to its text."""
    here = Path.cwd()
    return {
        page.anchors.cause(backend.info.name, cause.id): cause_markdown(
            cause,
            _evidence(cause.example, layout),
            commands_of(run, cause.example, layout, here),
            number=number,
        )
        for backend in page.backends
        for number, cause in enumerate(backend.causes, 1)
        if number <= MOST
    }


def _evidence(example: Verdict, layout: Layout) -> Evidence | None:
    """None: there is none, or it cannot be read, which the page says where the evidence would stand."""
    try:
        return read_evidence(layout.base / example.evidence) if example.evidence else None
    except (OSError, EvidenceError):
        return None
