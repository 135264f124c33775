"""Files are written where nothing stands yet; what stands there already is left as it is and said."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tgi_conformance.cli.init.rendering import NewFile

Fate = Literal["written", "same", "kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of one file: ``same`` has this text already, ``kept`` has another."""

    file: NewFile
    fate: Fate


def write_new(folder: Path, files: Iterable[NewFile]) -> Iterator[Written]:
    """Write the files that are not there, replacing none; raises :class:`OSError`."""
    for file in files:
        place = folder / file.path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with place.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(file.text)
        except FileExistsError:
            yield Written(file=file, fate="same" if _text(place) == file.text else "kept")
        else:
            yield Written(file=file, fate="written")


def _text(place: Path) -> str:
    return place.read_text(encoding="utf-8", errors="replace") if place.is_file() else ""
