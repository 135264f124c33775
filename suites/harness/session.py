"""What a run is given and what a case leaves behind: the seam between the suites and the plugin."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

import pytest

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.backends.driver.spec import BackendSpec
from tgi_conformance.contracts.adapter import Description
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.outside import Outside
from tgi_conformance.contracts.script import NATIVE_PERSONA, Persona, Script
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.fake_server.client import FakeServerError, Space
from tgi_conformance.suites.harness.scripted_waits import Interval, Why

#: Makes the other cases of the run wait while a block runs.
Alone: TypeAlias = Callable[[], AbstractContextManager[None]]
#: Seconds after which the silence of a call is a hang, where nothing else is asked for.
DEADLINE: Final = 10.0
Profile = Literal["default", "thorough", "quick", "tgi-guide"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointGiven:
    """One endpoint that the environment asks for (HF_API_KEY_n, HF_MODEL_ID_n); its key is a canary."""

    alias: str
    key: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RealEndpoints:
    """The real endpoints of a run: the egress that leads there, and how many there are. Keys are its own."""

    egress_url: str
    egress_token: str = field(repr=False)
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one run, the same in every worker."""

    backends: tuple[BackendSpec, ...]
    profile: Profile = "default"
    seed: int = 0
    #: The server generation that the fake server plays.
    server: Persona = NATIVE_PERSONA
    #: Name of the requirement set that the run is judged by; empty: by all cases.
    requirements: str = ""
    #: The part of the run that is run here, as "2/4"; empty: all of it.
    shard: str = ""
    #: When the last case must be over, by the monotonic clock of this machine; None: there is no time limit.
    ends_at: float | None = None
    #: Folder that evidence and reports go to.
    folder: Path = Path("collected_results")
    inproc: bool = False
    endpoints: tuple[EndpointGiven, ...] = ()
    #: Seconds a call may take before it is called a hang.
    deadline: float = DEADLINE
    #: What each backend, by its label, says of itself; empty where none was started before collection.
    described: Mapping[str, Description] = field(default_factory=dict)
    #: Real endpoints that the forwarded cases go to; None: all is embedded.
    real: RealEndpoints | None = None


@dataclass(frozen=True, slots=True)
class SpaceSeen:
    """A space of a case as it was when it closed."""

    script: Script
    journal: Journal
    #: The space itself, which may still be asked for its answers.
    space: Space | None = None

    def with_answers(self) -> "SpaceSeen":
        """The same with the answers in the journal, as far as the server still has them."""
        if self.space is None:
            return self
        try:
            answers = self.space.answers()
        except (FakeServerError, OSError):  # closed long ago, or the server has ended: the rest stands
            return SpaceSeen(self.script, self.journal)
        exchanges = tuple(
            replace(exchange, answer=exchange.answer or answers.get(exchange.id))
            for exchange in self.journal.exchanges
        )
        return SpaceSeen(self.script, replace(self.journal, exchanges=exchanges))

    @property
    def evidence(self) -> JSON:
        """What of it goes into the file."""
        return {"script": to_json(self.script), "journal": to_json(self.journal)}


@dataclass(frozen=True, slots=True)
class CallSeen:
    """A call of a case, in words, and what came of it."""

    call: str
    outcome: Outcome


@dataclass(slots=True, kw_only=True)
class CaseRecord:
    """What a case has gathered while it ran; filled by the fixtures, read by the plugin after each phase."""

    case: str
    clause: str
    backend: str
    reason: str = ""
    expected: str = ""
    observed: str = ""
    #: Intervals in which the case waited, by the reason (:mod:`.scripted_waits`).
    waits: dict[Why, list[Interval]] = field(default_factory=dict)
    unsteady: str = ""
    record: JSON = None
    findings: list[Finding] = field(default_factory=list)
    #: Attempts of the backend to reach beyond this machine.
    outside: list[Outside] = field(default_factory=list)
    #: Seconds that the case was played before its turn.
    seconds_ahead: float = 0.0
    #: For the evidence file, which most cases do not need: JSON only then.
    spaces: list[SpaceSeen] = field(default_factory=list)
    calls: list[CallSeen] = field(default_factory=list)
    output: str = ""
    #: Alias -> canary, for redaction.
    keys: dict[str, str] = field(default_factory=dict)
    #: As the verdict's field of that name.
    real_lost: Literal["", "unreachable", "used up"] = ""
    #: Ruling forced by the fixtures (a probe that failed, a kit fault).
    forced: str = ""
    #: The case is known to need its evidence: the server is to be asked for its answers while it lives.
    keep_answers: bool = False
    #: The evidence is wanted though the case's own ruling is not red: a run-wide ruling rests on it.
    keep_evidence: bool = False

    def add_space(self, seen: SpaceSeen) -> None:
        """Add a space that has closed."""
        self.spaces.append(seen.with_answers() if self.keep_answers else seen)


SETTINGS: Final = pytest.StashKey[Settings]()
ALONE: Final = pytest.StashKey[Alone]()
RECORD: Final = pytest.StashKey[CaseRecord]()
#: Whether the case at work is forwarded to a real endpoint.
FORWARDED: Final = pytest.StashKey[bool]()
#: The backends' processes that were started before collection, for the process that runs the cases.
STARTED: Final = pytest.StashKey[dict[BackendSpec, Driver]]()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseId:
    """The identity of a case, computed at collection."""

    clause: str
    slug: str

    @property
    def text(self) -> str:
        """``STREAM-12/fin-after-event-3``."""
        return f"{self.clause}/{self.slug}"


CASE_ID: Final = pytest.StashKey[CaseId]()
