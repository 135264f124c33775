"""What differs between the sides of a failed assertion, where both hold JSON: the member, and how. Pure."""

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Final

from tgi_conformance.contracts.json_types import JSON

_BEGIN: Final = re.compile(r"[\[{]")
#: Places in a text where JSON is looked for: what is observed is the backend's, and may be anything.
_MOST_BEGINS: Final = 8
#: Levels that are compared.
_DEEPEST: Final = 40
_MEMBER: Final = re.compile(r"^([a-z_]+)(?:=|: )")
_NONE: Final = re.compile(r"^no ([a-z_]+)$")


def difference(expected: str, observed: str) -> str:
    """``default left out``, ``stop changed``: the first member that differs; empty: it cannot be told."""
    before, after, none = _MEMBER.match(expected), _MEMBER.match(observed), _NONE.match(observed)
    if before and none and before[1] == none[1]:
        return f"{before[1]} left out"
    wanted, seen = _value(expected), _value(observed)
    if before and after and before[1] == after[1] and not isinstance(seen, list):
        return f"{before[1]} changed"
    if isinstance(wanted, Mapping | list) and isinstance(seen, Mapping | list):
        return _first(wanted, seen, "", _DEEPEST)
    return ""


def _value(text: str) -> JSON:
    """The first JSON object or list in a text."""
    for begin in islice(_BEGIN.finditer(text), _MOST_BEGINS):
        try:
            value: JSON = json.JSONDecoder().raw_decode(text, begin.start())[0]
        except (ValueError, RecursionError):
            continue
        return value
    return None


def _first(wanted: JSON, seen: JSON, name: str, levels: int) -> str:
    if not levels:
        return ""
    if isinstance(wanted, Mapping) and isinstance(seen, Mapping):
        for key in wanted:
            if key not in seen:
                return f"{key} left out"
            if told := _first(wanted[key], seen[key], key, levels - 1):
                return told
        added = [key for key in seen if key not in wanted]
        return f"{added[0]} added" if added else ""
    if isinstance(wanted, list) and isinstance(seen, list):
        for one, other in zip(wanted, seen, strict=False):
            if told := _first(one, other, name, levels - 1):
                return told
        if len(wanted) != len(seen):
            return f"{name or 'a list'} {'cut' if len(seen) < len(wanted) else 'longer'}"
        return ""
    same = wanted == seen and isinstance(wanted, bool) == isinstance(seen, bool)
    return "" if same else f"{name or 'a value'} changed"
