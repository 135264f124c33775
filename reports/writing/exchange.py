"""A run's files take the places of those of the run before, once all of them are written.

Only files move whose names are ours; evidence also begins as ours does. What else stands in the folder stays.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tgi_conformance.reports.atomic import leftovers
from tgi_conformance.reports.evidence_files import clean_evidence, evidence_in
from tgi_conformance.reports.layout import FILES, RENEWED, Layout, beside, is_map


def settle(layout: Layout, files: Iterable[Path]) -> tuple[Path, ...]:
    """Move the files of a run that was written apart to their places; returns them there.

    What stood there becomes ``previous``, and what was ``previous`` is deleted. Maps of backends that the run
    did not have stay where they are. Raises ``OSError``; each file is then whole in one of the three places.
    """
    files, settled = tuple(files), layout.settled
    maps = {name for path in files if is_map(path.name) for name in beside(path.name)}
    forget(settled.previous)
    for path in (*_files_of(settled.base, maps), *evidence_in(settled.base)):
        _move(path, settled.base, settled.previous)
    for path in evidence_in(layout.base):
        _move(path, layout.base, settled.base)
    moved = [
        _move(path, layout.base, settled.base) if path.is_relative_to(layout.base) else path for path in files
    ]
    forget(layout.base)
    return tuple(moved)


def forget(base: Path) -> None:
    """Delete the files of a run, its maps among them, and the folders that this leaves empty."""
    if not base.is_dir():
        return
    for path in list(leftovers(base)):
        path.unlink()
    clean_evidence(base)
    for path in _files_of(base, {path.name for path in base.iterdir() if is_map(path.name)}):
        path.unlink()
    for folder in (base / "evidence", base):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _files_of(base: Path, maps: Iterable[str]) -> Iterator[Path]:
    for name in sorted({*FILES, RENEWED, *maps}):
        path = base / name
        if path.is_file() and not path.is_symlink():
            yield path


def _move(path: Path, base: Path, target: Path) -> Path:
    """Move a file to the same place below another folder."""
    place = target / path.relative_to(base)
    place.parent.mkdir(parents=True, exist_ok=True)
    return path.replace(place)
