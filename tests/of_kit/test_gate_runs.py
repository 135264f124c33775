"""What the gate adds to a run, shown by runs: sets, shards and merge, the time limit, what is refused."""

from pathlib import Path

import pytest
from mini_backend import run_cli, run_pytest

from tgi_conformance.reports.comparing.recorded import read_recorded

CLAUSES = [f"RETRY-{number:02}" for number in range(1, 13)]
ONE_FAILS = "import pytest\n" + "".join(
    f"@pytest.mark.clause('{clause}', case='mine')\n"
    f"def test_{number}():\n    assert {number} != 3, 'expected: no 3\\nobserved: 3'\n"
    for number, clause in enumerate(CLAUSES)
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_own.py").write_text(ONE_FAILS)
    return tmp_path


def test_shards_run_each_case_once_and_are_merged_to_one_run(project: Path) -> None:
    codes = [
        run_pytest(project, "--tgi-seed=1", f"--tgi-shard={number}/2", f"--tgi-results=s{number}").code
        for number in (1, 2)
    ]
    assert sorted(codes) == [0, 1]  # one of them has the case that fails
    done = run_cli(project, "merge", "s1", "s2", "--results", "all")
    assert done.code == 1, done.out
    cases = [verdict.case for verdict in read_recorded(project / "all").run.verdicts]
    assert cases == [f"{clause}/mine" for clause in CLAUSES]


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_shard_alone_is_not_the_run(project: Path, workers: str) -> None:
    run_pytest(project, "--tgi-seed=1", "--tgi-shard=1/2", "--tgi-results=s1", workers)
    done = run_cli(project, "merge", "s1", "--results", "all")
    assert (done.code, done.out) == (4, "merge: shard 2/2 is missing\n")


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_cases_without_a_turn_end_the_run_with_13_and_are_counted(project: Path, workers: str) -> None:
    done = run_pytest(project, "--tgi-seed=1", "--tgi-budget-seconds=0.001", workers)
    assert done.code == 13, done.out
    assert "12 cases had no turn within the time limit, 0.001 s, 0 had theirs" in done.out


def test_a_time_limit_that_suffices_changes_nothing(project: Path) -> None:
    done = run_pytest(project, "--tgi-seed=1", "--tgi-budget-seconds=600", "-n0")
    assert done.code == 1, done.out
    assert "no turn" not in done.out


def test_tests_of_ones_own_are_judged_whatever_the_set(project: Path) -> None:
    done = run_pytest(project, "--tgi-seed=1", "--tgi-requirements=2026-12", "-n0")
    assert done.code == 1, done.out


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["--tgi-requirements=2020-01"], {}, "no requirement set '2020-01'; there is 2026-11, 2026-12"),
        (["--tgi-shard=3/2"], {}, "from 1/4 to 4/4"),
        (["--tgi-budget-seconds=0"], {}, "give a number of seconds above 0"),
        (["--tgi-shard=1/2"], {"TGI_ENDPOINT": "http://127.0.0.1:9"}, "--shard and TGI_ENDPOINT exclude"),
    ],
)
def test_what_cannot_be_is_wrong_use(
    words: list[str], environment: dict[str, str], said: str, project: Path
) -> None:
    done = run_pytest(project, "--tgi-seed=1", *words, **environment)
    assert done.code == 4, done.out
    assert said in done.out


def test_a_set_leaves_the_suites_cases_of_later_dates_unjudged(tmp_path: Path) -> None:
    """``whatever-comes`` entered the suites after the set was made."""
    words = ["--requirements", "2026-12", "--case", "STREAM-20/whatever-comes-chat", "-n", "0"]
    done = run_cli(tmp_path, "run", *words)
    assert "judged by requirement set 2026-12; 1 case outside it, none of them is red" in done.out
