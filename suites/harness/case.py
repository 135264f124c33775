"""One case at work: its spaces on the fake server, its endpoints and calls on the backend."""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, cast

from tgi_conformance.backends.driver.driver import BackendGoneError, BackendStartError, Call, Driver
from tgi_conformance.contracts.adapter import Description, Piece, RetryPolicy
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import NATIVE_PERSONA, Persona, Reply, Script
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.fake_server.client import FakeServer, Space, connections_closed
from tgi_conformance.suites.harness import connects, oracles, undeclared
from tgi_conformance.suites.harness.expect import ClauseFailed, describe, expect
from tgi_conformance.suites.harness.keys import canary
from tgi_conformance.suites.harness.lasting import UNSCRIPTED, lasting
from tgi_conformance.suites.harness.oracles import CallMade
from tgi_conformance.suites.harness.patience import Ended, Pace, Patience, pace_of_calls
from tgi_conformance.suites.harness.policy import RetrySettings, effective, most_attempts
from tgi_conformance.suites.harness.probes import LINGERING_LIMIT, ProbeFailed, Probes
from tgi_conformance.suites.harness.rulings import NotApplicable, NotHere
from tgi_conformance.suites.harness.runaway import RunsAway, awaited
from tgi_conformance.suites.harness.script_check import expect_met, no_fault
from tgi_conformance.suites.harness.scripted_waits import add_waits, limits_of, waits_of
from tgi_conformance.suites.harness.session import Alone, CallSeen, CaseRecord, Settings, SpaceSeen
from tgi_conformance.suites.real.replies import forwarded_replies
from tgi_conformance.suites.shapes.calls import SHAPE_BY_NAME, SHAPES, Shape, healthy
from tgi_conformance.suites.shapes.personas import claimed_shapes, dressed, is_served, model_served
from tgi_conformance.suites.shapes.spoken import ForeignWordsError, spoken_replies

#: Aliases of the keys that each space knows.
ALIASES: Final = ("A", "B", "C", "D", "E", "F", "G", "H")
#: Settings of the retry policy; a case that gives none of them asks for no retries.
_RETRY_SETTINGS: Final = tuple(f.name for f in dataclasses.fields(RetrySettings))
#: Calls and spaces kept as evidence of one case.
_EVIDENCE_LIMIT: Final = 40
#: Methods whose values list the backend's state: a key there is judged by SEC-08.
_LISTINGS: Final = frozenset({"create_endpoint", "get_stats", "public_objects"})
#: Seconds that connections may take to close after close() (clause RES-05).
_CLOSING: Final = 1.0


@dataclass(slots=True)
class Running:
    """A call under way."""

    call: Call
    what: str
    deadline: float
    #: Says what is wrong where the call sends without end; and how often that is asked (seconds).
    runs_away: RunsAway
    look: float
    _outcome: Outcome | None = None

    def wait(self, deadline: float | None = None) -> Outcome:
        """Wait for the end; silence past the deadline is a hang, and so is a call that sends without end."""
        if self._outcome is None:
            limit = self.deadline if deadline is None else deadline
            self._outcome = awaited(self.call, limit, self.look, self.runs_away)
        return self._outcome

    def wait_briefly(self, seconds: float) -> Outcome | None:
        """Wait that long for the end; None: still running, which is no fault."""
        return self.wait() if self.call.wait_done(seconds) else None

    def read(self, count: int) -> tuple[Piece, ...]:
        """Pull that many pieces of a stream; fewer: it ended before."""
        return self.call.read(count, self.deadline)

    def leave(self, how: str = "close") -> Outcome:
        """Leave a stream early: close it, drop the last reference, or throw into it."""
        self._outcome = self.call.leave(how, self.deadline)
        return self._outcome

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self.call.done

    def cancel(self, how: str = "cancel") -> None:
        """Ask for the call's cancellation."""
        self.call.cancel(how)


