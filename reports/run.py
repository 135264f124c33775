"""A finished run: what was tested, with what, and what came of it. The input of every report."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, TypeAlias

from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outside import Fence
from tgi_conformance.contracts.script.whole import NATIVE_PERSONA
from tgi_conformance.contracts.verdict import DECIDED, Ruling, Verdict

#: An option of pytest and its value; the value of a flag is empty.
Option: TypeAlias = tuple[str, str]
#: In the node id of a case of the suites, where they were run by pytest.
_SUITES: Final = "tgi_conformance/suites/"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendInfo:
    """One backend under test, as it described itself. ``name`` names its files and its verdicts."""

    name: str
    version: str = "unknown"
    #: What ``--backend`` was given, as "mypkg.adapter:MyAdapter".
    spec: str = ""
    language: str = "python"
    claimed: tuple[str, ...] = ()
    #: Methods that are implemented although no claimed capability needs them.
    hidden: tuple[str, ...] = ()
    #: What kept it on this machine; empty: it did not start.
    fence: Fence | Literal[""] = ""
    #: Whether the user let it leave this machine.
    allow_network: bool = False
    #: The options that name it and what runs it.
    options: tuple[Option, ...] = ()
    #: The whole description, in JSON form.
    description: JSON = None

    @property
    def claims(self) -> str:
        """``claims 11 of 22 capabilities``; ``core``, which all claim, is not counted."""
        offered = [name for name in CAPABILITIES if name != "core"]
        return f"claims {sum(name in self.claimed for name in offered)} of {len(offered)} capabilities"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealInfo:
    """The real endpoints of a run, and what was asked of them. No key and no password is in it."""

    url: str
    endpoints: int = 1
    #: What the first says of itself.
    model: str = ""
    version: str = ""
    requests: int = 0
    tokens: int = 0
    #: Requests that were not sent, since the budget was used up.
    refused: int = 0
    #: Requests whose length limit was lowered, or set.
    limited: int = 0
    max_requests: int = 0
    max_tokens: int = 0
    dry_run: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def in_words(self) -> tuple[str, ...]:
        """Lines for people."""
        who = ", ".join(word for word in (self.model, f"TGI {self.version}" if self.version else "") if word)
        sent = "would have been sent, none was (--dry-run)" if self.dry_run else "sent"
        asked = f"{self.requests} of {self.max_requests} requests {sent}"
        made = f"{self.tokens} of {self.max_tokens} tokens; the limit of {self.limited} was lowered or set"
        return (
            f"real endpoint {self.url}{f' ({who})' if who else ''}",
            f"{asked}, {made}",
            *self.remarks,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """The failures that a baseline expected in a run. Dates are ISO 8601; an empty one is not known."""

    #: As the baseline was named.
    file: str
    #: Entries of it that expected something in this run.
    entries: int = 0
    #: Cases that they expected, with those that these blocked.
    cases: int = 0
    #: When the oldest of the entries was written down.
    oldest: str = ""
    #: When the first of them expires.
    next_expiry: str = ""
    #: The day of the run.
    day: str = ""

    @property
    def in_words(self) -> str:
        """``12 known failures (3 entries of expected_failures.toml), the oldest 91 days old``."""
        if not self.cases:
            return f"no known failure: nothing in {self.file} is needed"
        entries = "1 entry" if self.entries == 1 else f"{self.entries} entries"
        failures = "1 known failure" if self.cases == 1 else f"{self.cases} known failures"
        words = f"{failures} ({entries} of {self.file})"
        if self.oldest and self.day:
            days = (date.fromisoformat(self.day) - date.fromisoformat(self.oldest)).days
            words += f", the oldest {days} {'day' if days == 1 else 'days'} old"
        return f"{words}; the first expires on {self.next_expiry}" if self.next_expiry else words


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardInfo:
    """Which part of a run this is, counted from 1."""

    number: int
    count: int
    #: Whether the whole selection, of all shards, was narrowed by the user's choice, or this one broken off.
    narrowed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """How a run was made. Times are ISO 8601 with a time zone; durations are seconds."""

    started: str
    ended: str
    seed: int
    profile: str = "default"
    backends: tuple[BackendInfo, ...] = ()
    #: Name to version: tgi_conformance, python, pytest, hypothesis, ...
    versions: Mapping[str, str] = field(default_factory=dict)
    workers: int = 0
    #: The server generation that was played.
    server: str = NATIVE_PERSONA
    #: Name of the requirement set that it is judged by; empty: by all cases.
    requirements: str = ""
    #: Whether cases were left out by the user's choice; such a run never touches the results maps.
    narrowed: bool = False
    #: The choice in words: "-k stream", "--case STREAM-12/fin"; empty when all was selected.
    selection: str = ""
    #: Digest of all cases that were selected, those of other shards among them.
    selected: str = ""
    #: The part that this run is; None: it is the whole.
    shard: ShardInfo | None = None
    wall_seconds: float = 0.0
    #: User and kernel time of the run's processes, servers and backends among them.
    cpu_seconds: float = 0.0
    #: CPU cores that the run could use.
    cores: int = 1
    #: The longest chain of waits that scripts, stimuli and retry policies ask for, on one worker.
    longest_wait_seconds: float = 0.0
    #: The command line that repeats the run.
    command: str = ""
    #: Whether pytest was called, and not the kit's own command line.
    by_pytest: bool = False
    #: The options that make the cases what they are, but for the backend, its network, profile and seed.
    options: tuple[Option, ...] = ()
    #: Those that say which failures are expected, and what makes the run fail.
    gate: tuple[Option, ...] = ()
    #: Those by which forwarded cases reach the real endpoint.
    real_options: tuple[Option, ...] = ()
    #: The real endpoints; None: all was embedded.
    real: RealInfo | None = None
    #: What a baseline expected; None: there was none that speaks of a backend of the run.
    debt: Debt | None = None

    @property
    def least_seconds(self) -> float:
        """What the run could not take less than: its waits one after another, or its work on all cores."""
        return max(self.longest_wait_seconds, self.cpu_seconds / self.cores)

    def is_own_test(self, verdict: Verdict) -> bool:
        """Whether a case is a test of the user's own, which ran beside the suites in the user's pytest."""
        return self.by_pytest and bool(verdict.nodeid) and _SUITES not in verdict.nodeid

    def backend(self, name: str) -> BackendInfo:
        """The backend of that name; one that never described itself is known by its name only."""
        return next((info for info in self.backends if info.name == name), BackendInfo(name=name))


@dataclass(frozen=True, slots=True)
class Run:
    """A run and its verdicts, in the order they are to be reported in."""

    info: RunInfo
    verdicts: tuple[Verdict, ...] = ()

    @property
    def backends(self) -> tuple[BackendInfo, ...]:
        """The backends of the run, and any that only verdicts name, each once."""
        known = {info.name for info in self.info.backends}
        others = dict.fromkeys(v.backend for v in self.verdicts if v.backend not in known)
        return (*self.info.backends, *(BackendInfo(name=name) for name in others))

    @property
    def real_lines(self) -> tuple[str, ...]:
        """What was asked of the real endpoints, and what they decided, for people; none: all was embedded."""
        if self.info.real is None:
            return ()
        decided = Counter(verdict.real for verdict in self.verdicts if verdict.ruling in DECIDED)
        left = [v for v in self.verdicts if v.real == "forwarded" and v.ruling is Ruling.NOT_HERE]
        counts = (
            f"{decided['forwarded']} cases were decided by its answers, {decided['embedded']} embedded, "
            f"{len(left)} it could not decide"
        )
        clauses = Counter(verdict.clause for verdict in left)
        planned = ", ".join(f"{clause} {count}" for clause, count in sorted(clauses.items()))
        dry = (f"cases that would be sent, by clause: {planned}",) if self.info.real.dry_run else ()
        return (*self.info.real.in_words, counts, *dry)

    def of(self, backend: str) -> tuple[Verdict, ...]:
        """The verdicts on one backend, in order."""
        return tuple(verdict for verdict in self.verdicts if verdict.backend == backend)
