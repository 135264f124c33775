"""What other tools read: valid whatever the texts, worst cause first, places that can be linked to."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hostile import HOSTILE, many_cases
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.verdict import Ruling, Sign
from tgi_conformance.plugin.options import OPTIONS
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.finished import FinishedRun
from tgi_conformance.reports.formats.badge import badge_json, badge_of, badge_svg
from tgi_conformance.reports.formats.github import (
    MOST_ANNOTATIONS,
    STEP_SUMMARY_LIMIT,
    annotations,
    step_summary,
)
from tgi_conformance.reports.formats.gitlab import code_quality
from tgi_conformance.reports.formats.names import ON_REQUEST, UnknownFormatError, formats_in
from tgi_conformance.reports.formats.place import Place, place_of
from tgi_conformance.reports.formats.sarif import sarif
from tgi_conformance.reports.gate import judge
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.results_map import roll_up
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.run_folder import write_all
from tgi_conformance.reports.terminal.lines import one_line, to_strings
from tgi_conformance.reports.terminal.summary import summary
from tgi_conformance.reports.writing.on_request import ON_REQUEST as ROWS

NOWHERE = Path("/nowhere")
HANG = Sign(outcome="hang", stimulus="stall")
KEY = Sign(exception="KeyError", place="my_client/core.py:41 in chat, stream")
RED = (
    *(verdict(f"STREAM-12/{n}", Ruling.FAILED, reason=f"no end {HOSTILE}", sign=HANG) for n in "abc"),
    verdict("ERR-05/a", Ruling.FAILED, reason="KeyError: 'x'", observed=HOSTILE, expected="text", sign=KEY),
    verdict("GEN-01/a", Ruling.BLOCKED, reason="no healthy call", blocked_by="STREAM-12/a"),
)
MANY = many_cases(10_000)


def finished(run: Run) -> FinishedRun:
    maps = tuple(roll_up(run.verdicts, backend.name) for backend in run.backends)
    return FinishedRun(run=run, gate=judge(run), maps=maps, layout=Layout(NOWHERE))


def test_each_name_has_its_row() -> None:
    assert [row.name for row in ROWS] == ["allure", *ON_REQUEST]
    assert str(OPTIONS["--tgi-reports"]["help"]).endswith(f": {', '.join(ON_REQUEST)}")
    assert formats_in("GitLab, sarif,") == ("gitlab", "sarif")
    with pytest.raises(UnknownFormatError, match="junit2: no such format; there are github, gitlab"):
        formats_in("sarif,junit2")


# --- places ---


def test_a_place_is_given_from_the_root_of_the_repository_on_where_the_file_is_there(tmp_path: Path) -> None:
    (_, cause) = sorted(causes_of(run_of(*RED), "alpha"), key=lambda each: each.place)
    installed = Place(file="my_client/core.py", line=41, function="chat, stream")
    assert place_of(cause, "a:B", tmp_path) == installed
    (tmp_path / "src" / "my_client").mkdir(parents=True)
    (tmp_path / "src" / "my_client" / "core.py").touch()
    assert place_of(cause, "a:B", tmp_path).file == "src/my_client/core.py"


@pytest.mark.parametrize(
    ("spec", "file"),
    [
        ("pkg.adapter:Mine", "pkg/adapter.py"),
        ("dir/mine.py:Mine", "dir/mine.py"),
        ("/far/mine.py:M", "mine.py"),
    ],
)
def test_without_a_place_it_is_the_adapters_file(spec: str, file: str) -> None:
    (cause, _) = sorted(causes_of(run_of(*RED), "alpha"), key=lambda each: each.place)
    assert place_of(cause, spec, NOWHERE) == Place(file=file)


# --- GitHub ---


def test_annotations_are_a_line_each_and_no_text_becomes_a_command() -> None:
    lines = annotations(run_of(*RED), NOWHERE)
    assert len(lines) == 2
    odd = Sign(exception="E", place=f"{HOSTILE}/x.py:3 in f")
    lines += annotations(run_of(verdict("ERR-05/a", Ruling.FAILED, sign=odd)), NOWHERE)
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("::error file=") for line in lines)
    assert any(line.startswith("::error file=my_client/core.py,line=41,title=") for line in lines)
    assert any(line.startswith("::error file=alpha/adapter.py,line=1,title=") for line in lines)


def test_a_property_of_an_annotation_ends_where_it_is_to_end() -> None:
    odd = Sign(exception="E", place="a,b%:c/x.py:3 in f")
    (line,) = annotations(run_of(verdict("ERR-05/a", Ruling.FAILED, reason="50%", sign=odd)), NOWHERE)
    assert line.startswith("::error file=a%2Cb%25%3Ac/x.py,line=3,title=")
    assert line.partition("title=")[2].count("::") == 1


def test_of_many_causes_the_rest_is_counted() -> None:
    lines = annotations(MANY, NOWHERE)
    assert len(lines) == MOST_ANNOTATIONS
    assert re.fullmatch(
        r"::error title=TGI conformance::31 more causes behind [\d,]+ cases, see the report", lines[-1]
    )


def test_the_step_summary_begins_with_verdict_and_causes_and_keeps_text_as_text() -> None:
    text = step_summary(finished(run_of(*RED)))
    assert text.startswith("\n## ❌ alpha 1.2: Does not conform\n")
    assert "**2 causes explain 4 failures and 1 blocked case.**" in text
    assert text.index("what a user suffers") < text.index("Results map") < text.index("- STREAM-12/a")
    assert "<script>" not in text
    assert "](javascript" not in text
    rows = [row for row in text.splitlines() if row.startswith("| ") and "STREAM-12" in row]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [7]
    assert all(character.isprintable() or character == "\n" for character in text)


def test_the_step_summary_of_ten_thousand_cases_fits_and_says_what_does_not() -> None:
    text = step_summary(finished(MANY))
    assert len(text.encode()) <= STEP_SUMMARY_LIMIT
    short = step_summary(finished(MANY), room=20_000)
    assert len(short.encode()) <= 20_000
    assert re.search(r"\*\d+ parts did not fit; `report.html` has it all.\*\n$", short)
    assert step_summary(finished(MANY), room=0) == ""


def test_a_step_summary_is_added_to_what_stands_there(tmp_path: Path) -> None:
    step = tmp_path / "step.md"
    step.write_text("before\n")
    variables = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(step)}
    write_all(run_of(*RED), tmp_path / "out", environment=variables)
    assert step.read_text(encoding="utf-8").startswith("before\n\n## ❌ alpha")
    write_all(run_of(*RED), tmp_path / "out", environment={"GITHUB_STEP_SUMMARY": str(step)})
    assert step.read_text(encoding="utf-8").count("## ❌") == 1


# --- GitLab, SARIF ---


def test_gitlabs_report_has_what_gitlab_demands_and_is_the_same_again() -> None:
    run = run_of(*RED, verdict("ERR-05/a", Ruling.FAILED, backend="beta", reason="r", sign=KEY))
    entries = json.loads(json.dumps(code_quality(run, NOWHERE)))
    assert len(entries) == 3
    assert len({entry["fingerprint"] for entry in entries}) == 3
    for entry in entries:
        assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert entry["description"].isprintable()
        assert entry["location"]["lines"]["begin"] >= 1
        assert not entry["location"]["path"].startswith(("/", "./"))
    assert code_quality(run, NOWHERE) == code_quality(run, NOWHERE)
    assert code_quality(run_of(verdict("STREAM-12/a")), NOWHERE) == []


def test_sarif_names_clauses_as_rules_and_causes_as_results() -> None:
    log = json.loads(json.dumps(sarif(finished(run_of(*RED)), NOWHERE)))
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} == {"STREAM-12", "ERR-05"}
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "error"
        assert result["message"]["text"].isprintable()
        (location,) = result["locations"]
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        assert re.fullmatch(r"[\w./%-]+", location["physicalLocation"]["artifactLocation"]["uri"])
    assert sum(result["occurrenceCount"] for result in run["results"]) == 4
    assert len({result["partialFingerprints"]["tgiCause/v1"] for result in run["results"]}) == 2
    assert run["invocations"][0]["exitCode"] == 1


def test_sarif_of_a_green_run_has_no_results_so_that_old_alerts_are_closed() -> None:
    log = sarif(finished(run_of(verdict("STREAM-12/a"))), NOWHERE)
    assert [run["results"] for run in log["runs"]] == [[]]  # type: ignore[index, union-attr, call-overload]


# --- badge ---


@pytest.mark.parametrize(
    ("rulings", "message", "colour"),
    [
        ((Ruling.PASSED,), "exemplary", "brightgreen"),
        ((Ruling.PASSED, Ruling.RECORDED, Ruling.ADVISORY), "sound", "brightgreen"),
        ((Ruling.PASSED, Ruling.RECORDED, Ruling.PASSED, Ruling.FAILED), "safe", "yellow"),
        ((Ruling.PASSED, Ruling.RECORDED, Ruling.PASSED, Ruling.EXPECTED), "safe", "yellow"),
        ((Ruling.PASSED, Ruling.EXPECTED), "1 of 2 keys", "yellow"),
        ((Ruling.PASSED, Ruling.FAILED), "1 of 2 keys", "red"),
        ((Ruling.NOT_HERE,), "nothing judged", "lightgrey"),
    ],
)
def test_a_badge_says_what_the_run_showed(rulings: tuple[Ruling, ...], message: str, colour: str) -> None:
    cases = ("STREAM-12/a", "MUX-01/a", "GEN-07/a", "GEN-01/a")
    run = run_of(*(verdict(case, ruling) for case, ruling in zip(cases, rulings, strict=False)))
    badge = badge_of(run, run.backends[0], roll_up(run.verdicts, "alpha"))
    assert badge_json(badge) == {
        "schemaVersion": 1,
        "label": "TGI conformance",
        "message": message,
        "color": colour,
    }
    picture = ET.fromstring(badge_svg(badge))  # noqa: S314 - our own text
    assert picture.get("aria-label") == f"TGI conformance: {message}"


def test_a_badge_of_another_profile_says_so() -> None:
    run = run_of(verdict("STREAM-12/a"), profile="quick")
    assert badge_of(run, run.backends[0], roll_up(run.verdicts, "alpha")).message == "exemplary (quick)"


# --- the files ---


def test_what_was_asked_for_is_written_and_nothing_else(tmp_path: Path) -> None:
    def names(asked: dict[str, str], **info: object) -> set[str]:
        written = write_all(run_of(*RED, **info), tmp_path, asked=asked)
        assert written.unwritten == ()
        return {path.name for path in written.paths}

    plain = names({})
    assert names(dict.fromkeys(ON_REQUEST, "yes")) - plain == {
        "github-summary.md",
        "gl-code-quality-report.json",
        "results.sarif",
        "alpha_badge.svg",
        "alpha_badge.json",
    }
    assert names({"badge": "yes"}, narrowed=True).isdisjoint({"alpha_badge.svg", "alpha_badge.json"})


def test_a_badge_goes_with_its_map_where_the_next_run_writes_none(tmp_path: Path) -> None:
    write_all(run_of(*RED), tmp_path, asked={"badge": "yes", "sarif": "yes"})
    write_all(run_of(verdict("STREAM-12/a")), tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert "alpha_test_results.json" in left
    assert left.isdisjoint({"alpha_badge.svg", "alpha_badge.json", "results.sarif"})
    assert (tmp_path / "previous" / "alpha_badge.svg").is_file()


def test_megabytes_of_hostile_text_go_through_every_format_and_the_terminal(tmp_path: Path) -> None:
    huge = HOSTILE * 4_500  # over a megabyte
    sign = Sign(exception=huge, place=f"{huge}:1 in f", detail=huge)
    case = verdict("ERR-05/a", Ruling.FAILED, reason=huge, observed=huge, expected=huge, sign=sign)
    run = run_of(case, selection=huge)
    asked = {**dict.fromkeys(ON_REQUEST, "yes"), "allure": str(tmp_path / "allure")}
    written = write_all(run, tmp_path / "out", asked=asked)
    assert written.unwritten == ()
    for name in ("gl-code-quality-report.json", "results.sarif", "github-summary.md"):
        assert (tmp_path / "out" / name).stat().st_size < 100_000
    lines = to_strings(summary(run, judge(run), written, width=80), colour=False)
    assert len(lines) < 300
    whole = to_strings(summary(run, judge(run), written, width=None), colour=False)
    assert any(one_line(huge) in line for line in whole)


def test_ten_thousand_hostile_cases_go_through_every_format(tmp_path: Path) -> None:
    asked = {**dict.fromkeys(ON_REQUEST, "yes"), "allure": str(tmp_path / "allure")}
    written = write_all(MANY, tmp_path / "out", asked=asked)
    assert written.unwritten == ()
    for path in written.paths:
        if path.suffix in (".json", ".sarif"):
            json.loads(path.read_bytes())
    assert sum(1 for _ in (tmp_path / "allure").glob("*-result.json")) == 10_000
