"""Reads the runs that a board is made of: results folders, and archives of them. Nothing is unpacked."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from tgi_conformance.reports.board.entry import USUAL_SERVER, BoardInput
from tgi_conformance.reports.evidence_files import evidence_in
from tgi_conformance.reports.layout import Layout
from tgi_conformance.reports.run import Run
from tgi_conformance.reports.run_file import parse_members, run_info_of
from tgi_conformance.reports.verdict_lines import parse_verdicts

_RUN: Final = "run.json"
_VERDICTS: Final = "verdicts.jsonl"
_EVIDENCE: Final = "evidence"
#: Bytes that an archive may hold: a run of the whole suite has some two million.
MOST_BYTES: Final = 1_000_000_000
#: Bytes of an evidence file that a board takes along: some hold a megabyte that went over the wire.
MOST_EVIDENCE: Final = 500_000
_ENDINGS: Final = (".tar", ".tar.xz", ".txz", ".tar.gz", ".tgz", ".tar.bz2", ".zip")
_NEEDED: Final = "give the folder of a run's results, or a tar or zip archive of one"
#: What unpacking raises for bytes that are no archive, or a damaged one.
_BAD_ARCHIVE: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, gzip.BadGzipFile, EOFError),
    *(RuntimeError, NotImplementedError, OSError, ValueError),
)


class BoardInputError(ValueError):
    """Something that no board can be made of: says what, where, and what to give instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSource:
    """A run that was read, what is to be said of it, and where its evidence is."""

    given: BoardInput
    warnings: tuple[str, ...]
    #: The bytes of an evidence file by its name.
    read: Callable[[str], bytes]


def read_sources(place: Path) -> Iterator[BoardSource]:
    """The runs of a results folder, of a file of it, of an archive, or of a folder of these.

    Raises :class:`BoardInputError`.
    """
    if place.is_dir():
        yield from _of_folder(place)
    elif place.name in (_RUN, _VERDICTS) and place.is_file():
        yield _of_run(place.parent)
    elif place.is_file():
        yield from _of_archive(place)
    else:
        raise BoardInputError(f"{place}: there is no such file or folder; {_NEEDED}")


def _of_folder(place: Path) -> Iterator[BoardSource]:
    if (base := _base(place)) is not None:
        yield _of_run(base)
        return
    children = sorted(place.iterdir(), key=lambda child: child.name)
    inside = [
        child
        for child in children
        if (child.is_dir() and _base(child) is not None)
        or (child.is_file() and child.name.endswith(_ENDINGS))
    ]
    if not inside:
        raise BoardInputError(f"{place}: no run is there, with {_RUN} and {_VERDICTS}; {_NEEDED}")
    for child in inside:
        yield from read_sources(child)


def _base(place: Path) -> Path | None:
    """Where the files of a run stand: the whole one, else the quick one, else the narrowed one."""
    layouts = (Layout(place), Layout(place, quick=True), Layout(place, narrowed=True))
    return next((layout.base for layout in layouts if layout.verdicts.is_file()), None)


def _of_run(base: Path) -> BoardSource:
    texts: dict[str, bytes] = {}
    for name in (_RUN, _VERDICTS):
        try:
            texts[name] = (base / name).read_bytes()
        except FileNotFoundError:
            raise BoardInputError(_absent(base / name)) from None
        except OSError as error:
            raise BoardInputError(f"{base / name} cannot be read: {error.strerror or error}") from error
    evidence = frozenset(
        path.relative_to(base).as_posix()
        for path in evidence_in(base)
        if path.stat().st_size <= MOST_EVIDENCE
    )

    def read(name: str) -> bytes:
        return (base / name).read_bytes()

    return _source(str(base), texts[_RUN], texts[_VERDICTS], evidence, read)


def _absent(place: object) -> str:
    return f"{place} is not there: it says what was run, when, and with which versions; {_NEEDED}"


