"""Bytes and JSON values as text for people, cut where they are long."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Frame
from tgi_conformance.reports.atomic import json_text

#: Characters of one value that a page shows.
LONGEST: Final = 4_000

#: Controls, line separators, marks that turn the direction of the text around, surrogates, non-characters.
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as text; ``cut`` counts the characters that are not shown."""

    text: str
    cut: int = 0


def clip(text: str, longest: int = LONGEST) -> Shown:
    """The beginning of a text, its control characters made visible."""
    return Shown(visible(text[:longest]), max(0, len(text) - longest))


def visible(text: str) -> str:
    """The text with control characters and lone surrogates as escapes; tabs and line ends stay."""
    return _CONTROL.sub(lambda found: _escape(ord(found[0])), text)


def frame_lines(frames: Sequence[Frame]) -> Shown:
    """Frames of an exception, a line each, with the owner of each file."""
    width = max((len(frame.owner) for frame in frames), default=0)
    return clip("\n".join(f"{frame.owner:<{width}}  {frame}" for frame in frames))


def pretty_json(value: JSON, longest: int = LONGEST) -> Shown:
    """A JSON value, indented; characters outside ASCII as they are where they can be shown."""
    text = json.dumps(json.loads(json_text(value)), indent=2, ensure_ascii=False)
    return clip(text, longest)


def pretty_bytes(content: bytes, longest: int = LONGEST) -> Shown:
    """JSON is indented; other text stays as it is; what is no UTF-8 is shown by escapes.

    A body that is cut off or no JSON is shown as it came: that may be the very point.
    """
    try:
        return pretty_json(json.loads(content), longest)
    except (ValueError, RecursionError):
        return clip(content.decode("utf-8", errors="backslashreplace"), longest)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
