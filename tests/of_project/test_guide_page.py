"""Every command of docs/ipfs-accelerate.md runs, in the order in which it is shown; the page has each key."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS

ROOT = Path(__file__).parents[2]
STAND_INS = ROOT / "tests" / "stand_ins"
TEXT = (ROOT / "docs" / "ipfs-accelerate.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.strip()]
#: What installs from a package index; a link to this interpreter stands for the environment.
INSTALLS = "python -m venv"
ROW = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
CASE = re.compile(r"`([A-Z]+-\d+)(?:/([\w.-]+))?`")
MAP = "collected_results/hf_tgi_test_results.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a stand-in of the backend at the path that the page names, and an environment."""
    folder = tmp_path / "guide-page"
    folder.mkdir()
    shutil.copytree(STAND_INS / "early_backend", folder / "api_backends")
    shutil.copy(STAND_INS / "guide_backend" / "requests.py", folder / "api_backends")
    (folder / "guide" / "bin").mkdir(parents=True)
    (folder / "guide" / "bin" / "python").symlink_to(sys.executable)
    (folder / "bin").mkdir()
    kit = folder / "bin" / "tgi-conformance"
    start = "import sys; from tgi_conformance.cli import main; sys.exit(main())"
    kit.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c \'{start}\' "$@"\n', encoding="utf-8")
    kit.chmod(0o755)
    return folder


def shell(folder: Path, command: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=240,
        check=False,
    )


def test_the_commands_of_the_page_run_in_its_order_and_what_they_leave_is_as_it_says(folder: Path) -> None:
    for command in COMMANDS:
        if command.startswith(INSTALLS):
            _expect_its_lock(command)
        else:
            _expect_it_runs(folder, command)
    _expect_that_a_map_which_differs_is_told(folder)
    texts = [file.read_bytes() for file in (folder / "collected_results").rglob("*") if file.is_file()]
    assert texts
    assert [text for text in texts if re.search(rb"HF_API_KEY|Bearer key[12]", text)] == []


def _expect_its_lock(command: str) -> None:
    lock = re.search(r"-r (\S+)", command)
    assert lock
    assert (ROOT / lock[1]).is_file()


def _expect_it_runs(folder: Path, command: str) -> None:
    done = shell(folder, command)
    assert done.returncode in (0, 1), done.stdout
    if "--profile tgi-guide" in command:
        values = json.loads((folder / MAP).read_text(encoding="utf-8"))
        assert list(values) == list(RESULTS_KEYS)
        assert set(values.values()) == {"Failed"}


def _expect_that_a_map_which_differs_is_told(folder: Path) -> None:
    expected = folder / "expected_results" / "hf_tgi_test_results.json"
    values = json.loads(expected.read_text(encoding="utf-8"))
    expected.write_text(json.dumps(values | {"streaming": "Success"}), encoding="utf-8")
    run = next(command for command in COMMANDS if "--profile tgi-guide" in command)

    done = shell(folder, run)

    assert re.search(r"streaming.*Success.*Failed", done.stdout), done.stdout


def test_the_page_has_each_key_with_a_case_a_line_and_the_changes() -> None:
    rows = {row[0]: row[1:] for row in ROW.findall(TEXT) if row[0] in RESULTS_KEYS}
    known = {clause.id for clause in load_catalogue()}
    assert list(rows) == list(RESULTS_KEYS)
    for key, (claimed, wire, line, changes) in rows.items():
        assert claimed.strip(), key
        cases = CASE.findall(wire)
        assert cases, key
        assert {clause for clause, _ in cases} <= known, key
        assert re.search(r"\d{3}", line), key
        assert re.fullmatch(r"none(; .*)?|[A-P](, [A-P])*", changes), key


def test_each_change_is_described_once() -> None:
    described = re.findall(r"^- \*\*([A-P])\*\* \(`(\w+)`\)", TEXT, re.MULTILINE)
    assert [letter for letter, _ in described] == sorted({letter for letter, _ in described})
    used = {letter for row in ROW.findall(TEXT) for letter in re.findall(r"\b[A-P]\b", row[4])}
    assert used <= {letter for letter, _ in described}
    source = "\n".join(
        (STAND_INS / "guide_backend" / name).read_text(encoding="utf-8")
        for name in ("hf_tgi.py", "mistakes.py")
    )
    assert [name for _, name in described if f'"{name}"' not in source] == []


def test_the_stand_in_is_told_of_in_no_path_of_this_machine() -> None:
    assert os.sep + "tmp" + os.sep not in TEXT
