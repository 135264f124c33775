"""Allure: written by the run itself at its end, or by allure-pytest with the labels of the plugin."""

import json
from pathlib import Path

import pytest
from mini_backend import MINI, run_cli, run_pytest

#: Its text and its errors hold what has no UTF-8.
HALF = (
    MINI
    + """

class Half(Mini):
    NAME = "half"

    def generate(self, prompt, *, endpoint_id=None, **parameters):
        raise ValueError("half a character: \\ud83d")
"""
)
TEST = """
import pytest


@pytest.mark.clause("REQ-01", case="own")
@pytest.mark.parametrize("text", ["\\ud83d half"], ids=["half"])
def test_own(text):
    assert text == "\\udc00"


def test_after():
    pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mini.py").write_text(HALF)
    return tmp_path


def read(folder: Path) -> dict[str, dict[str, object]]:
    found = [json.loads(file.read_bytes()) for file in folder.glob("*-result.json")]
    return {str(result["name"]): result for result in found}


def test_a_run_writes_all_results_at_its_end_whatever_the_texts(project: Path) -> None:
    words = [
        "--backend",
        "mini:Half",
        "-n",
        "0",
        "--case",
        "REQ-04",
        "--case",
        "INIT-05",
        "--allure",
        "allure",
    ]
    done = run_cli(project, "run", *words)
    assert done.code == 1, done.out
    assert set(read(project / "allure")) == set(done.rulings())
    assert any("\\ud83d" in str(result["statusDetails"]) for result in read(project / "allure").values())


def test_allure_pytests_results_have_our_labels_and_a_lone_surrogate_ends_nothing(project: Path) -> None:
    (project / "test_own.py").write_text(TEST)
    words = ["-p", "allure_pytest.plugin", "--alluredir", "allure", "--tgi-report", "full", "test_own.py"]
    done = run_pytest(project, *words)
    assert "INTERNALERROR" not in done.out
    assert done.code == 1, done.out
    found = read(project / "allure")
    assert set(found) == {"REQ-01/own-half", "test_after"}
    labels = {(label["name"], label["value"]) for label in found["REQ-01/own-half"]["labels"]}  # type: ignore[attr-defined]
    assert ("epic", "own-tests") in labels
    assert "\\udc00" in json.dumps(found["REQ-01/own-half"]).replace("\\\\", "\\")