def _of_archive(place: Path) -> Iterator[BoardSource]:
    try:
        held = _held(place)
    except _BAD_ARCHIVE as error:
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise BoardInputError(f"{place} is no archive that can be read ({told}); {_NEEDED}") from error
    bases = _bases(held)
    if not bases:
        raise BoardInputError(f"{place}: no folder in it has a {_VERDICTS}; {_NEEDED}")
    for base in bases:
        where = f"{place}: {base}" if base.name else str(place)
        if str(base / _RUN) not in held:
            raise BoardInputError(_absent(f"{place}: {base / _RUN}"))
        names = [PurePosixPath(name) for name in held]
        evidence = {
            str(name.relative_to(base)): held[str(name)]
            for name in names
            if name.is_relative_to(base / _EVIDENCE) and len(held[str(name)]) <= MOST_EVIDENCE
        }
        yield _source(
            where,
            held[str(base / _RUN)],
            held[str(base / _VERDICTS)],
            frozenset(evidence),
            evidence.__getitem__,
        )


def _bases(held: Mapping[str, bytes]) -> list[PurePosixPath]:
    """The folders of an archive that hold a run, but for those in another's, as ``previous``.

    Of the quick and the narrowed run of one results folder the quick one is taken.
    """
    found = sorted(PurePosixPath(name).parent for name in held if PurePosixPath(name).name == _VERDICTS)
    outer = [base for base in found if not any(other in base.parents for other in found)]
    quick = {base.parent for base in outer if base.name == "quick"}
    return [base for base in outer if not (base.name == "narrowed" and base.parent in quick)]


def _held(place: Path) -> dict[str, bytes]:
    """What an archive has of runs, by its path in it: verdicts, how they were made, evidence."""
    with place.open("rb") as file:
        start = file.read(6)
        file.seek(0)
        if start.startswith(b"PK"):
            return dict(_in_zip(file))
        return dict(_in_tar(_Limited(_unpacked(file, start))))


def _unpacked(file: IO[bytes], start: bytes) -> IO[bytes]:
    if start.startswith(b"\xfd7zXZ"):
        return lzma.open(file)
    if start.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(file))
    return bz2.open(file) if start.startswith(b"BZh") else file


def _in_tar(file: io.RawIOBase) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() and _wanted(member.name) else None
            if content is not None:
                yield _path(member.name), content.read()


def _in_zip(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    left = MOST_BYTES
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if not member.is_dir() and _wanted(member.filename):
                with archive.open(member) as content:
                    found = content.read(left + 1)
                left -= len(found)
                if left < 0:
                    raise _too_much()
                yield _path(member.filename), found


def _wanted(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and (parts[-1] in (_RUN, _VERDICTS) or _EVIDENCE in parts)


def _path(name: str) -> str:
    return str(PurePosixPath(name))


def _too_much() -> ValueError:
    return ValueError(f"it holds more than {MOST_BYTES:,} bytes")


class _Limited(io.RawIOBase):
    """The bytes of a file, up to so many: an archive of some kilobytes may unpack to any number."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._left = MOST_BYTES

    def read(self, size: int = -1, /) -> bytes:
        found = self._file.read(size)
        self._left -= len(found)
        if self._left < 0:
            raise _too_much()
        return found


def _source(
    place: str, run: bytes, lines: bytes, evidence: frozenset[str], read: Callable[[str], bytes]
) -> BoardSource:
    try:
        members = parse_members(run.decode("utf-8"), _RUN)
        info = run_info_of(members)
        datetime.fromisoformat(info.started)
    except ValueError as problem:
        raise BoardInputError(f"{place}: {_RUN} cannot be read: {problem}; {_NEEDED}") from problem
    try:
        found = parse_verdicts(lines.decode("utf-8", errors="replace"), _VERDICTS)
    except ValueError as problem:
        raise BoardInputError(f"{place}: {problem}; {_NEEDED}") from problem
    whole = Run(info, found.verdicts)
    if not whole.backends:
        raise BoardInputError(f"{place}: no client was run there; {_NEEDED}")
    return BoardSource(
        given=BoardInput(run=whole, server=info.server or USUAL_SERVER, place=place, evidence=evidence),
        warnings=(f"{place}: {found.warning}",) if found.warning else (),
        read=read,
    )
