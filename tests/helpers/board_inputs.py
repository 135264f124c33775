"""What docs/board/ holds of a run: what the board reads of it, in an archive that is the same each time.

Of ``run.json`` the places on the machine that ran it are left out; of each verdict what no page shows.
"""

import io
import json
import lzma
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from suite_runs import ROOT

from tgi_conformance.contracts.verdict import RED, Ruling, Verdict
from tgi_conformance.reports.atomic import json_text
from tgi_conformance.reports.board.entry import USUAL_SERVER
from tgi_conformance.reports.run import RunInfo
from tgi_conformance.reports.run_file import parse_members, run_info_of
from tgi_conformance.reports.verdict_lines import line, parse_line

#: Members of run.json that say how fast the machine was; their defaults stand in their place.
_OF_THE_MACHINE: Final = ("workers", "wall_seconds", "cpu_seconds", "cores", "longest_wait_seconds")
#: What stands in place of an interpreter's path: that of an environment made from the client's lock.
PYTHON: Final = "venv/bin/python"
#: What stands in place of the folder of an environment.
ENVIRONMENT: Final = "environment/"
_PYTHON_OPTION: Final = "--tgi-backend-python"
_BACKEND_OPTION: Final = "--tgi-backend"
#: Cases that the command of a run-wide ruling names.
_BREACHES: Final = 3


class NotPackable(ValueError):
    """A run that is not one for docs/board/; says why."""


def packed(results: Path, installed: Path | None = None) -> tuple[RunInfo, str, bytes]:
    """The run of a results folder as it is kept: how it was made, its server, and the archive.

    ``installed`` is the folder of the client's environment: its path is of this machine, and is left out.
    """
    members, info = _whole_run(results)
    lines = (results / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    kept = "".join(f"{line(_kept(parse_line(row), info))}\n" for row in lines)
    files = {"run.json": json_text(_without_places(members), indent=1) + "\n", "verdicts.jsonl": kept}
    if installed is not None:
        place = f"{installed}/"
        files = {name: text.replace(place, ENVIRONMENT) for name, text in files.items()}
    for name, text in files.items():
        for place in (str(ROOT), str(results.resolve()), str(Path.home()) + "/"):
            if place in text:
                raise NotPackable(f"{results / name} names {place}, which is of this machine")
    server = members.get("server") or USUAL_SERVER
    return info, server, archive(files)


def archive(files: Mapping[str, str]) -> bytes:
    """The files as tar.xz, without names, times and rights of whoever made it."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for name, text in sorted(files.items()):
            content = text.encode("utf-8")
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return lzma.compress(tar.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def _whole_run(results: Path) -> tuple[dict[str, Any], RunInfo]:
    file = results / "run.json"
    if not file.is_file():
        raise NotPackable(f"{results}: there is no whole run in it")
    members: dict[str, Any] = parse_members(file.read_text(encoding="utf-8"), str(file))
    info = run_info_of(members)
    if info.narrowed or info.profile == "quick" or info.by_pytest:
        raise NotPackable(f"{results}: docs/board/ holds whole runs of the command line only")
    return members, info


def _without_places(members: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in members.items() if name not in _OF_THE_MACHINE}
    backends = [_backend(backend) for backend in members["backends"]]
    options = [*(each["options"] for each in backends), members.get("options", [])]
    words = ["tgi-conformance", "run", *(word for each in options for word in _words(each))]
    return kept | {"backends": backends, "command": " ".join(words)}


def _backend(backend: Mapping[str, Any]) -> dict[str, Any]:
    options = [
        [flag, PYTHON if flag == _PYTHON_OPTION else value] for flag, value in backend.get("options", [])
    ]
    spec = next((value for flag, value in options if flag == _BACKEND_OPTION), backend.get("spec", ""))
    return {**backend, "options": options, "spec": spec}


def _words(options: list[list[str]]) -> Iterator[str]:
    for flag, value in options:
        yield f"--{flag.removeprefix('--tgi-')}"
        yield json.dumps(value) if " " in value else value


def _kept(verdict: Verdict, info: RunInfo) -> Verdict:
    failing = verdict.ruling in RED or verdict.ruling in (Ruling.ADVISORY, Ruling.EXPECTED)
    return Verdict(
        case=verdict.case,
        clause=verdict.clause,
        ruling=verdict.ruling,
        backend=verdict.backend,
        level=verdict.level,
        results_key=verdict.results_key,
        area=verdict.area,
        reason=verdict.reason,
        expected=verdict.expected,
        observed=verdict.observed,
        seed=None if verdict.seed == info.seed else verdict.seed,
        evidence=verdict.evidence if failing else "",
        blocked_by=verdict.blocked_by,
        breaches=tuple(replace(breach, message="", evidence="") for breach in verdict.breaches[:_BREACHES]),
        sign=verdict.sign,
    )
