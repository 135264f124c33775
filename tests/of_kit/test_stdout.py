"""A reader that leaves early (``| head``) ends no command, changes no exit code and leaves no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mini_backend import MINI

START = "import sys; from tgi_conformance.cli import main; sys.exit(main())"


def run_unread(folder: Path, words: list[str], *, both: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command whose output nobody reads: the other end of the pipe is closed before it begins."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-c", START, *words],
            cwd=folder,
            stdout=writer,
            stderr=writer if both else subprocess.PIPE,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["list"], 0),
        (["list", "--json"], 0),
        (["explain", "RETRY-03"], 0),
        (["doctor", "--backend", "mini:Mini"], 0),
        (["run", "--backend", "mini:Mini", "-n", "0", "--case", "ERR-06/status-400*"], 1),
        (["run", "--backend", "mini:Mini", "-n", "2", "--case", "ERR-06/status-400*"], 1),
        (["run", "--help"], 0),
    ],
)
def test_a_command_goes_on_and_ends_as_it_would(tmp_path: Path, words: list[str], code: int) -> None:
    (tmp_path / "mini.py").write_text(MINI)
    done = run_unread(tmp_path, words)
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
    if words[0] == "run" and "--backend" in words:
        assert (tmp_path / "collected_results" / "narrowed" / "report.html").is_file()


@pytest.mark.parametrize(
    ("words", "code"), [(["explain", "NOPE-01"], 4), (["check-server", "http://127.0.0.1:9"], 14)]
)
def test_what_is_said_on_standard_error_may_be_unread_too(
    tmp_path: Path, words: list[str], code: int
) -> None:
    assert run_unread(tmp_path, words, both=True).returncode == code
