"""SARIF 2.1.0, for code scanning: clauses are rules, causes are results. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tgi_conformance.contracts.catalogue.clauses import Clause, load_catalogue
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.reports.causes.cause import Cause
from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.finished import FinishedRun
from tgi_conformance.reports.formats.place import Place, place_of
from tgi_conformance.reports.formats.telling import one_line, told
from tgi_conformance.reports.run import BackendInfo

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS: Final[Mapping[str, str]] = {"MUST": "error", "SHOULD": "warning", "MAY": "note"}
#: Of SARIF's rank, which goes from 0 to 100: what one step of severity is worth.
_STEP: Final = 15.0


def sarif(finished: FinishedRun, root: Path) -> Mapping[str, JSON]:
    """The log: a run a backend, so that alerts of one backend are not closed by the run of another."""
    runs: list[JSON] = [_run(finished, backend, root) for backend in finished.run.backends]
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}


def _run(finished: FinishedRun, backend: BackendInfo, root: Path) -> Mapping[str, JSON]:
    causes = tuple(causes_of(finished.run, backend.name))
    clauses = tuple(dict.fromkeys(clause for cause in causes for clause in cause.clauses))
    info = finished.run.info
    return {
        "tool": {
            "driver": {
                "name": "tgi-conformance",
                "version": info.versions.get("tgi_conformance", "unknown"),
                "rules": [_rule(clause) for clause in clauses],
            }
        },
        "automationDetails": {"id": f"tgi-conformance/{one_line(backend.name)}/"},
        "invocations": [
            {
                "executionSuccessful": True,
                "commandLine": one_line(info.command),
                "exitCode": finished.gate.code,
                "exitCodeDescription": one_line(finished.gate.meaning),
            }
        ],
        "properties": {"backend": one_line(f"{backend.name} {backend.version}"), "profile": info.profile},
        "results": [_result(cause, clauses, backend, root) for cause in causes],
    }


def _rule(clause_id: str) -> Mapping[str, JSON]:
    catalogue = load_catalogue()
    if clause_id not in catalogue:
        return {"id": clause_id, "shortDescription": {"text": "a clause of the backend's own tests"}}
    clause = catalogue[clause_id]
    return {
        "id": clause.id,
        "shortDescription": {"text": clause.statement},
        "help": {"text": "\n".join(_help(clause)), "markdown": "\n\n".join(_help(clause))},
        "defaultConfiguration": {"level": LEVELS[str(clause.level)]},
        "properties": {"tags": [clause.area, str(clause.level)]},
        **_help_uri(clause),
    }


def _help(clause: Clause) -> Sequence[str]:
    rows = (("Tried by", clause.stimulus), ("Decided by", clause.observable))
    return [clause.statement, *(f"{name}: {text}" for name, text in rows if text)]


def _help_uri(clause: Clause) -> Mapping[str, JSON]:
    links = [source.url for source in clause.sources if source.url]
    return {"helpUri": links[0]} if links else {}


def _result(cause: Cause, clauses: Sequence[str], backend: BackendInfo, root: Path) -> Mapping[str, JSON]:
    place = place_of(cause, backend.spec, root)
    return {
        "ruleId": cause.example.clause,
        "ruleIndex": clauses.index(cause.example.clause),
        "kind": "fail",
        "level": _level(verdict.level for verdict in cause.verdicts),
        "rank": 100.0 - _STEP * cause.severity.rank,
        "message": {"text": told(cause)},
        "locations": [_location(place)],
        "partialFingerprints": {"tgiCause/v1": one_line(f"{backend.name}/{cause.id}")},
        "occurrenceCount": len(cause.verdicts),
        "properties": {
            "severity": str(cause.severity),
            "clauses": list(cause.clauses),
            "cases": [one_line(verdict.case) for verdict in cause.verdicts],
        },
    }


def _level(levels: Iterable[str]) -> str:
    """That of the strongest clause."""
    order = list(LEVELS)
    return LEVELS[min(levels, key=order.index)]


def _location(place: Place) -> Mapping[str, JSON]:
    where: dict[str, JSON] = {
        "physicalLocation": {
            "artifactLocation": {
                "uri": quote(place.file, errors="backslashreplace"),
                "uriBaseId": "%SRCROOT%",
            },
            "region": {"startLine": place.line},
        }
    }
    if place.function:
        where["logicalLocations"] = [{"name": one_line(place.function), "kind": "function"}]
    return where
