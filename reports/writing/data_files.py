"""The data of a run as files: the results maps with what stands beside them, and how the run was made."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.verdict import DECIDED, Verdict
from tgi_conformance.reports.atomic import write_json
from tgi_conformance.reports.finished import FinishedRun
from tgi_conformance.reports.gating.reached import level_reached
from tgi_conformance.reports.results_map import ResultsMap
from tgi_conformance.reports.run import Run

RUN_SCHEMA: Final = "urn:tgi-conformance:schema:run"
#: Of the form of ``run.json``. A member that is added needs no new one.
RUN_VERSION: Final = 1


def map_files(finished: FinishedRun) -> tuple[Path, ...]:
    """The map of each backend, and what stands beside it."""
    layout = finished.layout
    names = [results.backend for results in finished.maps]
    return tuple(path for name in names for path in (layout.results_map(name), layout.more_results(name)))


def write_maps(finished: FinishedRun) -> None:
    """Write them."""
    for results in finished.maps:
        write_json(finished.layout.results_map(results.backend), dict(results.values))
        write_json(finished.layout.more_results(results.backend), more_results(finished.run, results))


def write_run(finished: FinishedRun) -> None:
    """Write how the run was made and how it ended, as ``run.json``."""
    run, gate = finished.run, finished.gate
    info = run.info
    fields = {field.name: to_json(getattr(info, field.name)) for field in dataclasses.fields(info)}
    value: Mapping[str, JSON] = {
        "$schema": RUN_SCHEMA,
        "version": RUN_VERSION,
        **fields,
        "exit_code": gate.code,
        "meaning": gate.meaning,
        "reasons": list(gate.reasons),
        "rulings": {backend.name: counts(run.of(backend.name)) for backend in run.backends},
    }
    write_json(finished.layout.run, value)


def counts(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Ruling to number of cases, only those that occur, in the order of their first case."""
    return dict(Counter(str(verdict.ruling) for verdict in verdicts))


def more_results(run: Run, results: ResultsMap) -> Mapping[str, JSON]:
    """What stands beside a map: what it rests on, keys that the guide does not have, keys left out."""
    backend = run.info.backend(results.backend)
    verdicts = run.of(backend.name)
    return {
        "backend": backend.name,
        "version": backend.version,
        "claims": backend.claims,
        "claimed": [name for name in CAPABILITIES if name in backend.claimed],
        "not_claimed": [name for name in CAPABILITIES if name not in backend.claimed],
        "hidden": list(backend.hidden),
        "level": "" if (level := level_reached(verdicts)) is None else level.id,
        "results": dict(results.more),
        "left_out": dict(results.left_out),
        "rulings": counts(verdicts),
        "cases": len(verdicts),
        "decided": sum(verdict.ruling in DECIDED for verdict in verdicts),
        "profile": run.info.profile,
        "narrowed": run.info.narrowed,
        "seed": run.info.seed,
        "kit_version": run.info.versions.get("tgi_conformance", ""),
        "ended": run.info.ended,
    }
