"""The files of the board: pages that load nothing and run nothing, badges, and JSON. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jinja2 import Environment
from markupsafe import Markup

from tgi_conformance.contracts.catalogue.levels import load_levels
from tgi_conformance.reports.atomic import json_text
from tgi_conformance.reports.board.cells import State
from tgi_conformance.reports.board.entry import USUAL_SERVER, BoardInput
from tgi_conformance.reports.board.rows import board_json, row_json
from tgi_conformance.reports.board.suite import Suite
from tgi_conformance.reports.board.view import Board, Row, board_of
from tgi_conformance.reports.formats.badge import badge_json, badge_svg
from tgi_conformance.reports.html.inline_markdown import inline_markdown
from tgi_conformance.reports.html.templating import digest_of, page_environment, page_file

_MARKS: Final = re.compile(r"(?<=[-_./])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The files by their path, and the evidence to be copied: path to number of the input and name."""

    files: Mapping[str, str]
    copies: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    rows: int = 0


def site_of(inputs: Sequence[BoardInput], suite: Suite, kit: str) -> Site:
    """Make the board of these runs; the same runs give the same files, in whatever order they come."""
    board = board_of(inputs, suite, kit)
    environment = _environment(board)
    files = {
        "index.html": environment.get_template("index.html").render(board=board),
        "board.json": _json(board_json(board)),
    }
    page = environment.get_template("client.html")
    for row in board:
        files[f"clients/{row.page}.html"] = page.render(board=board, row=row)
        files[f"clients/{row.page}.json"] = _json(row_json(row))
        if row.badge is not None:
            files[f"badges/{row.page}.svg"] = badge_svg(row.badge)
            files[f"badges/{row.page}.json"] = _json(badge_json(row.badge))
    copies = {path: copied for row in board for path, copied in _copies(row)}
    return Site(files=files, copies=copies, rows=len([*board]))


def _copies(row: Row) -> Sequence[tuple[str, tuple[int, str]]]:
    return [
        (view.evidence, (row.entry.number, view.cause.example.evidence))
        for view in (*row.shown, *row.shown_advice)
        if view.evidence
    ]


def _environment(board: Board) -> Environment:
    environment = page_environment(_read)
    style = page_file("tgi_conformance.reports.html", "report.css") + _read("board.css")
    environment.globals |= {
        "style": Markup(style),  # noqa: S704 - our own files
        "style_digest": digest_of(style),
        "states": tuple(State),
        "usual_server": USUAL_SERVER,
        "levels": load_levels(),
        "servers": len({row.entry.server for row in board}) > 1,
    }
    environment.filters |= {
        "breakable": _breakable,
        "inline_markdown": inline_markdown,
        "number": "{:,}".format,
        "svg": _svg,
    }
    return environment


def _svg(badge: Any) -> Markup:
    return Markup(badge_svg(badge))  # noqa: S704 - its texts are escaped where it is made


def _breakable(name: str) -> Markup:
    """A name that a narrow column may break behind its marks."""
    return Markup("<wbr>").join(_MARKS.split(name))


def _json(value: Mapping[str, Any]) -> str:
    return json_text(value, indent=2) + "\n"


def _read(name: str) -> str:
    return page_file("tgi_conformance.reports.board", name)
