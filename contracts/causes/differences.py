"""What differs between the sides of a failed assertion, where both hold JSON: the member, and how. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.json_types import JSON

_BEGIN: Final = re.compile(r"[\[{]")
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
        return _first(wanted, seen, "")
    return ""


def _value(text: str) -> JSON:
    """The first JSON object or list in a text."""
    for begin in _BEGIN.finditer(text):
        try:
            value: JSON = json.JSONDecoder().raw_decode(text, begin.start())[0]
        except ValueError:
            continue
        return value
    return None


def _first(wanted: JSON, seen: JSON, name: str) -> str:
    if isinstance(wanted, Mapping) and isinstance(seen, Mapping):
        for key in wanted:
            if key not in seen:
                return f"{key} left out"
            if told := _first(wanted[key], seen[key], key):
                return told
        added = [key for key in seen if key not in wanted]
        return f"{added[0]} added" if added else ""
    if isinstance(wanted, list) and isinstance(seen, list):
        for one, other in zip(wanted, seen, strict=False):
            if told := _first(one, other, name):
                return told
        if len(wanted) != len(seen):
            return f"{name or 'a list'} {'cut' if len(seen) < len(wanted) else 'longer'}"
        return ""
    same = wanted == seen and isinstance(wanted, bool) == isinstance(seen, bool)
    return "" if same else f"{name or 'a value'} changed"
