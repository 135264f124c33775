"""The folders of the package: pyproject lists what is there, the wheel holds all of it, none is a hall."""

import ast
import email
import os
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("kit", "contracts", "suites", "fake_server", "reports", "backends")
#: Modules of one folder at most, and lines of one module.
MOST_MODULES = 22
MOST_LINES = 500
#: Folders that may hold more: a whole client beside the kit; the clauses, a file or more an area.
WIDE = {"backends/reference"}

MODULES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
FOLDERS = sorted({file.parent for file in MODULES})


def name_of(folder: Path) -> str:
    parts = folder.relative_to(ROOT).parts
    return ".".join(["tgi_conformance", *(parts[1:] if parts[0] == "kit" else parts)])


def path_in_package(file: Path) -> str:
    parts = file.relative_to(ROOT).parts
    return "/".join(["tgi_conformance", *(parts[1:] if parts[0] == "kit" else parts)])


def test_the_list_of_packages_is_the_tree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(map(name_of, FOLDERS))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_says_in_a_line_what_is_in_it_and_is_no_hall(folder: Path) -> None:
    told = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert told
    first = told.partition("\n")[0]
    assert first.endswith(".")
    assert ". " not in first, "one sentence"
    assert len(first.split()) > 2, "a name says nothing that the folder's own does not say"
    modules = [
        file
        for file in folder.glob("*.py")
        if file.name != "__init__.py" and not (folder.name == "suites" and file.name.startswith("test_"))
    ]
    assert len(modules) <= MOST_MODULES or str(folder.relative_to(ROOT)) in WIDE


def test_no_module_is_longer_than_a_reader_takes_in() -> None:
    lines = {str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in MODULES}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_no_folder_of_tests_can_be_imported_as_a_room() -> None:
    assert not {path.name for path in (ROOT / "tests").rglob("*") if path.is_dir()} & set(ROOMS)


def test_modules_at_the_top_of_contracts_stand_below_its_folders() -> None:
    rooms = {
        f"tgi_conformance.contracts.{folder.name}" for folder in FOLDERS if folder.parent.name == "contracts"
    }
    for file in (ROOT / "contracts").glob("*.py"):
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        asked = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        assert not [name for name in asked if any(name.startswith(room) for room in rooms)], file


def test_the_map_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate_map.py"))
    assert generate["main"](["--check"]) == 0, capsys.readouterr().out


def built(place: Path, rooms: Iterable[str]) -> Path:
    """A wheel, built of a copy of the tree, without a network; the rooms are copied in this order."""
    tree, out = place / "tree", place / "wheel"
    tree.mkdir()
    for room in rooms:  # the files of a copy are as old as the copy
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / room, tree / room, ignore=ignored, copy_function=shutil.copy)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1790000000"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("first"), ROOMS)


def test_the_wheel_holds_every_file_of_the_tree_and_nothing_else(wheel: Path) -> None:
    files = [file for room in ROOMS for file in (ROOT / room).rglob("*") if file.is_file()]
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {path_in_package(file) for file in files if file.parent.name != "__pycache__"}


def test_a_wheel_that_is_built_again_is_the_same_to_the_byte(wheel: Path, tmp_path: Path) -> None:
    again = built(tmp_path, reversed(ROOMS))
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        told = [
            [(item.filename, item.date_time, item.CRC) for item in each.infolist()]
            for each in (first, second)
        ]
    assert told[0] == told[1]
    assert wheel.read_bytes() == again.read_bytes()


def test_the_wheel_tells_what_it_is_and_that_it_has_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = email.message_from_bytes(archive.read(name))
        assert "tgi_conformance/py.typed" in archive.namelist()
    assert (told["Name"], told["License-Expression"]) == ("tgi-conformance", "Apache-2.0")
    assert told["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in told.get_all("Classifier", [])
