"""The rows of the table that are written only where an option or the environment asks for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.reports.atomic import write_json, write_text
from tgi_conformance.reports.finished import FinishedRun
from tgi_conformance.reports.formats.badge import badge_json, badge_of, badge_svg
from tgi_conformance.reports.formats.github import STEP_SUMMARY_LIMIT, is_on_github, step_summary
from tgi_conformance.reports.formats.gitlab import code_quality
from tgi_conformance.reports.formats.sarif import sarif
from tgi_conformance.reports.writing.format import Format

#: Where GitHub Actions takes the summary of a step from.
_STEP_SUMMARY: Final = "GITHUB_STEP_SUMMARY"


def _asked(name: str) -> Callable[[FinishedRun], bool]:
    return lambda finished: name in finished.asked


def _write_allure(finished: FinishedRun) -> None:
    # Allure's library takes a tenth of a second to import.
    from tgi_conformance.reports.allure.results import write_allure  # noqa: PLC0415

    write_allure(finished.run, finished.layout, Path(finished.asked["allure"]))


def _wants_github(finished: FinishedRun) -> bool:
    return "github" in finished.asked or bool(_step_summary(finished))


def _step_summary(finished: FinishedRun) -> str:
    """The file of the step; empty: not in GitHub Actions."""
    environment = finished.environment
    return environment.get(_STEP_SUMMARY, "") if is_on_github(environment) else ""


def _github_file(finished: FinishedRun) -> Path:
    return Path(_step_summary(finished) or finished.layout.base / "github-summary.md")


def _write_github(finished: FinishedRun) -> None:
    """Add to what the step has said before; outside of GitHub Actions, a file of its own."""
    path = _github_file(finished)
    if not _step_summary(finished):
        write_text(path, step_summary(finished))
        return
    before = path.stat().st_size if path.is_file() else 0
    text = step_summary(finished, room=STEP_SUMMARY_LIMIT - before)
    with path.open("ab") as file:
        file.write(text.encode("utf-8"))


def _badge_files(finished: FinishedRun) -> tuple[Path, ...]:
    names = [results.backend for results in finished.maps]
    return tuple(finished.layout.badge(name, kind) for name in names for kind in ("svg", "json"))


def _write_badges(finished: FinishedRun) -> None:
    files = iter(_badge_files(finished))
    for results in finished.maps:
        badge = badge_of(finished.run, finished.run.info.backend(results.backend), results)
        write_text(next(files), badge_svg(badge))
        write_json(next(files), badge_json(badge))


def _json_file(name: str, file: str, content: Callable[[FinishedRun, Path], JSON]) -> Format:
    """A format that is one JSON file in the run's folder; it names files from the working folder on."""

    def path(finished: FinishedRun) -> Path:
        return finished.layout.base / file

    return Format(
        name=name,
        files=lambda finished: (path(finished),),
        write=lambda finished: write_json(path(finished), content(finished, Path.cwd())),
        wanted=_asked(name),
    )


ON_REQUEST: Final = (
    Format(
        name="allure",
        files=lambda finished: (Path(finished.asked["allure"]),),
        write=_write_allure,
        wanted=_asked("allure"),
    ),
    Format(
        name="github",
        files=lambda finished: (_github_file(finished),),
        write=_write_github,
        wanted=_wants_github,
    ),
    # The name that GitLab's own documentation and templates use.
    _json_file(
        "gitlab", "gl-code-quality-report.json", lambda finished, root: code_quality(finished.run, root)
    ),
    _json_file("sarif", "results.sarif", sarif),
    Format(
        name="badge",
        files=_badge_files,
        write=_write_badges,
        # A badge of a part of the cases would say more than was seen.
        wanted=lambda finished: "badge" in finished.asked and not finished.layout.narrowed,
    ),
)
