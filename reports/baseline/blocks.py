"""The tables of a TOML file as pieces of its text, with their lines. Pure.

Parsers of TOML give values without places. A table begins at a line with its name in brackets; such a line
may also stand inside a text or an array of several lines, but then what comes before it is no TOML by itself.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_HEADER: Final = re.compile(r"\s*(?P<brackets>\[\[?)\s*(?P<name>[^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_COMMENT: Final = re.compile(r"\s*#")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A table with the comment right above it; the first block has no name and holds what is before any."""

    name: str = ""
    #: Of its header, counted from 1.
    line: int = 1
    #: How many lines of comment stand above the header.
    above: int = 0
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As it stands in the file."""
        return "\n".join(self.lines)

    @property
    def comment(self) -> str:
        """The lines above its header."""
        return "\n".join(self.lines[: self.above])

    def line_of(self, key: str) -> int:
        """The line on which a key is given; of one that is missing, the header's."""
        given = re.compile(rf"""\s*(["']?){re.escape(key)}\1\s*=""")
        places = (number for number, row in enumerate(self.lines) if given.match(row))
        found = next(places, None)
        return self.line if found is None else self.line - self.above + found


def blocks_of(text: str) -> tuple[Block, ...]:
    """All of the text, cut at the headers of its tables; joined by line ends it is the text again."""
    rows = text.split("\n")
    headers = list(_headers(rows))
    starts = [line - _comments_above(rows, line) for line, _ in headers]
    ends = [*starts[1:], len(rows)][: len(starts)]
    first = Block(lines=tuple(rows[: starts[0] if starts else len(rows)]))
    return (
        first,
        *(
            Block(name=name, line=line + 1, above=line - start, lines=tuple(rows[start:end]))
            for (line, name), start, end in zip(headers, starts, ends, strict=True)
        ),
    )


def _headers(rows: list[str]) -> Iterator[tuple[int, str]]:
    """Numbers of lines, from 0, and the names of the tables that begin there."""
    begun = 0
    for number, row in enumerate(rows):
        header = _HEADER.fullmatch(row)
        if header is not None and _is_whole("\n".join(rows[begun:number])):
            begun = number
            yield number, header["name"]


def _is_whole(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _comments_above(rows: list[str], line: int) -> int:
    count = 0
    while count < line and _COMMENT.match(rows[line - count - 1]):
        count += 1
    return count
