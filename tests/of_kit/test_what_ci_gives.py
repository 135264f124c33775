"""A run with what CI gives: no home, a checkout that is only read, one core, no colour and no terminal."""

import os
from pathlib import Path

import pytest
from mini_backend import MINI, Done, run

#: The command on one core of those that there are.
START = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from tgi_conformance.cli import main
sys.exit(main())
"""
CASE = "REQ-02/crlf"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a backend. Who runs as root can write into it all the same."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "mini.py").write_text(MINI, encoding="utf-8")
    (folder / "tmp").mkdir()
    return folder


def ci(checkout: Path, *words: str) -> Done:
    checkout.chmod(0o555)
    bare = {"HOME": "/nonexistent", "TERM": "dumb", "CI": "true"}
    try:
        return run(checkout, ["-c", START, *words], **bare, LANG="C", TMPDIR=str(checkout.parent))
    finally:
        checkout.chmod(0o755)


def files_in(folder: Path) -> set[str]:
    """All but the bytecode that Python keeps where it can."""
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in found if "__pycache__" not in path.parts}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are given to a process on Linux only")
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_needs_no_home_no_terminal_and_writes_into_its_results_alone(
    checkout: Path, workers: str, tmp_path: Path
) -> None:
    before = files_in(checkout)
    words = ("--backend", "mini.py:Mini", "--case", CASE, "-n", workers, "--results", str(tmp_path / "r"))
    done = ci(checkout, "run", *words)
    assert done.code == 0, done.out
    assert "\x1b" not in done.out
    assert files_in(checkout) == before
    assert (tmp_path / "r" / "narrowed" / "report.html").is_file()


def test_results_that_cannot_be_written_are_wrong_use_before_anything_is_run(checkout: Path) -> None:
    (checkout / "collected_results").write_text("a file", encoding="utf-8")
    done = ci(checkout, "run", "--backend", "mini.py:Mini", "--case", CASE)
    assert done.code == 4, done.out
    assert "collected_results" in done.out
