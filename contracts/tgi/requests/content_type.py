"""The content types that TGI takes for JSON, as the mime crate 0.3 reads them."""

import re
from functools import lru_cache
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+")
_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PARAMETER: Final = re.compile(rf'\s*+{_WORD}=(?:{_WORD}|"[^"]*+")\s*+(?:;|$)')


@lru_cache(maxsize=32)
def accepts(content_type: str | None) -> bool:
    """Whether TGI takes a content type as JSON; it asks before it reads the body."""
    if content_type is None:
        return False
    essence, _, parameters = content_type.partition(";")
    kind, _, name = essence.rstrip(" \t").lower().partition("/")
    if kind != "application" or not _NAME.fullmatch(name):
        return False
    before, plus, suffix = name.rpartition("+")
    is_json = "json" in {before, suffix} if plus else name == "json"
    return is_json and _are_parameters(parameters)


def _are_parameters(text: str) -> bool:
    at = 0
    while text[at:].strip():
        found = _PARAMETER.match(text, at)
        if found is None:
            return False
        at = found.end()
    return True
