"""Runs that end before their time: by Ctrl-C, SIGTERM or SIGKILL, or because a worker cannot write."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mini_backend import PYTEST, environment_in, run_pytest

from tgi_conformance.reports.run_folder import open_folder
from tgi_conformance.reports.verdict_lines import read_verdicts

#: The second case says that it has begun, and then waits for ever; the pipe closes when its process ends.
WAITS = """
import os, signal
import pytest

@pytest.mark.clause("RETRY-03")
def test_first():
    assert False, "expected: one POST\\nobserved: two"

@pytest.mark.clause("RETRY-04")
def test_second():
    with open("begun", "w", buffering=1) as pipe:
        pipe.write("begun\\n")
        signal.pause()

@pytest.mark.clause("RETRY-05")
def test_third():
    pass
"""
#: A shell makes its background jobs deaf to Ctrl-C, and this process may be one.
HEARS_CTRL_C = """
import signal, sys
import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.main(sys.argv[1:]))
"""
QUICK = "import pytest\n@pytest.mark.clause('RETRY-03')\ndef test_first():\n    assert False, 'no'\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_own.py").write_text(WAITS)
    os.mkfifo(tmp_path / "begun")
    return tmp_path


def _stopped(project: Path, number: signal.Signals, *words: str) -> tuple[int, str]:
    """End a run by a signal while its second case waits; returns its exit code and what it said.

    Comes back when every process that ran cases has ended.
    """
    command = [sys.executable, "-c", HEARS_CTRL_C, *PYTEST[2:], "-q", "--tgi-seed=1", *words]
    with (
        (project / "out.txt").open("w") as out,
        subprocess.Popen(
            command,
            cwd=project,
            env=environment_in(project),
            stdout=out,
            stderr=out,
        ) as process,
    ):
        with (project / "begun").open() as pipe:
            assert pipe.readline() == "begun\n"
            process.send_signal(number)
            assert pipe.read() == ""
        code = process.wait()
    return code, (project / "out.txt").read_text()


# A terminal sends Ctrl-C to the workers too: with one, the signal alone would not be Ctrl-C.
@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGINT, "-n0"), (signal.SIGTERM, "-n0"), (signal.SIGTERM, "-n1")],
)
def test_an_interrupted_run_is_a_narrowed_one_that_tells_its_failures(
    number: signal.Signals, workers: str, project: Path
) -> None:
    whole = project / "collected_results" / "mini_test_results.json"
    whole.parent.mkdir()
    whole.write_text("{}")
    code, out = _stopped(project, number, workers)
    assert code == 2, out
    verdicts = read_verdicts(project / "collected_results" / "narrowed" / "verdicts.jsonl").verdicts
    rulings = {verdict.case: str(verdict.ruling) for verdict in verdicts}
    assert rulings["RETRY-03/first"] == "failed"
    assert rulings["RETRY-05/third"] == "not run"
    assert "1 case failed in 1 clause" in out
    assert "interrupted after " in out
    assert "RETRY-05/third: the run was interrupted" not in out  # one line for all that was not run
    assert sorted(path.name for path in whole.parent.iterdir() if path.name != ".lock") == [
        "durations.json",
        whole.name,
        "narrowed",
    ]
    assert not [path for path in (project / "tmp").iterdir() if path.name.startswith("tgi-conformance")]


def test_the_worker_of_a_killed_run_ends_too(project: Path) -> None:
    code, out = _stopped(project, signal.SIGKILL, "-n1")
    assert code == -signal.SIGKILL, out


def test_a_killed_run_leaves_what_was_decided_and_the_next_one_says_so(project: Path) -> None:
    code, out = _stopped(project, signal.SIGKILL, "-n0")
    assert code == -signal.SIGKILL, out
    unfinished = project / "collected_results" / "unfinished"
    (verdict,) = read_verdicts(unfinished / "verdicts.jsonl").verdicts
    assert (verdict.case, str(verdict.ruling)) == ("RETRY-03/first", "failed")
    assert (unfinished / verdict.evidence).is_file()
    (project / "test_own.py").write_text(QUICK)
    done = run_pytest(project, "-q", "--tgi-seed=1")
    assert done.code == 1, done.out
    assert "the run before was cut short" in done.out


def test_a_worker_that_cannot_write_evidence_gives_its_verdict_all_the_same(project: Path) -> None:
    (project / "test_own.py").write_text(QUICK)
    # A file in the place of the folder: the same for root as for others.
    evidence = project / "collected_results" / "unfinished" / "evidence"
    evidence.parent.mkdir(parents=True)
    evidence.write_text("in the way")
    done = run_pytest(project, "-q", "--tgi-seed=1")
    assert done.code == 1, done.out
    (verdict,) = done.verdicts(narrowed=True)
    assert verdict["ruling"] == "failed"
    assert verdict["evidence_lost"] == "Not a directory"
    assert "evidence" not in verdict
    info = json.loads((project / "collected_results" / "narrowed" / "run.json").read_text())
    assert info["reasons"][-1].startswith(
        "the evidence of 1 case, the first RETRY-03/first, could not be written: Not a directory; make room"
    )


def test_a_run_of_which_only_evidence_was_lost_ends_with_15(project: Path) -> None:
    (project / "test_own.py").write_text(QUICK.replace("RETRY-03", "INIT-09"))  # a SHOULD: advisory
    evidence = project / "collected_results" / "unfinished" / "evidence"
    evidence.parent.mkdir(parents=True)
    evidence.write_text("in the way")
    done = run_pytest(project, "-q", "--tgi-seed=1")
    assert done.code == 15, done.out
    info = json.loads((project / "collected_results" / "narrowed" / "run.json").read_text())
    assert info["exit_code"] == 15


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_a_second_run_in_a_folder_is_refused_and_touches_nothing(workers: str, project: Path) -> None:
    (project / "test_own.py").write_text(QUICK)
    opened = open_folder(project / "collected_results")
    before = sorted((project / "collected_results").rglob("*"))
    done = run_pytest(project, "-q", "--tgi-seed=1", workers)
    assert done.code == 4, done.out
    assert f"is in use by another run (process {os.getpid()}, since " in done.out
    assert sorted((project / "collected_results").rglob("*")) == before
    opened.close()
    assert run_pytest(project, "-q", "--tgi-seed=1", workers).code == 1


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_where_the_results_should_go_is_one_line_and_wrong_use(below: str, project: Path) -> None:
    (project / "test_own.py").write_text(QUICK)
    (project / "file").write_text("mine")
    done = run_pytest(project, "-q", f"--tgi-results=file/{below}")
    assert done.code == 4, done.out
    assert f"{project}/file is a file; choose another folder with --results" in done.out
    assert "Traceback" not in done.out
