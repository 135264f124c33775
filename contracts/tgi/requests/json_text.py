"""The JSON text of a request body, read as serde_json reads it.

The standard library reads it, being quick; where the two may differ,
:func:`~tgi_conformance.contracts.schema.positions.scan` has the last word.
"""

import json
import re
from collections.abc import Mapping
from math import isinf
from typing import Final, NoReturn, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.positions import scan

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
#: Every escape but those for half a character, for bodies that the standard library has read.
_WHOLE_ESCAPE: Final = re.compile(
    rb"\\(?:[^u]|u(?:[dD][89abAB]..\\u[dD][c-fC-F]..|[^dD]...|[dD][0-7]..))", re.DOTALL
)


def read_leniently(body: bytes) -> Mapping[str, JSON]:
    """Read a body without judging it; what is no JSON object is an empty one."""
    try:
        value = json.loads(body, parse_int=_int)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise ValueError(text)
    return value


def _int(text: str) -> int | float:
    """An integer; beyond 64 bits serde_json reads a float."""
    return int(text) if len(text) <= _LONGEST_INT else _float(text)


_LONGEST_INT: Final = 20
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_float, parse_int=_int)
_START: Final = re.compile(r"[ \t\n\r]*")


def _text(body: bytes) -> str:
    """The body as text; what comes after the value is never read, so it need not be UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        scan(body)
        return body[: error.start].decode()


def parse(body: bytes) -> JSON:
    """The JSON value that a body begins with; raises ``SyntaxProblem`` where TGI would find none."""
    text = _text(body)
    try:
        start = _START.match(text)
        value, _ = _DECODER.raw_decode(text, start.end() if start else 0)
    except (ValueError, RecursionError):
        scan(body)
        # Only reached where the two readers disagree, which is a defect here and no answer of TGI.
        raise
    # Of a bare value the standard library reads as much as it likes ("01" is 0).
    if not isinstance(value, list | dict) or (_SURROGATE.search(body) and _has_lone_surrogate(body)):
        scan(body)
    return cast("JSON", value)


def _has_lone_surrogate(body: bytes) -> bool:
    """Whether an escape for half a character stands alone; true also where only a closer look can tell."""
    return b"\\u" in _WHOLE_ESCAPE.sub(b"", body)
