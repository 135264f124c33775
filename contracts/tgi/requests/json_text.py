"""Bodies as the standard library reads JSON, as far as serde_json surely reads the same."""

import json
import re
from collections.abc import Mapping
from math import isinf
from typing import Final, NoReturn, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.json_reader import MOST_NESTED
from tgi_conformance.contracts.tgi.requests.fitting import Doubt

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
    """An integer; beyond 64 bits serde_json reads a float, and of ``-0``, too."""
    if len(text) < _SHORTEST_LONG:
        return -0.0 if text == "-0" else int(text)
    value = int(text) if len(text) <= _LONGEST else _LEAST - 1
    return value if _LEAST <= value <= _MOST else _float(text)


def _object(members: list[tuple[str, JSON]]) -> dict[str, JSON]:
    """An object whose keys differ."""
    found = dict(members)
    if len(found) < len(members):
        raise ValueError(members[0][0])
    return found


#: What 64 bits hold, and the digits (with a sign) of what may and of what cannot be beyond it.
_LEAST: Final = -(2**63)
_MOST: Final = 2**64 - 1
_SHORTEST_LONG: Final = 19
_LONGEST: Final = 20
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_float, parse_int=_int
)
_START: Final = re.compile(r"[ \t\n\r]*")


def quick_value(body: bytes) -> JSON:
    """The object that a body begins with; raises :class:`Doubt` where TGI might read another, or none."""
    if body.count(b"[") + body.count(b"{") >= MOST_NESTED:
        raise Doubt("depth")
    try:
        text = body.decode()
        start = _START.match(text)
        value, _ = _DECODER.raw_decode(text, start.end() if start else 0)
    except (ValueError, RecursionError) as error:
        raise Doubt(str(error)) from error
    # Of a bare value the standard library reads as much as it likes ("01" is 0).
    if not isinstance(value, dict) or (_SURROGATE.search(body) and _has_lone_surrogate(body)):
        raise Doubt("text")
    return cast("JSON", value)


def _has_lone_surrogate(body: bytes) -> bool:
    """Whether an escape for half a character stands alone; true also where only a closer look can tell."""
    return b"\\u" in _WHOLE_ESCAPE.sub(b"", body)
