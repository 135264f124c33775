"""The content types that TGI takes for JSON."""

import re
from functools import lru_cache
from typing import Final

_JSON_TYPE: Final = re.compile(r"\s*application/(?:[^;/\s]+\+)?json\s*(?:;.*)?", re.IGNORECASE)


@lru_cache(maxsize=32)
def accepts(content_type: str | None) -> bool:
    """Whether TGI takes a content type as JSON; it asks before it reads the body."""
    return content_type is not None and _JSON_TYPE.fullmatch(content_type) is not None
