"""Each command of the kit that a page shows is one that the command line takes, with options that it has."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from documented_commands import commands_in, problem_with

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "field-notes").rglob("*.md")]
)
FENCE = "```"
#: Languages of blocks whose lines are typed into a shell.
SHELLS = ("", "bash", "sh", "console")


def lines_of_code(text: str) -> Iterator[str]:
    """The lines of a page's blocks for a shell, fenced or indented."""
    language = None
    for line in text.splitlines():
        if line.strip().startswith(FENCE):
            language = line.strip().removeprefix(FENCE) if language is None else None
        elif language in SHELLS or (language is None and line.startswith("    tgi-conformance ")):
            yield line


def shown(page: Path) -> list[tuple[str, ...]]:
    """The commands in a page's blocks; a line that ends with a backslash goes on."""
    text = "\n".join(lines_of_code(page.read_text(encoding="utf-8")))
    return list(commands_in(text.replace("\\\n", " ").splitlines()))


@pytest.mark.parametrize("page", [page for page in PAGES if shown(page)], ids=lambda page: page.name)
def test_each_command_of_a_page_is_one_of_the_kit(page: Path) -> None:
    problems = {" ".join(words): said for words in shown(page) if (said := problem_with(words))}
    assert problems == {}


def test_there_are_pages_with_commands() -> None:
    assert sum(len(shown(page)) for page in PAGES) >= 40
