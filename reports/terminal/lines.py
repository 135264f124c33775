"""Lines of the summary: wrapped where there is a width, whole where there is none, safe to print.

A width belongs to a terminal. What goes into a file or a pipe has none: there nothing is wrapped and nothing
is cut, so that it can be searched.
"""

import io
import textwrap
from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.text import Text

from tgi_conformance.reports.readable import visible

#: Characters of one text that a terminal shows; the report and a plain log have it all.
_LONGEST: Final = 1_000
#: What :func:`visible` leaves as it is, and what would leave the line.
_LINE_ENDS: Final = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": " "})
#: Columns that are left for a text, however narrow the terminal and long what stands before it.
_LEAST_ROOM: Final = 20


def one_line(text: str) -> str:
    """The text on one line, with control characters as escapes: nothing in it can move the cursor."""
    return " ".join(visible(text).split())


def hanging(head: Text, text: str, *, width: int | None, indent: int) -> list[Text]:
    """``head`` and the text behind it; further lines begin at the column ``indent``."""
    body = one_line(text)
    if width is None:
        return [Text.assemble(head, body)]
    if len(body) > _LONGEST:
        body = f"{body[:_LONGEST]} … ({len(body) - _LONGEST:,} more characters in the report)"
    before = len(head.plain)
    if width - before < _LEAST_ROOM and before > indent:
        head.rstrip()
        return [head, *hanging(Text(" " * indent), text, width=width, indent=indent)]
    rows = textwrap.wrap(
        body,
        max(width, indent + _LEAST_ROOM),
        initial_indent=" " * before,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,  # a name that is broken can be neither copied nor found
    )
    first, *more = rows or [" " * before]
    return [Text.assemble(head, first[before:]), *map(Text, more)]


def command(head: Text, words: str) -> Text:
    """A command, never wrapped: what a terminal wraps by itself can still be copied as one line."""
    return Text.assemble(head, one_line(words))


def paragraph(text: str, *, width: int | None, indent: int, style: str = "") -> list[Text]:
    """A text of its own, all of its lines indented."""
    lines = hanging(Text(" " * indent), text, width=width, indent=indent)
    return [Text(line.plain, style) for line in lines]


def safe(line: Text) -> Text:
    """The line with control characters as escapes; one that has any loses the colours of its parts."""
    shown = visible(line.plain).translate(_LINE_ENDS)
    return line if shown == line.plain else Text(shown, line.style)


def to_strings(lines: Iterable[Text], *, colour: bool) -> list[str]:
    """The lines as text, with ANSI colours or without."""
    if not colour:
        return [safe(line).plain for line in lines]
    return [_ansi(safe(line)) for line in lines]


def _ansi(line: Text) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", legacy_windows=False)
    with console.capture() as capture:
        console.print(line, end="", soft_wrap=True, highlight=False)
    return capture.get()


def plural(count: int, noun: str) -> str:
    """``case`` or ``cases``, without the number."""
    return noun if count == 1 else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """``1 case``, ``1,500 cases``."""
    return f"{count:,} {plural(count, noun)}"
