"""The little markdown of the catalogue as safe HTML: code, links, strong and emphasised words."""

import re
from typing import Final

from markupsafe import Markup, escape

_PARTS: Final = re.compile(
    r"(?P<code>`+)(?P<verbatim>.+?)(?P=code)(?!`)"
    r"|\[(?P<label>[^\]]+)\]\((?P<url>https?://[^\s)]+)\)"
    r"|\*\*(?P<strong>.+?)\*\*"
)

_CODE: Final = re.compile(r"`([^`]+)`")


def inline_markdown(text: str) -> Markup:
    """HTML of one line of markdown; everything else is escaped, and only http(s) links become links."""
    parts: list[Markup] = []
    last = 0
    for found in _PARTS.finditer(text):
        parts += [escape(text[last : found.start()]), _part(found)]
        last = found.end()
    return Markup("").join([*parts, escape(text[last:])])


def inline_code(text: str) -> Markup:
    """HTML of one line in which words between backticks are code; everything else is escaped."""
    parts = _CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def _part(found: re.Match[str]) -> Markup:
    if found["code"]:
        return Markup("<code>{}</code>").format(found["verbatim"].strip())
    if found["url"]:
        return link(found["url"], inline_markdown(found["label"]))
    return Markup("<strong>{}</strong>").format(inline_markdown(found["strong"]))


def link(url: str, label: str) -> Markup:
    """A link that tells the other side nothing of the page it stands on."""
    return Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(url, label)
