"""Healthy calls: what shows that a backend answers at all before a case judges how, and at which pace.

A probe is the positive twin of every negative case of its shape: the same call, the fault taken out. It runs
once a worker and call shape, again after the backend's process was restarted, three times at most in a row;
a shape whose probe fails is not run any further. What a probe showed is ruled once a run, under DECL-01
(``DECL-01/healthy-chat-stream``); the cases that are built on a probe that failed are blocked by that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

# The public name, pytest.fail.Exception, is an attribute that type checkers cannot subclass.
from _pytest.outcomes import Failed

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.contracts.journal import Journal, route_of
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import NATIVE_PERSONA, Persona, Script, always
from tgi_conformance.contracts.verdict import Finding, Ruling
from tgi_conformance.fake_server.client import FakeServer, Space
from tgi_conformance.suites.harness.expect import ClauseFailed, describe
from tgi_conformance.suites.harness.keys import canary
from tgi_conformance.suites.harness.patience import SAMPLES, Pace, pace_of, pace_of_creation
from tgi_conformance.suites.harness.rulings import NotHere
from tgi_conformance.suites.harness.runaway import Runaways
from tgi_conformance.suites.harness.session import DEADLINE
from tgi_conformance.suites.shapes.calls import SHAPES, Shape
from tgi_conformance.suites.shapes.personas import dressed, model_served, not_there

#: Seconds that a call may take of which an earlier one has hung.
PROBE_DEADLINE: Final = 3.0
TRIES: Final = 3
#: After so many cases with connections left the oracle has seen enough.
LINGERING_LIMIT: Final = 5
_TEXT: Final = "ready"
#: More tokens behind it: what is wrong with the last one of a stream is for the clauses to judge.
_WHOLE: Final = f"{_TEXT} to go"
#: How it begins what a probe says of a call that went to the route of another kind.
_MISROUTED: Final = "it was sent to "
#: The clause that healthy calls are ruled under.
_CLAUSE: Final = "DECL-01"


class ProbeFailed(ClauseFailed, Failed):
    """The backend does not do the healthy call that the case is built on; ``blocked_by`` says so itself.

    pytest shows it without our frames, as it does its own ``fail(pytrace=False)``: its text says all, and to
    render the frames takes longer than the case.
    """

    ruling = Ruling.BLOCKED
    pytrace = False

    def __init__(self, expected: str, observed: str, blocked_by: str) -> None:
        super().__init__(expected, observed)
        #: The line that a report shows as the reason.
        self.msg = observed
        self.blocked_by = blocked_by


@dataclass(slots=True)
class Probes:
    """The probes of one backend in one worker."""

    driver: Driver
    server: FakeServer
    #: Seconds after which silence is a hang.
    deadline: float = DEADLINE
    #: The server generation that healthy calls meet unless another is named.
    persona: Persona = NATIVE_PERSONA
    #: What the healthy calls took.
    pace: Pace = field(default_factory=Pace)
    _failed: dict[str, str] = field(default_factory=dict)
    #: Probe -> why the server that is played has nothing for it.
    _not_here: dict[str, str] = field(default_factory=dict)
    #: Probe -> generation of the backend's process in which it was last seen to work.
    _good: dict[str, int] = field(default_factory=dict)
    #: Cases in which connections outlived their endpoint; a few are evidence enough (each costs a second).
    lingering: int = 0
    #: Method -> hangs and crashes in a row, and what the last one was.
    _dead: dict[str, tuple[int, str]] = field(default_factory=dict)
    #: Calls that did not stop sending.
    runaways: Runaways = field(default_factory=Runaways)
    #: What the probes showed since it was last asked for.
    _findings: list[Finding] = field(default_factory=list)

    def findings(self) -> list[Finding]:
        """Give what the probes showed since this was last asked: each healthy call once a worker."""
        told, self._findings = self._findings, []
        return told

    def require_endpoint(self) -> None:
        """Raise :class:`ProbeFailed` unless an endpoint can be made for a healthy server."""
        self._require("create_endpoint", self._probe_endpoint)

    def require(self, shape: Shape, *, streaming: bool, persona: Persona | None = None) -> None:
        """Raise :class:`ProbeFailed` unless a healthy call of this kind works (with that server generation).

        Where no endpoint can be made that is said at once: no kind of call is tried in vain. Raises
        ``NotHere`` where the call goes to a route that the server played does not have.
        """
        self.require_endpoint()
        persona = self.persona if persona is None else persona
        name = f"{shape.name} {'stream' if streaming else 'call'}"
        if persona != self.persona:
            name += f" with {persona}"
        # What a server of another generation meets is ruled by REAL-02.
        ruled = persona == self.persona

        def probe(limit: float) -> str | None:
            return self._probe_call(shape, persona, limit, streaming=streaming)

        self._require(name, probe, ruled=ruled)

    def works(self, shape: Shape, *, streaming: bool, persona: Persona | None = None) -> bool:
        """Whether a healthy call of this kind works."""
        try:
            self.require(shape, streaming=streaming, persona=persona)
        except (ProbeFailed, NotHere):
            return False
        return True

    def problem_with_endpoint(self) -> str:
        """What is wrong with making an endpoint for a healthy server; nothing: ""."""
        try:
            self.require_endpoint()
        except ProbeFailed as failed:
            return failed.observed
        return ""

    def problem(self, shape: Shape, *, streaming: bool) -> str:
        """What is wrong with a healthy call; nothing: "". Raises :class:`ProbeFailed` without an endpoint."""
        self.require_endpoint()
        try:
            self.require(shape, streaming=streaming)
        except ProbeFailed as failed:
            return failed.observed
        return ""

    def ask(self, method: str, arguments: dict[str, object], deadline: float) -> Outcome:
        """Call a method that generates nothing.

        One that hung or crashed three times in a row is not called again; none is where no endpoint can
        be made.
        """
        self.require_endpoint()
        count, seen = self._dead.get(method, (0, ""))
        if count >= TRIES:
            raise ProbeFailed(
                f"{method} answers", _silent(f"{method}: {seen}, {TRIES} tries"), _case_of(method)
            )
        patience = min(deadline, PROBE_DEADLINE) if count else deadline
        outcome = self.driver.run(method, arguments, deadline=patience)
        dead = outcome.ending in ("hang", "crash")
        self._dead[method] = (count + 1, describe(outcome)) if dead else (0, "")
        if dead and count + 1 == TRIES:
            self._note(method, _silent(f"{method}: {describe(outcome)}, {TRIES} tries"))
        return outcome

    def _require(self, name: str, probe: Callable[[float], str | None], *, ruled: bool = True) -> None:
        if name not in self._failed and self._good.get(name) == self.driver.generation:
            return
        if name in self._not_here:
            raise NotHere(self._not_here[name])
        if name not in self._failed:
            try:
                problem = self._try(name, probe)
            except NotHere as nothing:
                self._not_here[name] = str(nothing)
                raise
            if ruled and (problem or name not in self._good):
                self._note(name, problem)
            if problem:
                self._failed[name] = problem
            else:
                self._good[name] = self.driver.generation
        if name in self._failed:
            raise ProbeFailed(f"a healthy {name} works", self._failed[name], _case_of(name))

    def _try(self, name: str, probe: Callable[[float], str | None]) -> str:
        """Make a healthy call, three times at most; says what is wrong with it, nothing once it works."""
        seen = ""
        for number in range(TRIES):
            # A slow client gets the time that any call gets; a dead one takes that time once.
            problem = probe(min(self.deadline, PROBE_DEADLINE) if number else self.deadline)
            if problem is None:
                self._time(probe)
                return ""
            if problem.startswith(_MISROUTED):
                return f"probe {name}: {problem}"
            seen = seen or problem
        return f"{_silent(f'probe {name}')}: {seen} ({TRIES} tries)"

    def _note(self, name: str, problem: str) -> None:
        message = problem or f"a healthy {name} works"
        self._findings.append(
            Finding(clause=_CLAUSE, slug=_slug(name), message=message, breach=bool(problem))
        )

    def _time(self, probe: Callable[[float], str | None]) -> None:
        """Repeat the first probes of a client that seems slow: its pace is to be relied on."""
        for _ in range(SAMPLES):
            if not self.pace.unsure:
                return
            probe(self.deadline)

    def _probe_endpoint(self, limit: float) -> str | None:
        with self.server.space(Script(persona=self.persona), keys={}) as space:
            created = self._create(space, limit)
            if not created.returned:
                return describe(created)
            self._close(created)
        return None

    def _probe_call(self, shape: Shape, persona: Persona, limit: float, *, streaming: bool) -> str | None:
        reply = dressed(shape, persona).reply(_WHOLE, streaming=streaming)
        script = Script(replies=(always(reply),), persona=persona)
        with self.server.space(script, keys={}) as space:
            created = self._create(space, limit, persona)
            if not created.returned:
                return f"create_endpoint: {describe(created)}"
            arguments = shape.arguments("Say ready.") | {"endpoint_id": created.value}
            if streaming:
                arguments["stream"] = True
            outcome = self.driver.call(shape.method, arguments, stream=streaming).wait(limit)
            journal = space.journal()
            self._close(created)
            # A scripted reply answers on any route; the server that is played would have said 404.
            if route := not_there(persona, journal):
                raise NotHere(f"the server played, {persona}, has no {route}")
            problem = "; ".join(filter(None, (_misrouted(shape, journal), _judge(outcome, journal)))) or None
            if problem is None:
                self.pace += pace_of_creation(created) + pace_of(outcome, journal.generations[0])
            return problem

    def _create(self, space: Space, limit: float, persona: Persona | None = None) -> Outcome:
        arguments = {"base_url": space.base_url, "api_key": canary("probe", space.id)}
        model = model_served(self.persona if persona is None else persona)
        if model is not None and "model" in self.driver.description.settings:
            arguments["model"] = model
        return self.driver.run("create_endpoint", arguments, deadline=limit)

    def _close(self, created: Outcome) -> None:
        if "close_endpoint" in self.driver.implemented:
            self.driver.run("close_endpoint", {"endpoint_id": created.value}, deadline=self.deadline)


def _slug(name: str) -> str:
    """``healthy-chat`` of "chat call", ``healthy-create-endpoint`` of "create_endpoint"."""
    return "healthy-" + name.removesuffix(" call").replace(" ", "-").replace("_", "-")


def _case_of(name: str) -> str:
    return f"{_CLAUSE}/{_slug(name)}"


def _silent(what: str) -> str:
    return f"backend does not answer ({what})"


def _judge(outcome: Outcome, journal: Journal) -> str | None:
    if not outcome.returned:
        return describe(outcome)
    if _TEXT not in outcome.text:
        return f"{describe(outcome)} where the server answered {_WHOLE!r}"
    if not journal.generations:
        return f"{describe(outcome)} although no request reached the server"
    return None


def _misrouted(shape: Shape, journal: Journal) -> str | None:
    """Say so where the call went to a route of another kind of call.

    The cases answer in the form of the kind that was asked for, which no server sends on the other route.
    What such a client makes of it would be no failure of its own, and no success either.
    """
    path = journal.generations[0].path if journal.generations else ""
    there = [other.name for other in SHAPES if route_of(path) in other.plain_paths + other.stream_paths]
    if not there or shape.name in there:
        return None
    return f"{_MISROUTED}{path or '/'}, the route of a {there[0]} call, where {shape.plain_paths[0]} is right"
