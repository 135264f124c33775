"""Each command of the kit that a page shows is one that the command line takes, with options that it has."""

from pathlib import Path

import pytest
from documented_commands import problem_with
from documented_pages import PAGES, shown


@pytest.mark.parametrize("page", [page for page in PAGES if shown(page)], ids=lambda page: page.name)
def test_each_command_of_a_page_is_one_of_the_kit(page: Path) -> None:
    problems = {" ".join(words): said for words in shown(page) if (said := problem_with(words))}
    assert problems == {}


def test_there_are_pages_with_commands() -> None:
    assert sum(len(shown(page)) for page in PAGES) >= 40
