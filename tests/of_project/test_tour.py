"""The tour names what is there: each function stands in the file it is said to stand in."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
#: A file, and the names that follow it up to the next file.
FILE = re.compile(r"`([a-z_0-9/]+\.py)`((?:(?!`[a-z_0-9/]+\.py`)[\s\S])*)")
STEPS = [
    (file, name) for file, rest in FILE.findall(TEXT) for name in re.findall(r"`([A-Za-z_]\w*)`", rest)[:1]
]


def names_in(file: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, kinds)}


def test_the_tour_has_its_steps() -> None:
    assert len(STEPS) > 30


@pytest.mark.parametrize(("file", "name"), STEPS)
def test_each_step_names_a_function_that_is_there(file: str, name: str) -> None:
    assert name in names_in(ROOT / file)
