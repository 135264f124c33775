"""``tgi-conformance board RESULTS... --out DIR``: static pages of many runs, clients by areas."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from tgi_conformance import __version__
from tgi_conformance.cli.case_listing import list_cases
from tgi_conformance.reports.atomic import write_bytes, write_text
from tgi_conformance.reports.board.reading import BoardInputError, BoardSource, read_sources
from tgi_conformance.reports.board.rows import BOARD_SCHEMA
from tgi_conformance.reports.board.site import Site, site_of
from tgi_conformance.reports.board.suite import suite_of
from tgi_conformance.reports.gate import Exit
from tgi_conformance.reports.readable import visible

_MARK: Final = "board.json"
#: Where a board writes, below its folder.
_OURS: Final = ("clients/*.html", "clients/*.json", "badges/*.svg", "badges/*.json", "evidence/*/*.json")


class OutError(ValueError):
    """The folder for the pages holds something else; says what to do."""


def board(places: Sequence[str], out: str) -> int:
    """Write the board; returns 4 where an input or the folder cannot be used, and then nothing is written."""
    folder = Path(out)
    try:
        old = _old_files(folder)
        sources = [source for place in places for source in read_sources(Path(place))]
        suite = suite_of(listed.case for listed in list_cases())
        site = site_of([source.given for source in sources], suite, __version__)
        _write(site, sources, folder)
        for path in old:
            if path.relative_to(folder).as_posix() not in {*site.files, *site.copies}:
                path.unlink()
    except (BoardInputError, OutError) as problem:
        click.echo(f"board: {visible(str(problem))}", err=True)
        return Exit.USAGE
    except OSError as error:
        why = f"{error.filename or folder}: {error.strerror or error}"
        click.echo(f"board: {visible(why)}; choose another folder with --out", err=True)
        return Exit.USAGE
    for source in sources:
        for warning in source.warnings:
            click.echo(visible(warning), err=True)
    rows = "1 row" if site.rows == 1 else f"{site.rows} rows"
    if twice := sum(len(source.given.run.backends) for source in sources) - site.rows:
        click.echo(f"{twice} of the runs were given twice; each is shown once", err=True)
    click.echo(f"{folder / 'index.html'}: {rows}, from {len(sources)} runs")
    return Exit.OK


def _old_files(folder: Path) -> list[Path]:
    """The files of a board that is there already; raises :class:`OutError` where something else is."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise OutError(f"{folder} is a file; choose another folder with --out")
    if not any(folder.iterdir()):
        return []
    if not _is_board(folder / _MARK):
        raise OutError(f"{folder} holds other files than a board's; choose an empty folder with --out")
    return sorted(path for pattern in _OURS for path in folder.glob(pattern))


def _is_board(mark: Path) -> bool:
    try:
        value = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and value.get("$schema") == BOARD_SCHEMA


def _write(site: Site, sources: Sequence[BoardSource], folder: Path) -> None:
    for name, content in _copied(site, sources):
        write_bytes(folder / name, content)
    for name, text in site.files.items():
        write_text(folder / name, text)


def _copied(site: Site, sources: Sequence[BoardSource]) -> Iterator[tuple[str, bytes]]:
    for name, (number, evidence) in site.copies.items():
        yield name, sources[number].read(evidence)
