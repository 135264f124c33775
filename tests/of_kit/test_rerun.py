"""A run is made again from its report: the same words, with what it had left open as it was."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from verdict_builder import run_of, verdict

from tgi_conformance.cli import cli
from tgi_conformance.cli.runs.rerun import NotRepeatableError, rerun, words_of
from tgi_conformance.plugin.ending.repeated import versions_here
from tgi_conformance.reports.run import RealInfo, Run
from tgi_conformance.reports.run_folder import write_all

RED = verdict("STREAM-12/a", nodeid="test_stream.py::a")


def made_by(command: str, **info: object) -> Run:
    return run_of(RED, verdict("SEC-01/run-wide"), command=command, **info)


def again(command: str, **info: object) -> str:
    return shlex.join(words_of(made_by(command, **info)))


@pytest.mark.parametrize("seed", ["", " --seed random", " --seed=random", " --seed 7"])
def test_the_seed_is_the_one_that_the_run_had(seed: str) -> None:
    words = again(f"tgi-conformance run --backend a.b:C{seed} --requirements 2026-12")
    assert words == "tgi-conformance run --backend a.b:C --requirements 2026-12 --seed=7"


def test_the_last_failed_cases_are_those_of_that_time() -> None:
    words = again("tgi-conformance run --last-failed")
    assert words == "tgi-conformance run --seed=7 --case=STREAM-12/a"


def test_the_endpoint_of_the_environment_is_named_and_one_that_was_given_stays() -> None:
    real = RealInfo(url="https://tgi.example.org")
    assert again("tgi-conformance run", real=real).endswith(" --tgi-endpoint=https://tgi.example.org")
    given = "tgi-conformance run --tgi-endpoint https://tgi.example.org --seed=7"
    assert again(given, real=real) == given


def test_a_run_of_pytest_is_one_of_pytest_again() -> None:
    words = again("pytest --pyargs tgi_conformance.suites --tgi-seed random", by_pytest=True)
    assert words == "pytest --pyargs tgi_conformance.suites --tgi-seed=7"


@pytest.mark.parametrize("command", ["", "tgi-conformance", "tgi-conformance doctor", "rm -r ."])
def test_what_is_no_run_is_not_run(command: str) -> None:
    with pytest.raises(NotRepeatableError):
        words_of(made_by(command))


def test_versions_that_differ_are_told_and_then_it_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions = {**versions_here(), "tgi_conformance": "0.0.1"}
    write_all(made_by("tgi-conformance run -n 2", versions=versions), tmp_path)
    asked: list[list[str]] = []

    def run(words: list[str]) -> int:
        asked.append(words)
        return 1

    assert rerun(str(tmp_path / "run.json"), ["--results", "other"], run) == 1
    assert asked == [["run", "-n", "2", "--seed=7", "--results", "other"]]
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"version of the kit: 0.0.1 before, {versions_here()['tgi_conformance']} now",
        "tgi-conformance run -n 2 --seed=7 --results other",
    ]


def test_the_command_hands_on_what_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(made_by("tgi-conformance run"), tmp_path)
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(cli.commands["run"], "callback", lambda **chosen: asked.append(chosen) or 5)
    result = CliRunner().invoke(cli, ["rerun", str(tmp_path), "-n", "2"], standalone_mode=False)
    assert result.return_value == 5
    assert (asked[0]["seed"], asked[0]["workers"]) == ("7", "2")


def test_a_folder_without_a_run_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rerun(str(tmp_path), [], lambda _: 0) == 4
    assert "no run is there" in capsys.readouterr().err
