"""Runs to make boards of: of made-up clients, in memory and on disk, and of one that attacks its readers."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hostile import HOSTILE
from verdict_builder import run_of, verdict

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.verdict import Ruling, Sign, Verdict
from tgi_conformance.reports.board.entry import USUAL_SERVER, BoardInput
from tgi_conformance.reports.board.suite import Suite, suite_of
from tgi_conformance.reports.run import BackendInfo, Run
from tgi_conformance.reports.run_folder import write_all

#: Two cases for each clause: a suite that is small enough to be written down.
SUITE: Final[Suite] = suite_of(f"{clause.id}/{slug}" for clause in load_catalogue() for slug in ("a", "b"))
CASES: Final = tuple(sorted(case for area in SUITE.areas for case in area.cases))
VERSIONS: Final = {"tgi_conformance": "0.1.0", "python": "3.11.7"}
SIGN: Final = Sign(outcome="silent end", stimulus="cut-fin", place="lib/stream.py:12 in read")


def whole(
    name: str = "alpha", *others: Verdict, day: str = "2026-12-01", version: str = "1.2", **info: object
) -> Run:
    """A run that passed all cases but those that are given."""
    instead = {other.case: other for other in others}
    verdicts = [instead.pop(case, verdict(case, backend=name)) for case in CASES]
    backend = BackendInfo(name=name, version=version, spec=f"{name}:A", claimed=("chat", "core", "stream"))
    told = {"started": f"{day}T03:04:05+00:00", "backends": (backend,), "versions": VERSIONS, **info}
    return run_of(*verdicts, *instead.values(), **told)


def failed(case: str, backend: str = "alpha", **fields: object) -> Verdict:
    """A red verdict with its sign."""
    told = {"reason": "expected x; observed y", "expected": "x", "observed": "y", "sign": SIGN, **fields}
    return verdict(case, Ruling.FAILED, backend=backend, **told)


def ruled(ruling: Ruling, *cases: str, backend: str = "alpha", **fields: object) -> list[Verdict]:
    """Verdicts of one ruling."""
    return [verdict(case, ruling, backend=backend, **fields) for case in cases]


def of_area(area: str) -> list[str]:
    """The cases of an area."""
    return [case for case in CASES if case.startswith(f"{area}-")]


def given(run: Run, server: str = USUAL_SERVER, evidence: Iterable[str] = ()) -> BoardInput:
    """A run as it is read."""
    return BoardInput(run=run, server=server, place="somewhere", evidence=frozenset(evidence))


def all_states() -> list[Verdict]:
    """What makes a cell of each state: RESP red, STREAM untested, REQ advisory, TOOL not claimed."""
    return [
        failed("RESP-01/a"),
        failed("RESP-02/a", sign=Sign(exception="KeyError", place="lib/client.py:7 in chat")),
        verdict("RESP-03/a", Ruling.BLOCKED, blocked_by="RESP-01/a", reason="RESP-01/a failed"),
        *ruled(Ruling.UNTESTABLE, "STREAM-01/a", reason="no time"),
        *ruled(Ruling.ADVISORY, "REQ-10/a", reason="expected m; observed n", expected="m", observed="n"),
        *ruled(Ruling.NOT_APPLICABLE, *of_area("TOOL"), reason="capability tools is not claimed"),
    ]


def inputs_to_look_at() -> list[BoardInput]:
    """A board with every state, two servers, an earlier run, a quick one and an attacker."""
    later = [*all_states(), failed("GEN-01/a")]
    return [
        given(whole("alpha", *later, version="1.3")),
        given(whole("alpha", *all_states(), failed("GEN-02/a"), day="2026-11-01")),
        given(whole("alpha", failed("MUX-01/a"), version="1.3"), "tgi-2"),
        given(whole("beta-with-a-name-that-is-rather-long", profile="quick")),
        given(whole("gamma", requirements="2026-12")),
        given(hostile()),
    ]


def hostile() -> Run:
    """A client whose every text is an attack."""
    texts = {"reason": HOSTILE, "expected": HOSTILE, "observed": HOSTILE * 50, "evidence": HOSTILE}
    sign = Sign(exception=HOSTILE, place=HOSTILE, stimulus=HOSTILE, outcome=HOSTILE, detail=HOSTILE)
    backend = BackendInfo(
        name=HOSTILE,
        version=HOSTILE,
        spec=HOSTILE,
        language=HOSTILE,
        claimed=(HOSTILE,),
        options=((f"--tgi-{HOSTILE}", HOSTILE),),
    )
    verdicts = [
        verdict("STREAM-12/a", Ruling.FAILED, backend=HOSTILE, sign=sign, **texts),
        verdict(f"STREAM-12/{HOSTILE}", Ruling.FAILED, backend=HOSTILE, sign=sign, **texts),
        *(
            verdict(f"GEN-0{n}/x", ruling, backend=HOSTILE, **texts)
            for n, ruling in enumerate(Ruling, 1)
            if n < 10
        ),
        verdict(
            "MUX-01/x", Ruling.NOT_RUN, backend=HOSTILE, area=HOSTILE, results_key=HOSTILE, level=HOSTILE
        ),
    ]
    told = {"backends": (backend,), "versions": {"tgi_conformance": HOSTILE}, "profile": HOSTILE}
    return run_of(*verdicts, requirements=HOSTILE, selection=HOSTILE, command=HOSTILE, **told)


def written(run: Run, folder: Path, server: str = "") -> Path:
    """A results folder of a run, as a run leaves it."""
    write_all(run, folder)
    if server:
        file = next(folder.rglob("run.json"))
        file.write_text(json.dumps({**json.loads(file.read_bytes()), "server": server}), encoding="utf-8")
    return folder
