"""``report.md``: the causes of a run, each complete in itself. Reads evidence, writes nothing."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from tgi_conformance.contracts.verdict import Evidence, Verdict
from tgi_conformance.reports.causes.cause import Cause, Causes
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.evidence_files import EvidenceError, read_evidence
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.markdown.cause_text import cause_markdown
from tgi_conformance.reports.markdown.plain_text import code, inline
from tgi_conformance.reports.repro import repro_command
from tgi_conformance.reports.run import BackendInfo, Run


def render_markdown(run: Run, layout: Layout, here: Path) -> str:
    """All causes of a run; ``here`` is the folder that its commands are for."""
    return "\n".join(part for backend in run.backends for part in _backend(run, backend, layout, here))


def commands_of(run: Run, verdict: Verdict, layout: Layout, here: Path) -> tuple[str, ...]:
    """What shows a case again: the run of it, and the script that plays it without the kit."""
    results = os.path.relpath(layout.root.absolute(), here)
    words = ["tgi-conformance", "reproduce", verdict.case]
    words += [] if results == "collected_results" else ["--results", results]
    words += ["--backend", verdict.backend] if len(run.backends) > 1 else []
    return _relative(
        repro_command(run.info, verdict), here
    ), f"{_relative(shlex.join(words), here)} > repro.py"


def _relative(command: str, here: Path) -> str:
    return command.replace(f"{here}{os.sep}", "")


def _backend(run: Run, backend: BackendInfo, layout: Layout, here: Path) -> Iterator[str]:
    causes = causes_of(run, backend.name)
    kit = run.info.versions.get("tgi_conformance", "")
    yield f"# {inline(backend.name)} {inline(backend.version)} against tgi-conformance {inline(kit)}\n"
    yield f"{_headline(causes)}\n"
    if run.info.debt is not None:
        yield f"Not among them: {inline(run.info.debt.in_words)}.\n"
    for number, cause in enumerate(causes, 1):
        evidence, problem = _evidence(cause, layout)
        yield cause_markdown(cause, evidence, commands_of(run, cause.example, layout, here), number=number)
        if problem:
            yield f"{problem}\n"


def _headline(causes: Causes) -> str:
    if not len(causes):
        return "Nothing is red that has a cause of its own."
    return (
        f"{causes.headline}, the worst first. Each of them stands for itself: the rule, what went over the "
        "wire in one case, what the client made of it, and how to see it again. It is the client that has "
        "to be mended: the server is scripted, and sends what real servers have sent or may send."
    )


def _evidence(cause: Cause, layout: Layout) -> tuple[Evidence | None, str]:
    """The evidence of the example, and what is wrong with it."""
    name = cause.example.evidence
    if not name:
        return None, ""
    try:
        return read_evidence(layout.base / name), ""
    except (OSError, EvidenceError):
        return None, f"The evidence {code(name)} could not be read."
