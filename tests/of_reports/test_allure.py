"""Results for Allure, made from verdicts: whatever the texts, red where the run is red, by cause."""

import json
import re
from pathlib import Path

from verdict_builder import CANARY, evidence, run_of, verdict

from tgi_conformance.contracts.verdict import RED, Ruling, Sign
from tgi_conformance.reports.allure.results import write_allure
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.run_folder import write_evidence

#: Lone surrogates, which have no UTF-8, NUL, an escape of a terminal, markup.
HOSTILE = "\ud800 half \udfff \x00 \x1b[31m </script> é 🙂"


def results(run: Run, folder: Path) -> dict[str, dict[str, object]]:
    write_allure(run, Layout(folder, unfinished=True), folder / "allure")
    read = [json.loads(path.read_bytes()) for path in (folder / "allure").glob("*-result.json")]
    return {str(result["fullName"]): result for result in read}


def test_every_ruling_has_a_result_whatever_the_texts_and_only_red_is_red(tmp_path: Path) -> None:
    verdicts = [
        verdict(f"STREAM-12/{n}", ruling, reason=HOSTILE, observed=HOSTILE, expected=HOSTILE)
        for n, ruling in enumerate(Ruling)
    ]
    found = results(run_of(*verdicts), tmp_path)
    assert set(found) == {v.case for v in verdicts}
    assert {case for case, result in found.items() if result["status"] in ("failed", "broken")} == {
        v.case for v in verdicts if v.ruling in RED
    }
    assert found["STREAM-12/2"]["status"] == "skipped"  # advisory
    assert "\\ud800 half \\udfff \\x00 \\x1b[31m" in json.dumps(found["STREAM-12/1"]).replace("\\\\", "\\")


def test_a_history_is_that_of_a_case_and_a_backend_whatever_the_run(tmp_path: Path) -> None:
    case = verdict("RETRY-03/a", Ruling.FAILED, seed=1)
    once, again = (
        results(run_of(each), tmp_path / name)["RETRY-03/a"]
        for name, each in (("a", case), ("b", verdict("RETRY-03/a", seed=2, duration=3.0)))
    )
    other = results(run_of(verdict("RETRY-03/a", backend="beta")), tmp_path / "c")["RETRY-03/a"]
    assert once["historyId"] == again["historyId"] != other["historyId"]
    assert once["testCaseId"] == again["testCaseId"] == other["testCaseId"]
    assert (once["uuid"] == again["uuid"]) is False


def test_a_clause_is_a_story_and_a_run_wide_ruling_has_its_result(tmp_path: Path) -> None:
    found = results(run_of(verdict("SEC-01/run-wide", Ruling.FAILED, reason="key A seen")), tmp_path)
    result = found["SEC-01/run-wide"]
    labels = {(label["name"], label["value"]) for label in result["labels"]}  # type: ignore[attr-defined]
    assert ("epic", "alpha") in labels
    assert any(name == "story" and value.startswith("SEC-01: ") for name, value in labels)
    assert ("severity", "critical") in labels


def test_evidence_is_attached_where_it_is_there(tmp_path: Path) -> None:
    name = write_evidence(tmp_path, evidence("STREAM-12/cut"), {"A": CANARY})
    cut = verdict("STREAM-12/cut", Ruling.FAILED, evidence=name)
    gone = verdict("STREAM-12/gone", Ruling.FAILED, evidence="evidence/alpha/STREAM-12__gone.json")
    found = results(run_of(cut, gone), tmp_path)
    (attached,) = found["STREAM-12/cut"]["attachments"]  # type: ignore[misc]
    assert (tmp_path / "allure" / attached["source"]).read_bytes() == (
        tmp_path / "unfinished" / name
    ).read_bytes()
    assert "attachments" not in found["STREAM-12/gone"]


def test_each_cause_is_a_category_that_finds_its_own_cases(tmp_path: Path) -> None:
    hang, key = Sign(outcome="hang", stimulus="stall"), Sign(exception="KeyError", place="a.py:3 in chat")
    cases = [
        *(verdict(f"STREAM-12/{n}", Ruling.FAILED, reason="no end came", sign=hang) for n in "abc"),
        verdict("ERR-05/a", Ruling.FAILED, reason="KeyError", observed="cause: not this", sign=key),
        verdict("GEN-01/a", Ruling.BLOCKED, reason="no healthy call", blocked_by="STREAM-12/a"),
    ]
    found = results(run_of(*cases), tmp_path)
    rules = json.loads((tmp_path / "allure" / "categories.json").read_bytes())
    assert json.loads((tmp_path / "allure" / "allurerc.json").read_bytes())["categories"] == rules

    def matched(rule: dict[str, object]) -> set[str]:
        regex = re.compile(str(rule.get("traceRegex", "")))
        return {
            case
            for case, result in found.items()
            if result["status"] in rule["matchedStatuses"]  # type: ignore[operator]
            and regex.fullmatch(str(result["statusDetails"].get("trace", "")))  # type: ignore[attr-defined]
        }

    *causes, rest = rules
    assert sorted(map(sorted, map(matched, causes))) == [
        ["ERR-05/a"],
        ["GEN-01/a", "STREAM-12/a", "STREAM-12/b", "STREAM-12/c"],
    ]
    assert rest["matchedStatuses"] == ["broken"]


def test_a_new_run_replaces_old_results_and_nothing_else(tmp_path: Path) -> None:
    results(run_of(verdict("STREAM-12/a"), verdict("STREAM-12/b")), tmp_path)
    (tmp_path / "allure" / "history").mkdir()
    for name in ("notes.txt", "my-result.json"):
        (tmp_path / "allure" / name).write_text("{}")
    write_allure(run_of(verdict("STREAM-12/a")), Layout(tmp_path), tmp_path / "allure")
    left = {path.name for path in (tmp_path / "allure").iterdir()}
    assert {"history", "notes.txt", "my-result.json"} < left
    assert sum(name.endswith("-result.json") for name in left) == 2
