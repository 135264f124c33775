"""Every command that docs/reports.md shows runs, in the order in which it is shown, in one folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mini_backend import MINI

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
#: Commands that do not end by themselves: what is waited for in what they print.
UNENDING = {"python3 repro.py": re.compile(r"http://127\.0\.0\.1:\d+")}
#: What a reader looks at, and what stands for it here.
VIEWERS = ("less",)
ADAPTER = MINI.replace("class Mini:", "class Adapter:").replace("class Twin(Mini):", "class Twin(Adapter):")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an adapter and the project's tests in it and, on the path, what commands begin with."""
    folder = tmp_path_factory.mktemp("reports")
    (folder / "my_adapter.py").write_text(ADAPTER, encoding="utf-8")
    (folder / "tests").symlink_to(ROOT / "tests")
    (folder / "bin").mkdir()
    start = "import sys; from tgi_conformance.cli import main; sys.exit(main())"
    for name, words in {"tgi-conformance": f"-c '{start}'", "python3": "-u", "python": "-u"}.items():
        file = folder / "bin" / name
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', encoding="utf-8")
        file.chmod(0o755)
    return folder


def shell(folder: Path, command: str) -> "subprocess.Popen[str]":
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    return subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_on_reports_runs(folder: Path, command: str) -> None:
    program, _, rest = command.partition(" ")
    if program in VIEWERS:
        assert (folder / rest).read_text(encoding="utf-8").strip()
        return
    with shell(folder, command) as process:
        assert process.stdout is not None
        if command in UNENDING:
            first = process.stdout.readline()
            process.terminate()
            assert UNENDING[command].search(first)
            return
        out = process.communicate(timeout=120)[0]
    assert process.returncode in (0, 1), out
