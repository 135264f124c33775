"""Each link of a page leads somewhere: to a file that is there, and to a heading that it has."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
READER = MarkdownIt("commonmark").enable("table")


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    return tuple(READER.parse(page.read_text(encoding="utf-8")))


def links(page: Path) -> Iterator[str]:
    for token in tokens(page):
        for child in token.children or ():
            address = child.attrGet("href") or child.attrGet("src")
            if isinstance(address, str):
                yield address


@cache
def anchors(page: Path) -> frozenset[str]:
    """Names of the headings as GitHub and MyST make them: small letters, blanks to dashes, no punctuation."""
    found: dict[str, int] = {}
    names = set()
    for opening, inline in zip(tokens(page), tokens(page)[1:], strict=False):
        if opening.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            count = found[name] = found.get(name, -1) + 1
            names.add(f"{name}-{count}" if count else name)
    return frozenset(names)


def problem_with(page: Path, link: str) -> str:
    """Why a link leads nowhere; nothing: ""."""
    parts = urlsplit(link)
    if parts.scheme:
        return ""
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_relative_to(ROOT) or not target.is_file():
        return f"{link}: there is no such file"  # a folder is no page of the site that is built of them
    if parts.fragment and target.suffix == ".md" and parts.fragment not in anchors(target):
        return f"{link}: there is no such heading"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_somewhere(page: Path) -> None:
    problems = [problem for link in links(page) if (problem := problem_with(page, link))]
    assert not problems, "\n".join(problems)


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = ROOT / "docs" / "cli.md"
    assert problem_with(page, "no-such-page.md") != ""
    assert problem_with(page, "reports.md#no-such-heading") != ""
    assert problem_with(page, "examples") != ""
    assert problem_with(page, str(tmp_path)) != ""
    assert problem_with(page, "#run") == problem_with(page, "reports.md#the-page") == ""
