"""JSON as serde writes it, and texts with holes: what many events have alike is written once."""

import json
from json.encoder import encode_basestring
from typing import Final

from tgi_conformance.contracts.json_types import JSON

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ASCII_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))

#: Stands in a value where a text is to be filled in.
HOLE: Final = "\0hole\0"
_HOLE_TEXT: Final = json.dumps(HOLE)

#: A string as :func:`dumps` writes it, if it is :func:`encodable`.
quoted: Final = encode_basestring


def dumps(value: JSON) -> str:
    """JSON as serde writes it: no blanks, characters unescaped.

    A lone surrogate, which serde cannot hold, is escaped together with everything beyond ASCII.
    """
    text = _ENCODER.encode(value)
    return text if encodable(text) else _ASCII_ENCODER.encode(value)


def encodable(text: str) -> bool:
    """Whether UTF-8 can hold a text: it has no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def between_holes(value: JSON, holes: int) -> tuple[str, ...] | None:
    """The text of a value but for its holes, in parts; None where it cannot be cut there.

    Filled with what :func:`dumps` writes for the values themselves, the parts are what it writes for the
    whole, as long as all of it is :func:`encodable`.
    """
    text = _ENCODER.encode(value)
    parts = tuple(text.split(_HOLE_TEXT))
    return parts if len(parts) == holes + 1 and encodable(text) else None
