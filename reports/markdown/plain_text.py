"""Text of a backend or of the wire inside Markdown: none of it is markup, and what is cut is said. Pure."""

import re
from typing import Final

from tgi_conformance.reports.readable import visible

#: What begins something in Markdown or HTML within a line.
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#|~&])")
_TICKS: Final = re.compile("`+")
#: Absolute paths of a machine; the paths of a URL do not begin like that.
_PLACE: Final = re.compile(
    r"(?<![\w.…/])/(?:home|root|Users|tmp|var|usr|opt|private|Library|mnt|srv|work|nix|etc)/[^\s'\":,;)\]}>]*"
)
#: Line ends as they are shown: the picture of each character, and an end of the line where it is one.
_LINE_ENDS: Final = re.compile("\r\n|\r|\n")
_PICTURES: Final = str.maketrans({"\r": "␍", "\n": "␊"})
#: How it is said what the pictures are.
PICTURED: Final = re.compile("[␊␍‖]")
LEGEND: Final = "␊ is LF, ␍ is CR, ‖ begins a further write in the middle of a line"


def inline(text: str, longest: int = 300) -> str:
    """A text within a line, none of which is markup; what keeps it from being markup counts too."""
    told = _line(text, longest)
    escaped = _SPECIAL.sub(r"\\\1", told)
    if len(escaped) > longest + 2:
        escaped = _SPECIAL.sub(r"\\\1", told[: longest * len(told) // len(escaped)]) + " …"
    return escaped


def code(text: str, longest: int = 300) -> str:
    """A text within a line as code."""
    shown = _line(text, longest)
    ticks = "`" * (_longest_ticks(shown) + 1)
    blank = " " if not shown or shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{blank}{shown}{blank}{ticks}"


def fenced(text: str, longest: int, language: str = "text") -> str:
    """A block of text, cut with a note where it is long."""
    told = without_places(visible(text[: longest * 2]))
    if len(told) > longest or len(text) > longest * 2:
        told = f"{told[:longest]}\n[… cut here: the evidence has all of it]"
    fence = "`" * max(_longest_ticks(told) + 1, 3)
    return f"{fence}{language}\n{told}\n{fence}"


def wire_text(content: bytes) -> str:
    """Bytes of the wire for reading: line ends as pictures and as line ends, what is no UTF-8 as escapes."""
    text = content.decode("utf-8", errors="backslashreplace")
    return visible(_LINE_ENDS.sub(lambda found: f"{found[0].translate(_PICTURES)}\n", text))


def without_places(text: str) -> str:
    """The text with the last name only of each path of this machine."""
    return _PLACE.sub(lambda found: f"…/{found[0].rstrip('/').rpartition('/')[2]}", text)


def _line(text: str, longest: int) -> str:
    joined = without_places(visible(" ".join(text[: longest * 4].split())))
    return joined if len(joined) <= longest and len(text) <= longest * 4 else f"{joined[:longest]} …"


def _longest_ticks(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)
