"""A results map is renewed by a run of the red cases where that is honest, and says what it rests on."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from verdict_builder import run_of, verdict

from tgi_conformance.cli.last_failed import last_failed
from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.run_folder import write_all
from tgi_conformance.reports.writing.renewing import renew_map

VERSIONS = {"tgi_conformance": "1.0"}
WHOLE = run_of(
    verdict("STREAM-12/a"),
    verdict("STREAM-12/b", Ruling.FAILED),
    verdict("MUX-01/a", Ruling.FAILED),
    verdict("MUX-01/b", Ruling.BLOCKED),
    versions=VERSIONS,
)


def later(*verdicts: Verdict) -> Run:
    run = run_of(*verdicts, versions=VERSIONS, narrowed=True, ended="2026-01-03T00:00:00+00:00")
    return replace(run, info=replace(run.info, backends=WHOLE.info.backends))


def decided(*cases: str, ruling: Ruling = Ruling.PASSED) -> Sequence[Verdict]:
    return [verdict(case, ruling) for case in cases]


def after(folder: Path, run: Run) -> list[str]:
    """What is said of a run of red cases that was written to the folder."""
    write_all(run, folder)
    return list(renew_map(folder, run))


def read(folder: Path, kind: str) -> dict[str, object]:
    return dict(json.loads((folder / f"alpha_{kind}_results.json").read_bytes()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_all(WHOLE, tmp_path)
    return tmp_path


def test_once_all_red_cases_are_decided_the_map_is_renewed_and_says_so(folder: Path) -> None:
    assert read(folder, "test")["streaming"] == "Failed"
    cases = ("STREAM-12/b", "MUX-01/a", "MUX-01/b")
    (said,) = after(folder, later(*decided(*cases)))
    assert said == "the results map of alpha is renewed: 3 cases since, 1 as of 2026-01-02T03:04:09+00:00"
    assert set(read(folder, "test").values()) == {"Success"}
    assert read(folder, "more")["renewed"] == {
        "ended": "2026-01-03T00:00:00+00:00",
        "version": "1.2",
        "cases": sorted(cases),
        "verdicts": "renewed.jsonl",
    }
    assert read(folder, "more")["ended"] == WHOLE.info.ended


def test_a_case_that_still_fails_keeps_its_key_failed(folder: Path) -> None:
    red = decided("STREAM-12/b", ruling=Ruling.FAILED)
    (said,) = after(folder, later(*red, *decided("MUX-01/a", "MUX-01/b")))
    assert "is renewed: 3 cases" in said
    found = read(folder, "test")
    assert (found["streaming"], found["multiplexing_endpoint_creation"]) == ("Failed", "Success")


def test_what_was_not_decided_keeps_the_map_as_it_is(folder: Path) -> None:
    before = read(folder, "test")
    rest = verdict("MUX-01/b", Ruling.NOT_RUN)
    (said,) = after(folder, later(*decided("STREAM-12/b", "MUX-01/a"), rest))
    assert (
        said
        == "the results map is not renewed: 1 case of the whole run not decided since, the first MUX-01/b"
    )
    assert read(folder, "test") == before


def test_several_runs_decide_it_together_and_none_is_forgotten(folder: Path) -> None:
    after(folder, later(*decided("STREAM-12/b", "MUX-01/a"), verdict("MUX-01/b", Ruling.UNTESTABLE)))
    assert last_failed(folder) == ("MUX-01/b",)
    (said,) = after(folder, later(*decided("MUX-01/b")))
    assert "is renewed: 3 cases" in said
    assert last_failed(folder) == ()
    assert set(read(folder, "test").values()) == {"Success"}


def test_the_next_whole_run_begins_anew(folder: Path) -> None:
    after(folder, later(*decided("STREAM-12/b", "MUX-01/a", "MUX-01/b")))
    write_all(WHOLE, folder)
    assert not (folder / "renewed.jsonl").exists()
    assert (folder / "previous" / "renewed.jsonl").is_file()
    assert last_failed(folder) == ("STREAM-12/b", "MUX-01/a", "MUX-01/b")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seed": 8}, "another seed (7 then, 8 now)"),
        ({"profile": "thorough"}, "another profile (default then, thorough now)"),
        ({"versions": {"tgi_conformance": "2.0"}}, "another version of the kit (1.0 then, 2.0 now)"),
        ({"backends": ()}, "another set of backends (alpha then, none now)"),
    ],
)
def test_a_run_that_judged_otherwise_renews_nothing_and_says_why(
    folder: Path, change: dict[str, object], why: str
) -> None:
    run = later(*decided("STREAM-12/b", "MUX-01/a", "MUX-01/b"))
    other = replace(run, info=replace(run.info, **change))  # type: ignore[arg-type]
    (said,) = renew_map(folder, other)
    assert said == f"the results map is not renewed: {why}; run all cases"
    assert read(folder, "test")["streaming"] == "Failed"


def test_other_claims_renew_nothing(folder: Path) -> None:
    run = later(*decided("STREAM-12/b", "MUX-01/a", "MUX-01/b"))
    backend = replace(WHOLE.info.backends[0], claimed=("core", "tools"))
    other = replace(run, info=replace(run.info, backends=(backend,)))
    (said,) = renew_map(folder, other)
    assert "other claims of alpha: tools now too; no stream; run all cases" in said


def test_without_a_whole_run_there_is_no_map(tmp_path: Path) -> None:
    (said,) = after(tmp_path, later(*decided("STREAM-12/b")))
    assert said == "no results map is renewed: there is no whole run in this folder"
