"""Results for Allure, made from the verdicts of a finished run with Allure's own model and writer.

Nothing of it runs while cases do, so that no text of a backend can end a run here. All texts are made visible
first (:func:`tgi_conformance.reports.readable.visible`): the writer cannot encode lone surrogates.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Attachment, Label, Link, Parameter, Status, StatusDetails, TestResult
from allure_commons.types import LabelType

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.allure.labels import AllureLabels, allure_labels
from tgi_conformance.reports.atomic import write_json, write_text
from tgi_conformance.reports.causes.by_case import CausesByCase
from tgi_conformance.reports.causes.cause import Cause
from tgi_conformance.reports.formats.telling import ruling_told, shown_by
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.readable import visible
from tgi_conformance.reports.run import Run

#: What is red here is red there. A SHOULD that failed is not, so it is skipped, as pytest's xfailed is.
STATUS: Final[Mapping[Ruling, str]] = {
    Ruling.PASSED: Status.PASSED,
    Ruling.FAILED: Status.FAILED,
    Ruling.ADVISORY: Status.SKIPPED,
    Ruling.RECORDED: Status.PASSED,
    Ruling.NOT_APPLICABLE: Status.SKIPPED,
    Ruling.NOT_HERE: Status.SKIPPED,
    Ruling.BLOCKED: Status.BROKEN,
    Ruling.UNTESTABLE: Status.BROKEN,
    Ruling.EXPECTED: Status.SKIPPED,
    Ruling.NOT_RUN: Status.BROKEN,
    Ruling.KIT_FAULT: Status.BROKEN,
}
#: Allure's names begin with a UUID.
_UUID: Final = "-".join("?" * length for length in (8, 4, 4, 4, 12))
#: What a folder of results holds that a new run replaces. ``history/`` is Allure 2's, and stays.
_OURS: Final = (
    *(f"{_UUID}-{kind}" for kind in ("result.json", "container.json", "attachment.*")),
    *("categories.json", "allurerc.json", "environment.properties"),
)
#: Its functions carry no types.
_WRITER: Final[Any] = AllureFileLogger
#: Of a run-wide ruling, the cases whose evidence is attached once more; each has its own result too.
_MOST_ATTACHED: Final = 5
#: Characters of a category's name: Allure shows it as a heading.
_LONGEST_NAME: Final = 160


def write_allure(run: Run, layout: Layout, folder: Path) -> None:
    """Write a result a verdict, with the evidence of the run's folder.

    Raises ``OSError`` where the folder cannot be written to.
    """
    causes = CausesByCase(run)
    writer = _WRITER(folder)
    for old in _OURS:
        for path in folder.glob(old):
            path.unlink()
    for verdict in run.verdicts:
        result = result_of(run, verdict, causes.of(verdict))
        result.attachments = list(_attachments(writer, layout, verdict))
        writer.report_result(result)
    rules = categories(causes)
    write_json(folder / "categories.json", rules)
    write_json(folder / "allurerc.json", {"name": "TGI conformance", "categories": rules})
    write_text(folder / "environment.properties", _environment(run))


def result_of(run: Run, verdict: Verdict, cause: Cause | None) -> TestResult:
    """One verdict as Allure's result. Its history is that of the case and the backend, whatever the run.

    When a case began is not kept: each begins with the run, so durations are true and the timeline is not.
    """
    labels = allure_labels(verdict)
    start = round(datetime.fromisoformat(run.info.started).timestamp() * 1000)
    return TestResult(
        uuid=str(uuid.uuid4()),
        historyId=_digest(verdict.backend, verdict.case),
        testCaseId=_digest(verdict.case),
        fullName=visible(verdict.case),
        titlePath=[visible(step) for step in (labels.epic, labels.feature, verdict.clause)],
        name=visible(labels.title),
        description=visible(labels.description),
        status=STATUS[verdict.ruling],
        statusDetails=StatusDetails(
            message=visible(ruling_told(verdict)),
            trace=visible(_trace(run, verdict, cause)),
            flaky=bool(verdict.unsteady),
        ),
        stage="finished",
        start=start,
        stop=start + round(verdict.duration * 1000),
        labels=[Label(name=name, value=visible(value)) for name, value in _labels(verdict, labels, cause)],
        links=[Link(type=link.kind, url=link.url, name=visible(link.name)) for link in labels.links],
        parameters=[
            Parameter(name=name, value=visible(value), excluded=name != "backend" or None)
            for name, value in labels.parameters
        ],
    )


def categories(causes: CausesByCase) -> list[JSON]:
    """One of Allure's categories a cause, worst first, then what has none.

    ``categories.json`` is what Allure 2 and the report "classic" of Allure 3 read; the report "awesome" of
    Allure 3 reads the same rules from ``allurerc.json`` alone.
    """
    named = {
        cause.id: {
            "id": cause.id,
            "name": _name(cause),
            "description": visible(cause.advice),
            "matchedStatuses": [Status.FAILED, Status.BROKEN],
            "traceRegex": rf"(^|[\s\S]*\n)cause: {cause.id}(\n[\s\S]*|$)",
        }
        for _, cause in causes
    }
    rest: dict[str, JSON] = {
        "id": "no-cause",
        "name": "not run, or a fault of the kit",
        "matchedStatuses": [Status.BROKEN],
    }
    return [*named.values(), rest]


def _name(cause: Cause) -> str:
    text = " ".join(visible(f"{cause.severity}: {cause.sentence}").split())
    cut = text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
    return f"{cut} ({cause.id})"


def _attachments(writer: Any, layout: Layout, verdict: Verdict) -> Iterator[Attachment]:
    """The evidence of a case; of a run-wide ruling, that of the cases which show it most."""
    shown = [(breach.case, breach.evidence) for breach in verdict.breaches[:_MOST_ATTACHED]]
    for case, evidence in ((verdict.case, verdict.evidence), *shown):
        path = layout.base / evidence
        if evidence and path.is_file():
            name = f"{uuid.uuid4()}-attachment.json"
            writer.report_attached_file(path, name)
            yield Attachment(name=visible(f"evidence of {case}"), source=name, type="application/json")


def _labels(verdict: Verdict, labels: AllureLabels, cause: Cause | None) -> Iterator[tuple[str, str]]:
    yield LabelType.EPIC, labels.epic
    yield LabelType.FEATURE, labels.feature
    yield LabelType.STORY, labels.story
    yield LabelType.PARENT_SUITE, labels.epic
    yield LabelType.SUITE, labels.feature
    yield LabelType.SUB_SUITE, verdict.clause
    yield LabelType.SEVERITY, labels.severity
    yield from ((LabelType.TAG, tag) for tag in labels.tags)
    yield LabelType.FRAMEWORK, "tgi-conformance"
    if verdict.worker:
        yield LabelType.THREAD, verdict.worker
    if cause is not None:
        yield "cause", cause.id


def _trace(run: Run, verdict: Verdict, cause: Cause | None) -> str:
    rows = (("cause", cause.id if cause else ""), *shown_by(run.info, verdict, cause))
    return "\n".join(f"{name}: {value}" for name, value in rows if value)


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _environment(run: Run) -> str:
    """``environment.properties``: its escapes for what is not ASCII are those of JSON strings."""
    rows = {
        **{f"backend.{number}": f"{b.name} {b.version}" for number, b in enumerate(run.backends, 1)},
        "profile": run.info.profile,
        "seed": str(run.info.seed),
        **{f"version.{name}": version for name, version in run.info.versions.items()},
    }
    return "".join(f"{name}={json.dumps(visible(value))[1:-1]}\n" for name, value in rows.items())
