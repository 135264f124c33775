"""The order of cases: shuffled by the seed where the user asks for it."""

from pathlib import Path

import pytest
from mini_backend import run_pytest

OWN = """
import pytest

@pytest.mark.clause("RETRY-03")
@pytest.mark.parametrize("number", range(12))
def test_case(number):
    with open("ran.txt", "a") as ran:
        ran.write(f"{number} ")
"""


def _order(project: Path, *words: str) -> list[int]:
    (project / "pytest.ini").write_text("[pytest]\n")
    (project / "test_own.py").write_text(OWN)
    (project / "ran.txt").unlink(missing_ok=True)
    done = run_pytest(project, "-q", *words)
    assert done.code == 0, done.out
    return [int(number) for number in (project / "ran.txt").read_text().split()]


def test_random_order_is_the_seeds(tmp_path: Path) -> None:
    first = _order(tmp_path, "--tgi-order=random", "--tgi-seed=1")
    assert sorted(first) == list(range(12)) != first
    assert _order(tmp_path, "--tgi-order=random", "--tgi-seed=1") == first
    assert _order(tmp_path, "--tgi-order=random", "--tgi-seed=2") != first


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_agree_on_a_random_order(tmp_path: Path, workers: int) -> None:
    ran = _order(tmp_path, "--tgi-order=random", "--tgi-seed=3", f"-n{workers}")
    assert sorted(ran) == list(range(12))
