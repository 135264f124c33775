"""Where in the backend a cause lies, as a file and a line that other tools can link to."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tgi_conformance.reports.causes.cause import Cause

_PLACE: Final = re.compile(r"(?P<file>.+):(?P<line>\d{1,9}) in (?P<function>.+)", re.DOTALL)
#: Characters; what is longer is no file of a repository.
_LONGEST_PATH: Final = 300
#: Where projects keep their packages, from the root of the repository.
_ROOTS: Final = ("", "src")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line of a file. The file is relative, with slashes."""

    file: str
    line: int = 1
    function: str = ""


def place_of(cause: Cause, spec: str, root: Path) -> Place:
    """The backend's line where the cause shows; where none is known, the adapter's file.

    A frame names its file from its package on. Where that file is in the repository ``root``, the place is
    given from the root on, else as the frame has it: a client that is installed is not in the repository.
    """
    told = _PLACE.fullmatch(cause.place)
    if told is None or len(told["file"]) > _LONGEST_PATH:
        return Place(file=_in_repository(_adapter_file(spec), root))
    file = _in_repository(told["file"], root)
    return Place(file=file, line=max(1, int(told["line"])), function=told["function"])


def _adapter_file(spec: str) -> str:
    """``pkg/adapter.py`` of ``pkg.adapter:Adapter`` or of ``pkg/adapter.py:Adapter``."""
    module = spec.rpartition(":")[0] or spec
    return module if module.endswith((".py", "/")) or "/" in module else f"{module.replace('.', '/')}.py"


def _in_repository(file: str, root: Path) -> str:
    if Path(file).is_absolute():
        inside = Path(file).is_relative_to(root)
        return Path(file).relative_to(root).as_posix() if inside else Path(file).name
    for folder in _ROOTS:
        if "\0" not in file and (root / folder / file).is_file():
            return f"{folder}/{file}".removeprefix("/")
    return file
