"""The commands of docs/write-an-adapter.md lead from a client without an adapter to a verdict, in order."""

from pathlib import Path

import pytest
from documented_commands import commands_in
from mini_backend import run_cli
from stand_in_clients import NATIVE_CLIENT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "write-an-adapter.md").read_text(encoding="utf-8")
#: The last section is for another language.
PYTHON = PAGE[: PAGE.index("## For a client in JavaScript")]
STEPS = [words for words in commands_in(PYTHON.splitlines()) if not any("`" in word for word in words)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a client and nothing else; each step finds what the one before it left."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "my_client.py").write_text(NATIVE_CLIENT, encoding="utf-8")
    return folder


def test_the_steps_are_those_that_the_page_explains() -> None:
    assert [words[0] for words in STEPS] == [
        "init",
        "doctor",
        "run",
        "explain",
        "run",
        "baseline",
        "baseline",
    ]


@pytest.mark.parametrize("words", STEPS, ids=" ".join)
def test_a_step_leads_on(folder: Path, words: tuple[str, ...]) -> None:
    done = run_cli(folder, *words, *(("-n", "2") if words[0] == "run" else ()))
    # The client is a sketch: a run of it is red, and must say where.
    assert done.code == (1 if words[0] == "run" else 0), done.out
    assert words[0] != "run" or "my_client.py:" in done.out
