"""Bytes that a text cannot show for certain, as a hexdump."""

import re
from typing import Final

from tgi_conformance.reports.readable import Shown

#: Bytes of one message that are shown.
MOST: Final = 512
_ROW: Final = 16
#: Controls but tab and line feed, the mark of byte order, separators like line ends, turns of direction.
_MATTER: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)


def bytes_matter(content: bytes) -> bool:
    """Whether the text of these bytes would hide some: no UTF-8, CR, NUL, invisible or turning characters."""
    try:
        return bool(_MATTER.search(content.decode("utf-8")))
    except UnicodeDecodeError:
        return True


def hexdump(content: bytes) -> Shown:
    """Offsets, bytes and ASCII, as ``hexdump -C``, from the first row that holds what a text would hide."""
    start = _first_of_note(content) // _ROW * _ROW
    start = max(0, start - 2 * _ROW)
    shown = content[start : start + MOST]
    rows = [_row(start + at, shown[at : at + _ROW]) for at in range(0, len(shown), _ROW)]
    return Shown("\n".join(rows), max(0, len(content) - start - MOST))


def _first_of_note(content: bytes) -> int:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        text, broken = content[: error.start].decode("utf-8"), error.start
    else:
        broken = 0
    found = _MATTER.search(text)
    return broken if found is None else len(text[: found.start()].encode("utf-8"))


def _row(offset: int, content: bytes) -> str:
    pairs = content.hex(" ").split()
    left, right = " ".join(pairs[:8]), " ".join(pairs[8:])
    seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in content)
    return f"{offset:08x}  {left:<23}  {right:<23}  |{seen}|"
