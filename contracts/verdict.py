"""The verdict: the ruling on one case, with what it rests on."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outside import Outside


class Ruling(StrEnum):
    """How one case ended (design, section 4)."""

    PASSED = "passed"
    FAILED = "failed"
    ADVISORY = "advisory"
    RECORDED = "recorded"
    NOT_APPLICABLE = "not applicable"
    NOT_HERE = "not here"
    #: It could not be examined: what it is built on fails, and that is ruled as a case of its own.
    BLOCKED = "blocked"
    UNTESTABLE = "untestable"
    EXPECTED = "expected"
    NOT_RUN = "not run"
    KIT_FAULT = "kit fault"


#: Rulings that make a run red.
RED: Final = frozenset({Ruling.FAILED, Ruling.BLOCKED, Ruling.UNTESTABLE, Ruling.NOT_RUN, Ruling.KIT_FAULT})
#: Rulings that were reached by looking at the backend.
DECIDED: Final = frozenset({Ruling.PASSED, Ruling.FAILED, Ruling.ADVISORY, Ruling.RECORDED, Ruling.EXPECTED})
#: Rulings that are neither red nor green.
LISTED: Final = frozenset({Ruling.NOT_APPLICABLE, Ruling.NOT_HERE})
#: Slug of the case under which most findings of a clause are ruled, as ``SEC-01/run-wide``.
RUN_WIDE: Final = "run-wide"


#: How the reason of a case begins that was not run because the time of the whole run was used up.
NO_TURN: Final = "no turn within the time limit"
#: How the reason of a case begins that a bounded profile left out because the backend takes its time.
FOR_TIME: Final = "left out for time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a run-wide oracle saw in one case; ruled once a run, under its own clause."""

    clause: str
    message: str
    #: False: seen and in order (the oracle looked); True: a breach.
    breach: bool = True
    #: Evidence that is advisory only (the clause says SHOULD there).
    advisory: bool = False
    #: Slug of the case that it is ruled as.
    slug: str = RUN_WIDE
    #: How large a breach is, as a count of what was seen (requests, connections): the largest is quoted.
    size: int = 1
    #: False: the oracle could not look; the message says why.
    looked: bool = True

    @property
    def case(self) -> str:
        """Id of the case that it is ruled as."""
        return f"{self.clause}/{self.slug}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """Where a run-wide ruling was seen."""

    case: str
    message: str
    #: File of that case's evidence, relative to the run's folder.
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What a red case shows of its cause, so that cases of one defect are found together."""

    #: Type of the exception that the backend raised, as ``json.decoder.JSONDecodeError``.
    exception: str = ""
    #: The innermost frame of the backend, as ``pkg/client.py:120 in read``.
    place: str = ""
    #: Class of the outcome (:mod:`.causes.outcomes`): ``hang``, ``text differs``, ``requests too many``.
    outcome: str = ""
    #: What of it: the member of a request that differs, and how (``seed left out``); the method that fails.
    detail: str = ""
    #: What the script did to the call, in kinds (:mod:`.causes.kinds`), as ``status-429+retry-after``.
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one case showed. Recorded, never raised."""

    case: str
    clause: str
    ruling: Ruling
    backend: str
    level: str = "MUST"
    results_key: str = ""
    area: str = ""
    #: One line that says why, for the terminal; empty for a pass.
    reason: str = ""
    expected: str = ""
    observed: str = ""
    #: Where the test stands: pytest's node id, for those who debug the kit.
    nodeid: str = ""
    duration: float = 0.0
    #: Of ``duration``, the seconds that script, stimulus and the backend's retry policy made the case wait.
    waited: float = 0.0
    #: What for, in words.
    waited_for: str = ""
    worker: str = ""
    #: Played before its turn, in a thread beside the worker's other cases, because it mostly waits.
    ahead: bool = False
    seed: int | None = None
    #: "1/3" where a failure was not steady; "late 1/2" where the case came late once, and has passed.
    unsteady: str = ""
    #: File of the case's evidence, relative to the run's folder.
    evidence: str = ""
    #: Why that file could not be written; the verdict holds all the same.
    evidence_lost: str = ""
    #: What was recorded, for MAY clauses and declared gaps.
    record: JSON = None
    #: Of a blocked case: id of the case that says what is wrong, as DECL-01/healthy-chat-stream.
    blocked_by: str = ""
    findings: tuple[Finding, ...] = ()
    #: Of a run-wide ruling: all that it rests on, the largest first.
    breaches: tuple[Breach, ...] = ()
    #: Of a red case, what tells its cause.
    sign: Sign = Sign()
    #: Attempts of the backend to reach beyond this machine while the case ran.
    outside: tuple[Outside, ...] = ()
    #: In a run against a real endpoint: whether its answers came from there, or from the fake server alone.
    real: Literal["", "forwarded", "embedded"] = ""
    #: Of a case that the real endpoint was to decide and could not: what will not get better by waiting.
    real_lost: Literal["", "unreachable", "used up"] = ""

    @property
    def red(self) -> bool:
        """Whether this verdict makes the run fail."""
        return self.ruling in RED


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict rests on: scripts, journals and outcomes of one case, redacted, as JSON."""

    case: str
    backend: str
    spaces: tuple[JSON, ...] = ()
    calls: tuple[JSON, ...] = ()
    #: The traceback or assertion text.
    longrepr: str = ""
    #: Output of the backend's process during the case.
    output: str = ""
