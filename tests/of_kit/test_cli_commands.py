"""The command line: what each command does, prints and ends with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mini_backend import MINI, run, run_cli

from tgi_conformance.cli import main
from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.schema.registry import problems


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mini.py").write_text(MINI)
    return tmp_path


def test_run_ignores_the_users_pytest_and_writes_the_narrowed_reports(project: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    (project / "conftest.py").write_text("raise RuntimeError('a conftest of the user')\n")
    words = ["run", "--backend", "mini:Mini", "-n", "0", "--case", "INIT-05", "--durations", "2"]
    done = run_cli(project, *words, PYTEST_ADDOPTS="--nonsense", PYTEST_PLUGINS="nonsense")
    assert done.code == 0, done.out
    assert "passed" in done.rulings().values()
    assert "slowest cases" in done.out
    assert "exit code 0" in done.out
    assert "test session starts" not in done.out
    info = json.loads((project / "collected_results" / "narrowed" / "run.json").read_text())
    assert info["command"] == f"tgi-conformance {' '.join(words)}"
    assert [backend["name"] for backend in info["backends"]] == ["mini"]
    assert problems("run", info) == []
    assert [fault for row in done.verdicts(narrowed=True) for fault in problems("verdict", row)] == []


def test_a_run_begun_from_python_tells_the_words_that_it_was_given(project: Path) -> None:
    words = ["run", "--backend", "mini:Mini", "-n", "0", "--case", "INIT-05"]
    run(project, ["-c", f"from tgi_conformance.cli import main; main({words})"])
    info = json.loads((project / "collected_results" / "narrowed" / "run.json").read_text())
    assert info["command"] == f"tgi-conformance {' '.join(words)}"


def test_run_with_workers_reports_failures_line_by_line_and_runs_them_again(project: Path) -> None:
    words = ["run", "--backend", "mini:Mini", "-n", "2", "--case", "ERR-06/status-40*"]
    done = run_cli(project, *words)
    assert done.code == 1, done.out
    red = {case for case, ruling in done.rulings().items() if ruling == "failed"}
    assert red
    assert all(f"✗ failed  {case}" in done.out for case in red)
    again = run_cli(project, "run", "--backend", "mini:Mini", "-n", "0", "--last-failed")
    assert {case for case in again.rulings() if not _is_ruled_once(case)} == red
    assert "no results map is renewed: there is no whole run in this folder" in again.out


def _is_ruled_once(case: str) -> bool:
    """Whether a ruling is made over a whole run, whatever cases it has."""
    return case.endswith("/run-wide") or case.startswith("DECL-01/healthy-")


def test_run_writes_its_verdicts_for_allure(project: Path) -> None:
    words = ["--backend", "mini:Mini", "-n", "2", "--case", "INIT-05", "--allure", "allure"]
    done = run_cli(project, "run", *words)
    assert done.code == 0, done.out
    results = [json.loads(file.read_text()) for file in (project / "allure").glob("*-result.json")]
    assert {result["name"] for result in results} == set(done.rulings())
    labels = {(label["name"], label["value"]) for result in results for label in result["labels"]}
    assert {("epic", "mini"), ("severity", "critical")} <= labels
    assert any(name == "story" and value.startswith("INIT-05: ") for name, value in labels)


def test_run_ends_with_12_where_the_backend_does_not_start(project: Path) -> None:
    done = run_cli(project, "run", "--backend", "mini:Broken", "-n", "0", "--case", "INIT-05")
    assert done.code == 12, done.out
    assert "no licence" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-n", "2", "--case", "INIT-05", "--case", "NOPE"], "there is no clause NOPE; the areas are INIT, "),
        (["-n", "0", "--case", "STRAEM-12/plain"], "there is no clause STRAEM-12; did you mean STREAM-12?"),
        (["-n", "0", "--case", "init-99"], "INIT-01 to INIT-"),
        (["-n", "0", "--case", "RETRY-03/json-40*9"], "near it: RETRY-03/json-400"),
        (["-n", "2", "--case", "RETRY-03/nothing"], "near it: RETRY-03/every-status-chat-plain"),
        (["-n", "2", "--case", "INIT-05", "--case", "NOPE-*"], "there is no clause NOPE-*; the areas are "),
        (["-n", "0", "--case", "ERR-01/run-wide"], "is ruled over all cases of a run"),
        (["-n", "2", "--profile", "quick", "--focus", "NOPE-*"], "there is no clause NOPE-*; the areas are "),
        (["-n", "2", "-k", "not ("], "-k: not (: at column"),
    ],
)
def test_a_name_that_nothing_has_is_wrong_use_and_shows_what_is_near(
    project: Path, words: list[str], said: str
) -> None:
    done = run_cli(project, "run", "--backend", "mini:Mini", *words)
    assert done.code == 4, done.out
    assert said in done.out
    assert "test session starts" not in done.out
    assert not (project / "collected_results").exists()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_expression_that_no_test_matches_is_5_and_is_named(project: Path, workers: str) -> None:
    done = run_cli(project, "run", "--backend", "mini:Mini", "-n", workers, "-k", "no_such_test")
    assert done.code == 5, done.out
    assert "no case was selected: no test matches -k no_such_test" in done.out
    assert "test session starts" not in done.out


def test_names_are_found_whatever_their_case(project: Path) -> None:
    words = ["--case", "init-05", "--case", "Err-06/STATUS-40*"]
    done = run_cli(project, "run", "--backend", "mini:Mini", "-n", "0", *words)
    assert {case.partition("/")[0] for case in done.rulings() if not _is_ruled_once(case)} == {
        "INIT-05",
        "ERR-06",
    }


def test_a_case_that_is_gone_since_the_last_run_is_a_remark(project: Path) -> None:
    words = ["run", "--backend", "mini:Mini", "-n", "0"]
    run_cli(project, *words, "--case", "ERR-06/status-40*")
    file = project / "collected_results" / "narrowed" / "verdicts.jsonl"
    file.write_text(file.read_text().replace("ERR-06/status-400", "ERR-06/status-of-old"))
    again = run_cli(project, *words, "--last-failed")
    assert again.code == 1, again.out
    assert "ERR-06/status-of-old: no case that was collected has that name" in again.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--backend", "nonsense"], "mypkg.adapter:MyAdapter"),
        (["-n", "many"], "a whole number up to 64, or auto"),
        (["-n", "100000"], "a whole number up to 64, or auto"),
        (["--backend-command", "'node"], '--backend-command "\'node": No closing quotation'),
        (
            ["--results", "mini.py/x", "-n", "2", "--case", "INIT-05"],
            "mini.py is a file; choose another folder with --results",
        ),
        (["--seed", "x", "-n", "0"], "whole number"),
        (["--profile", "fast"], "tgi-guide"),
        (["--nonsense"], "No such option"),
    ],
)
def test_wrong_use_is_4_and_says_what_to_write(project: Path, words: list[str], said: str) -> None:
    done = run_cli(project, "run", *words)
    assert done.code == 4, done.out
    assert said in done.out


def test_a_gap_in_the_keys_is_wrong_use(project: Path) -> None:
    done = run_cli(project, "run", "--backend", "mini:Mini", "-n", "0", HF_API_KEY_2="k")
    assert done.code == 4, done.out
    assert "HF_API_KEY_1 is missing" in done.out


def test_doctor_passes_what_answers_and_says_what_is_not_claimed(project: Path) -> None:
    done = run_cli(project, "doctor", "--backend", "mini:Mini")
    assert done.code == 0, done.out
    assert f"claims 1 of {len(CAPABILITIES) - 1} capabilities: native" in done.out
    assert "a healthy native call is answered" in done.out


def test_doctor_names_what_is_claimed_and_missing(project: Path) -> None:
    more = MINI.replace('"capabilities": ["native"]', '"capabilities": ["native", "stats"]')
    (project / "mini.py").write_text(more)
    done = run_cli(project, "doctor", "--backend", "mini:Mini")
    assert done.code == 1, done.out
    assert "claims stats but has no method get_stats" in done.out


def test_doctor_ends_with_12_where_nothing_starts(project: Path) -> None:
    done = run_cli(project, "doctor", "--backend", "mini:Broken")
    assert done.code == 12, done.out
    assert "no licence" in done.out


def test_list_holds_every_clause(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 205
    assert {row["level"] for row in rows} == {"MUST", "SHOULD", "MAY"}


def test_list_narrows_by_area_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--area", "retry", "--level", "MAY"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 clauses"


def test_unknown_names_are_wrong_use_and_show_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--area", "NOPE"]) == 4
    assert "STREAM" in capsys.readouterr().err
    assert main(["list", "--area", "STRAEM"]) == 4
    assert "did you mean STREAM?" in capsys.readouterr().err
    assert main(["explain", "RETRY-99"]) == 4
    assert "RETRY-01 to RETRY-21" in capsys.readouterr().err
    assert main(["explain", "retry-3"]) == 4
    assert "did you mean RETRY-03?" in capsys.readouterr().err
    assert main(["explain", "RETRY-*"]) == 4
    assert "one clause or case, not a pattern" in capsys.readouterr().err


def test_explain_gives_statement_sources_and_cases(project: Path) -> None:
    done = run_cli(project, "explain", "retry-03")
    assert done.code == 0, done.out
    for said in (
        "are not retried",
        "error_handling_400",
        "litellm#19216",
        "RETRY-03/json-400",
        "--case 'RETRY-03'",
    ):
        assert said in done.out


@pytest.mark.parametrize("words", [["list", "--cases"], ["explain", "RETRY-03"]])
def test_listing_for_what_cannot_be_a_backend_is_wrong_use(project: Path, words: list[str]) -> None:
    done = run_cli(project, *words, "--backend", "nonsense")
    assert done.code == 4, done.out
    assert "mypkg.adapter:MyAdapter" in done.out


def test_explain_knows_a_case_from_one_that_is_not_there(project: Path) -> None:
    unknown = run_cli(project, "explain", "RETRY-03/json-40")
    assert unknown.code == 4
    assert "near it: RETRY-03/json-40" in unknown.out
    known = run_cli(project, "explain", "retry-03/JSON-400")
    assert known.code == 0
    assert "--case 'RETRY-03/json-400'" in known.out


def test_explain_tells_of_the_last_run_and_runs_with_its_backend(project: Path) -> None:
    words = ["run", "--backend", "mini:Mini", "-n", "0", "--deadline", "7", "--results", "out"]
    run_cli(project, *words, "--case", "ERR-06/status-40*")
    told = run_cli(project, "explain", "ERR-06", "--results", "out").out
    assert "last run of mini: " in told
    assert " failed" in told
    known = next(row.split()[0] for row in told.splitlines() if row.startswith("    ERR-06/status-400"))
    told = run_cli(project, "explain", known, "--results", "out").out
    assert f"    {known}: " in told
    hint = "run: tgi-conformance run --backend mini:Mini --deadline 7.0 --results out --case "
    assert f"{hint}'{known}'" in told
    other = run_cli(project, "explain", known, "--results", "out", "--backend", "mini:Twin").out
    assert "run: tgi-conformance run --backend mini:Twin --results out --case" in other


def test_serve_says_when_it_is_ready_and_ends_when_asked(project: Path) -> None:
    start = "import sys; from tgi_conformance.cli import main; sys.exit(main())"
    script = json.dumps({"version": 1, "replies": [{"tgi": {"text": "hello"}}]})
    with subprocess.Popen(
        [sys.executable, "-c", start, "serve", "--script", "-"],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(script.encode())
        process.stdin.close()
        ready = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(timeout=10) == 0
    assert ready["base_url"].startswith("http://127.0.0.1:")


def test_serve_refuses_a_bad_script_with_its_place(project: Path) -> None:
    (project / "bad.json").write_text('{"version": 1, "replies": [{"requests": [2, 1]}]}')
    done = run_cli(project, "serve", "--script", "bad.json")
    assert done.code == 4, done.out
    assert "/replies/0" in done.out


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_serve_refuses_what_is_no_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", port]) == 4
    said = capsys.readouterr().err
    assert said.endswith(f"argument --port: {port!r} is no port: 1 to 65535, or 0 for a free one\n")
    assert len(said.splitlines()) == 2


def test_serve_calls_itself_by_the_command_that_was_typed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: tgi-conformance serve [--port PORT]")


def test_run_writes_the_formats_that_it_is_asked_for_and_refuses_others(project: Path) -> None:
    words = ["run", "--backend", "mini:Mini", "-n", "0", "--case", "INIT-05"]
    done = run_cli(project, *words, "--reports", "sarif,gitlab")
    assert done.code == 0, done.out
    narrowed = project / "collected_results" / "narrowed"
    assert (narrowed / "results.sarif").is_file()
    assert json.loads((narrowed / "gl-code-quality-report.json").read_text()) == []
    wrong = run_cli(project, *words, "--reports", "sarif,xls")
    assert wrong.code == 4, wrong.out
    assert "xls: no such format; there are github, gitlab, sarif, badge" in wrong.out


def test_in_github_actions_a_run_annotates_the_backend_and_summarises_the_step(project: Path) -> None:
    variables = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(project / "step.md")}
    words = ["run", "--backend", "mini:Mini", "-n", "0", "--case", "ERR-06/status-400*"]
    done = run_cli(project, *words, **variables)
    assert done.code == 1, done.out
    lines = done.out.splitlines()
    assert any(line.startswith("::error file=mini.py,line=") for line in lines)
    assert lines[-1].startswith("  again: tgi-conformance run --backend mini:Mini")
    assert (project / "step.md").read_text(encoding="utf-8").startswith("\n## ❌ mini 1: Does not conform")
