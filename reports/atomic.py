"""Files that are there whole or not at all: written beside their place, then moved into it."""

import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.json_types import JSON

_BESIDE: Final = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.tmp")


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text, making the folder if need be; lone surrogates, which UTF-8 lacks, become escapes."""
    return write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_json(path: Path, value: JSON) -> Path:
    """Write a JSON value, indented, with a line end at its end."""
    return write_text(path, json_text(value, indent=2) + "\n")


def write_bytes(path: Path, content: bytes) -> Path:
    """Write bytes; when anything fails the old file stands as it was and nothing is left beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Same folder: the move stays inside one file system. A name of its own: two runs may write at once.
    beside = path.with_name(f".{path.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return path


def leftovers(folder: Path) -> Iterator[Path]:
    """What a process that was killed while it wrote left anywhere below a folder."""
    return (path for path in folder.rglob(".*.tmp") if _BESIDE.fullmatch(path.name) and path.is_file())


def json_text(value: JSON, *, indent: int | None = None) -> str:
    """JSON text; numbers that JSON lacks are tagged as in the adapter protocol: ``{"$float": "nan"}``."""
    separators = (",", ":") if indent is None else None
    return json.dumps(
        _tagged(value), indent=indent, separators=separators, ensure_ascii=True, allow_nan=False
    )


def _tagged(value: JSON) -> JSON:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, Mapping):
        return {str(key): _tagged(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_tagged(item) for item in value]
    return value
