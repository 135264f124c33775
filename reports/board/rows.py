"""The board as JSON: one object with a row for each client, as ``board.schema.json`` describes it. Pure."""

from collections.abc import Mapping
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.reports.board.cells import Cell
from tgi_conformance.reports.board.trend import Trend
from tgi_conformance.reports.board.view import Board, CauseView, Row
from tgi_conformance.reports.readable import LONGEST

BOARD_SCHEMA: Final = "urn:tgi-conformance:schema:board"
#: Of the form of the file. A member that is added needs no new one.
BOARD_VERSION: Final = 1


def board_json(board: Board) -> Mapping[str, JSON]:
    """The whole board."""
    return {
        "$schema": BOARD_SCHEMA,
        "version": BOARD_VERSION,
        "kit": board.kit,
        "suite": [
            {
                "area": area.name,
                "title": area.title,
                "clauses": len(area.clauses),
                "cases": len(area.cases),
            }
            for area in board.columns
        ],
        "rows": [row_json(row) for row in board.rows],
        "earlier": [row_json(row) for row in board.earlier],
    }


def row_json(row: Row) -> Mapping[str, JSON]:
    """One client of one run."""
    entry, info = row.entry, row.entry.info
    return {
        "client": entry.name,
        "client_version": entry.backend.version,
        "server": entry.server,
        "language": entry.backend.language,
        "kit": entry.kit,
        "requirements": info.requirements,
        "date": entry.day.isoformat(),
        "profile": info.profile,
        "seed": info.seed,
        "whole": not entry.partly,
        "level": row.level.id if row.level is not None else "",
        "badge": row.badge.message if row.badge is not None else "",
        "keys": dict(row.map.values),
        "claimed": sorted(entry.backend.claimed),
        "page": f"clients/{row.page}.html",
        "areas": {view.area.name: _cell(view.cell) for view in row.areas},
        "causes": [_cause(view) for view in row.shown],
        "advice": [_cause(view) for view in row.shown_advice],
        "trend": None if row.trend is None else _trend(row.trend, row.trend_page),
    }


def _cell(cell: Cell) -> JSON:
    return {
        "state": cell.state.value,
        "failed": cell.failed,
        "blocked": cell.blocked,
        "undecided": cell.undecided,
        "advisory": cell.advisory,
        "passed": cell.passed,
        "recorded": cell.recorded,
        "not_claimed": cell.not_claimed,
        "not_here": cell.not_here,
        "tried_clauses": cell.tried_clauses,
        "tried_cases": cell.tried_cases,
        "missing": list(cell.missing),
        "note": cell.note,
    }


def _cause(view: CauseView) -> JSON:
    cause = view.cause
    return {
        "id": cause.id,
        "severity": cause.severity.value,
        "sentence": cause.sentence,
        "advice": cause.advice,
        "clauses": list(cause.clauses),
        "cases": [verdict.case for verdict in cause.verdicts],
        "blocked": len(cause.blocked),
        "places": list(cause.places),
        "example": cause.example.case,
        "expected": cause.example.expected[:LONGEST],
        "observed": cause.example.observed[:LONGEST],
        "command": view.command,
        "evidence": view.evidence,
    }


def _trend(trend: Trend, page: str) -> JSON:
    before = trend.before
    return {
        "since": before.day.isoformat(),
        "client_version": before.backend.version,
        "kit": before.kit,
        "page": f"clients/{page}.html",
        "conditions": [each.in_words for each in trend.conditions],
        "broken": [verdict.case for verdict in trend.broken],
        "fixed": [verdict.case for verdict in trend.fixed],
        "new_red": [verdict.case for verdict in trend.new_red],
        "gone_red": [verdict.case for verdict in trend.gone_red],
        "still_red": trend.still_red,
    }