@dataclass(slots=True)
class Case:
    """What a test works with; made by the ``case`` fixture, closed by it."""

    server: FakeServer
    driver: Driver
    probes: Probes
    record: CaseRecord
    settings: Settings
    #: While it holds no other case of the run is at work: for failures that are verified.
    alone: Alone = contextlib.nullcontext
    #: The server shows the key in its answers, or the key is malformed: a leak is then advisory (SEC-01).
    key_echoed: bool = False
    #: A real server answers where any healthy answer would do.
    forwards: bool = False
    _persona: Persona | None = None
    _spaces: list[Space] = field(default_factory=list)
    _scripts: list[Script] = field(default_factory=list)
    #: Ids of spaces that had connections when the script was looked at.
    _connected: set[str] = field(default_factory=set)
    _endpoints: dict[str, RetryPolicy] = field(default_factory=dict)
    #: Endpoint -> generation of the backend's process that it was made in.
    _born: dict[object, int] = field(default_factory=dict)
    #: Ids of endpoints that are to be closed at the end.
    _open: list[object] = field(default_factory=list)
    _running: list[Running] = field(default_factory=list)
    _calls: list[CallMade] = field(default_factory=list)
    _outcomes: list[tuple[str, Outcome]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def replayable(self) -> bool:
        """Whether a failure of this case can be tried again at a bounded price."""
        ended = [o for _, o in self._outcomes] + [o for o in self._ended if o is not None]
        return bool(self._spaces) and not any(outcome.ending in ("hang", "crash") for outcome in ended)

    @property
    def _ended(self) -> list[Outcome | None]:
        """What came of each call; None: it is under way."""
        return [running.wait(0) if running.over else None for running in self._running]

    def again(self) -> "Case":
        """A case like this one with nothing done yet; its evidence goes to the same record."""
        return Case(self.server, self.driver, self.probes, self.record, self.settings, forwards=self.forwards)

    @property
    def persona(self) -> Persona:
        """The server generation that its spaces imitate and its shapes speak; the run's unless it is set."""
        return self._persona or self.settings.server

    @persona.setter
    def persona(self, persona: Persona) -> None:
        if self.settings.server not in {NATIVE_PERSONA, persona}:
            raise NotHere(f"the run plays {self.settings.server}, and the case {persona}")
        self._persona = persona

    # --- what the backend claims -------------------------------------------------------------------------

    @property
    def description(self) -> Description:
        """What the adapter declares."""
        return self.driver.description

    def claims(self, *capabilities: str) -> bool:
        """Whether all these capabilities are claimed."""
        return set(capabilities) <= self.description.capabilities

    def needs(self, *capabilities: str) -> None:
        """End the case as not applicable unless all these capabilities are claimed."""
        missing = sorted(set(capabilities) - self.description.capabilities)
        if missing:
            raise NotApplicable(f"capability {', '.join(missing)} is not claimed")

    def needs_setting(self, *names: str) -> None:
        """End the case as not applicable unless ``create_endpoint`` takes these settings."""
        missing = sorted(set(names) - self.description.settings)
        if missing:
            raise NotApplicable(f"setting {', '.join(missing)} is not declared")

    def needs_parameter(self, shape: Shape, *names: str) -> None:
        """End the case as not applicable unless the call of that shape offers these parameters."""
        offered = self.description.parameters.get(shape.method, frozenset())
        missing = sorted(set(names) - offered)
        if missing:
            raise NotApplicable(f"parameter {', '.join(missing)} of {shape.method} is not offered")

    def shape(self, *wanted: Shape, having: tuple[str, ...] = ()) -> Shape:
        """The first claimed call shape (of those wanted) whose call offers these parameters.

        A shape whose healthy calls fail is passed over where another works, so that a dead route reddens
        the cases of that route only.
        """
        claimed = claimed_shapes(self.description, wanted or SHAPES, having)
        here = [dressed(shape, self.persona) for shape in claimed if is_served(shape, self.persona)]
        if here:
            return next(filter(self._works, here), here[0]) if len(here) > 1 else here[0]
        names = " or ".join(shape.capability for shape in claimed or wanted or SHAPES)
        extra = f" with {', '.join(having)}" if having else ""
        if claimed:
            raise NotHere(f"the server played, {self.persona}, has no call of {names}{extra}")
        raise NotApplicable(f"no call of {names}{extra} is claimed")

    def _works(self, shape: Shape) -> bool:
        streams = [False, True] if self.claims("stream") else [False]
        return all(self.probes.works(SHAPE_BY_NAME[shape.name], streaming=streaming) for streaming in streams)

    def policy(self, endpoint: str) -> RetryPolicy:
        """The retry policy in force for an endpoint."""
        return self._endpoints[endpoint]

    # --- the server --------------------------------------------------------------------------------------

    def key(self, alias: str = "A") -> str:
        """The canary key of that alias in this case; from now on it is looked for wherever it may leak."""
        return self.record.keys.setdefault(alias, self._canary(alias))

    def _canary(self, alias: str) -> str:
        return canary(self.settings.seed, self.record.case, alias)

    def serve(self, *replies: Reply, **script: object) -> Space:
        """Open a space that plays these replies; further fields are :class:`Script`'s.

        A failure lasts for as long as the client comes, and a generation request that no reply is for is
        refused, so that a client that retries by itself finds no answer beside the script.
        """
        try:
            spoken = spoken_replies(self.settings.server, replies)
        except ForeignWordsError as foreign:
            raise NotHere(f"the case spells out {foreign}, not of {self.settings.server}") from None
        played = lasting(forwarded_replies(spoken) if self.forwards else spoken)
        given = {"otherwise": UNSCRIPTED, "replies": tuple(played), "persona": self.persona} | script
        loaded = Script(**given)  # type: ignore[arg-type]
        self._spaces.append(self.server.space(loaded, keys={alias: self._canary(alias) for alias in ALIASES}))
        self._scripts.append(loaded)
        return self.space

    def serve_healthy(self, **script: object) -> Space:
        """Open a space in which TGI answers every request with its prompt."""
        return self.serve(healthy().times(0, None), **script)

    def show_script(self, script: Script) -> None:
        """Have the evidence show this script for the space opened last: replies were added as it went."""
        self._scripts[-1] = script

    @property
    def space(self) -> Space:
        """The space opened last."""
        return self._spaces[-1]

    def journal(self) -> Journal:
        """What the space opened last has seen so far."""
        return self.space.journal()

    def journals(self) -> list[Journal]:
        """What each space of the case has seen so far."""
        return [space.journal() for space in self._spaces]

    # --- the backend -------------------------------------------------------------------------------------

    def endpoint(
        self, *, key: str | None = "A", url: str | None = None, model: str | None = None, **settings: object
    ) -> str:
        """Create an endpoint for the space opened last (or for a URL) and give its id.

        Settings that are not declared are left out; unless retry settings are given, retries are switched off
        where the backend can.
        """
        return self.made(self.try_endpoint(key=key, url=url, model=model, **settings), **settings)

    def made(self, created: Outcome, **settings: object) -> str:
        """The id of an endpoint that was created with these settings, as the backend gave it.

        An integer stays one: to the backend, ``"1"`` would be another endpoint.
        """
        expect(
            created.returned and isinstance(created.value, str | int),
            expected="create_endpoint gives an id",
            observed=describe(created),
        )
        endpoint = cast("str", created.value)
        given = RetrySettings(**{k: v for k, v in self._effective(settings).items() if k in _RETRY_SETTINGS})  # type: ignore[arg-type]
        self._endpoints[endpoint] = effective(self.description, given)
        return endpoint

    def try_endpoint(
        self, *, key: str | None = "A", url: str | None = None, model: str | None = None, **settings: object
    ) -> Outcome:
        """Call ``create_endpoint`` and give the outcome, whatever it is."""
        self._probe_first()
        arguments: dict[str, object] = {
            "base_url": self.space.base_url if url is None else url,
            "api_key": None if key is None else self.key(key),
        }
        model = model_served(self.persona) if model is None else model
        if model is not None and "model" in self.description.settings:
            arguments["model"] = model
        outcome = self.ask("create_endpoint", **arguments, **self._effective(settings))
        if outcome.returned and isinstance(outcome.value, str | int):
            self._open.append(outcome.value)
            self._born[outcome.value] = self.driver.generation
        return outcome

    def _probe_first(self) -> None:
        """Make the probes that calls will ask for before the case has an endpoint of its own.

        A backend of one endpoint (capability ``keys`` not claimed) would lose the case's endpoint to a probe
        made between its creation and the call.
        """
        self.probes.require_endpoint()
        for shape in SHAPES:
            if self.claims(shape.capability):
                self._works(shape)

    def _effective(self, settings: dict[str, object]) -> dict[str, object]:
        chosen = {name: value for name, value in settings.items() if name in self.description.settings}
        unasked = not any(name in settings for name in _RETRY_SETTINGS)
        if unasked and "max_retries" in self.description.settings:
            chosen["max_retries"] = 0
        return chosen

    def patience(self, journal: Journal | None = None) -> Patience:
        """How long this client is waited for: by its probes, by the case's calls and lag (of a journal)."""
        if not self.probes.pace.sends:
            self._probe_first()
        if journal is None:
            return Patience(pace=self.probes.pace, whole=self.description.whole_seconds)
        ended = [
            Ended(prompt=made.prompt, outcome=running.wait(0))
            for made, running in zip(self._calls, self._running, strict=True)
            if running.over
        ]
        return Patience(pace=self.probes.pace + pace_of_calls(ended, journal), lag=journal.lag)

    def measured(self) -> Pace:
        """The pace of the probes; empty where the backend does no healthy call."""
        if not self.probes.pace.sends:
            with contextlib.suppress(ProbeFailed):
                self._probe_first()
        return self.probes.pace

    def prompt(self, text: str = "Say it.") -> str:
        """A prompt that occurs once in the case."""
        return f"{text} [{self.record.case}:{next(self._numbers)}]"

    def start(
        self,
        prompt: str | None = None,
        *,
        endpoint: str,
        shape: Shape | None = None,
        stream: bool = False,
        attempts: int | None = None,
        method: str | None = None,
        subject: object = None,
        **arguments: object,
    ) -> Running:
        """Start a generation call; ``attempts`` overrides what the endpoint's policy allows.

        ``subject`` is passed in the prompt's place: a list of prompts, of messages, of texts and images.
        """
        shape = shape or self.shape()
        self.probes.require(SHAPE_BY_NAME[shape.name], streaming=stream)
        lost = self._born.get(endpoint, self.driver.generation) != self.driver.generation
        expect(
            not lost,
            expected="a process that lives from create_endpoint to the call",
            observed="it ended in between, and its endpoints with it",
        )
        prompt = self.prompt() if prompt is None else prompt
        sent = shape.arguments(prompt) | {"endpoint_id": endpoint} | arguments
        if subject is not None:
            sent["messages" if shape.method == "chat" else "prompt"] = subject
        if stream:
            sent["stream"] = True
        policy = self._endpoints.get(endpoint, RetryPolicy())
        most = most_attempts(policy) if attempts is None else attempts
        self._calls.append(CallMade(prompt=prompt, most_attempts=most))
        call = self.driver.call(method or shape.method, sent, stream=stream)
        deadline = self.patience().hang(self.settings.deadline, most)
        look = self.probes.runaways.look
        running = Running(call, f"{shape.method}({prompt!r})", deadline, self._runs_away, look)
        self._running.append(running)
        return running

    def _runs_away(self, excess: int | None) -> str:
        """Say what is wrong where the case's calls send without end."""
        journals = (space.journal() for space in self._spaces)
        return self.probes.runaways.judge(journals, self._calls, excess)

    def call(self, prompt: str | None = None, /, *, endpoint: str, **arguments: object) -> Outcome:
        """Make a generation call and wait for its end."""
        return self.start(prompt, endpoint=endpoint, **arguments).wait()  # type: ignore[arg-type]

    def call_new(self, *, url: str | None = None, shape: Shape | None = None, **settings: object) -> Outcome:
        """Make an endpoint with these settings and a call on it, and wait for the call's end.

        A backend may speak to the server when an endpoint is made, as it declares in ``auxiliary``. A server
        that nobody can speak to is met there, so the error of ``create_endpoint`` stands for the call's.
        """
        created = self.try_endpoint(url=url, **settings)  # type: ignore[arg-type]
        if created.raised and self.description.auxiliary:
            return created
        return self.call(endpoint=self.made(created, **settings), shape=shape)

    def ask(self, method: str, **arguments: object) -> Outcome:
        """Call a method that generates nothing (``get_stats``, ``test_endpoint``, ``close``, ...)."""
        outcome = self.probes.ask(method, arguments, self.settings.deadline)
        self._outcomes.append((method, outcome))
        return outcome

    def close_endpoint(self, endpoint: str) -> Outcome:
        """Close an endpoint."""
        self._endpoints.pop(endpoint, None)
        self._open = [other for other in self._open if other != endpoint]
        return self.ask("close_endpoint", endpoint_id=endpoint)

    @contextlib.contextmanager
    def fresh_process(self, **environment: str) -> Iterator[Driver]:
        """Run the backend in a process of its own with these environment variables.

        The process makes its first calls without a probe, so they are known to work in the other one.
        """
        self.probes.require(self.shape(), streaming=False)
        if self.settings.inproc:
            raise NotHere("a process of its own is needed, and the run is --inproc")
        driver = Driver.start(self.driver.spec, env=environment)
        try:
            yield driver
        finally:
            if driver.last_exit is None:  # else the case has closed it
                with contextlib.suppress(BackendGoneError, BackendStartError):
                    driver.census()
            connects.note_where_it_went(driver, self.record)
            self.record.output += driver.output()
            driver.close()

    def note(self, value: object) -> None:
        """Record something that is not scored."""
        self.record.record = to_json(value)

    # --- the end -----------------------------------------------------------------------------------------

    def check_script(self) -> None:
        """Fail unless every scripted reply saw the requests that it expected."""
        for space, script in zip(self._spaces, self._scripts, strict=True):
            journal = space.journal()
            no_fault(journal)
            if journal.connections:
                self._connected.add(space.id)
            # A time limit that ran out before the request was sent may be the busy machine's doing.
            limits = [each.error for each in self._ended if each is not None and each.error is not None]
            expect_met(journal, script, in_time=any(error.kind is ErrorKind.TIMEOUT for error in limits))

    def check_server(self) -> None:
        """Raise a kit fault where the fake server made a mistake of its own: nothing else counts then."""
        for space in self._spaces:
            no_fault(space.journal())

    def excuse(self, failure: ClauseFailed) -> None:
        """End the case as not applicable where it failed by what the backend does by itself, and may."""
        calls = list(zip(self._calls, self._ended, strict=True))
        clause, journals = self.record.clause, self.journals()
        if why := undeclared.excuse(self.description, failure, clause, journals, calls):
            raise NotApplicable(why) from failure

    def _repeats(self, journal: Journal) -> Iterator[undeclared.Repeat]:
        return undeclared.repeats(journal, zip(self._calls, self._ended, strict=True))

    def finish(self) -> None:
        """Close everything, keep the evidence, and let the run-wide oracles look."""
        outcomes = [(r.what, r.wait(0) if r.over else r.call.abandon()) for r in self._running]
        self._outcomes = outcomes + self._outcomes
        with contextlib.suppress(ClauseFailed):
            # Those of a process that has ended are gone with it.
            for endpoint in [each for each in self._open if self._born[each] == self.driver.generation]:
                if "close_endpoint" in self.driver.implemented:
                    self.ask("close_endpoint", endpoint_id=endpoint)
        add_waits(self.record.waits, {"limit": limits_of(outcome for _, outcome in outcomes)})
        scanned = [o for what, o in self._outcomes if what not in _LISTINGS or not o.returned]
        findings = oracles.leaks_in_outcomes(scanned, self.record.keys)
        if self.key_echoed:
            findings = [dataclasses.replace(finding, advisory=True) for finding in findings]
        journals = []
        for space, script in zip(self._spaces, self._scripts, strict=True):
            journal, left = self._closed(space)
            journals.append(journal)
            findings += left
            findings += oracles.stray_keys(journal, self.record.keys)
            findings += oracles.extra_requests(journal, self._calls)
            if undeclared.is_silent(self.description):
                findings += undeclared.asked_for(list(self._repeats(journal)))
            add_waits(self.record.waits, waits_of(script, journal) | {"absence": space.lulls})
            if len(self.record.spaces) < _EVIDENCE_LIMIT:
                self.record.add_space(SpaceSeen(script, journal, space))
        self.record.findings += findings
        self.record.calls += [CallSeen(*seen) for seen in self._outcomes[:_EVIDENCE_LIMIT]]
        for journal in journals:
            no_fault(journal)

    def _closed(self, space: Space) -> tuple[Journal, list[Finding]]:
        """Close a space: its last journal, and whether the backend's connections were closed before."""
        judged = self.claims("close") and self.probes.lingering < LINGERING_LIMIT
        # The server is asked only where the look at the script has not told: that takes a millisecond.
        if not judged or not (space.id in self._connected or space.journal().connections):
            return space.close(), []
        journal = space.close(connections_closed(), Patience(pace=self.probes.pace).soon(_CLOSING))
        findings = oracles.connections_left(journal)
        self.probes.lingering += any(finding.breach for finding in findings)
        return journal, findings
