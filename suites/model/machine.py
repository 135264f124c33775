"""What the state machines share: rules that make programs of calls, answers, failures and waits.

What a rule works on is picked by number among what is there, so that the choices of a program do not depend
on the clock; a rule that finds nothing to work on does nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tgi_conformance.suites.harness.case import ALIASES, Case
from tgi_conformance.suites.model.checks import expect_statistics
from tgi_conformance.suites.model.fates import NO_WAIT, RATE_LIMITED, Fate
from tgi_conformance.suites.model.program_run import ProgramRun
from tgi_conformance.suites.model.state import CallState, EndpointState, Phase
from tgi_conformance.suites.model.stateful import CaseMachine, MachineRun, step
from tgi_conformance.suites.model.watched import Made

T = TypeVar("T")

#: Calls of one program.
MOST_CALLS: Final = 40
#: The client's own waits (seconds): the first, and the longest.
BASE: Final = 0.015
LONGEST: Final = 0.045
#: A Retry-After that outlasts any program (seconds).
LONG: Final = "30"
PICKS: Final = st.integers(0, 7)


def configs(*, retries: bool) -> SearchStrategy[dict[str, Any]]:
    """Settings of an endpoint."""
    settings: dict[str, SearchStrategy[Any]] = {
        "max_concurrent_requests": st.integers(1, 3),
        "queue_size": st.integers(1, 3),
    }
    if retries:
        settings["max_retries"] = st.integers(1, 2)
        # Three times the first wait is outside its band, whatever the jitter.
        settings["backoff_factor"] = st.sampled_from([1.0, 3.0])
    return st.fixed_dictionaries(settings)


STATUS: Final = st.builds(Fate, kind=st.just("status"), status=st.sampled_from([500, 422, 400, 401]))
GOOD: Final = st.builds(Fate, usage=st.tuples(st.integers(1, 9), st.integers(1, 9)))
BROKEN_STREAM: Final = st.builds(Fate, kind=st.sampled_from(["cut", "error-event"]))
#: Refusals that a client may come back from.
PASSING_REFUSAL: Final = st.builds(
    Fate,
    kind=st.just("status"),
    status=st.just(RATE_LIMITED),
    retry_after=st.sampled_from([None, None, "0", NO_WAIT, LONG]),
)
#: A refusal for the rest of the program.
BAN: Final = Fate(kind="status", status=RATE_LIMITED, retry_after=LONG)
#: Whichever of them a client does not retry stands for one that it does.
GATEWAY: Final = st.builds(
    Fate, kind=st.just("status"), status=st.sampled_from([503, 502, 504, 500, 408, 409, 424, 425])
)
#: Connections that break before any output.
BREAK: Final = st.builds(Fate, kind=st.sampled_from(["reset", "closed"]))
_REFUSAL: Final = st.one_of(PASSING_REFUSAL, PASSING_REFUSAL, GATEWAY, BREAK)
#: What a call meets before its last answer; three are more than any endpoint's retries.
REFUSALS: Final = st.one_of(
    st.lists(_REFUSAL, max_size=2),
    st.lists(st.builds(Fate, kind=st.just("status"), status=st.just(429)), min_size=3, max_size=3),
)


class ModelMachine(CaseMachine):
    """What the themes share: endpoints, calls, answers."""

    #: The most endpoints of one program, where the backend takes several keys.
    most_endpoints: ClassVar[int] = 1
    retries: ClassVar[bool] = False

    def __init__(self, run: MachineRun) -> None:
        super().__init__(run)
        self.program = ProgramRun(self.case, self.case.shape(), run.patience, arrivals=run.arrivals)
        self.submitted = 0

    # --- rules of all themes ----------------------------------------------------------------------------

    @step
    def make_endpoint(self, config: dict[str, Any]) -> None:
        """Make an endpoint."""
        program, number = self.program, len(self.program.endpoints)
        given = {name: value for name, value in config.items() if name in self.case.description.settings}
        state = EndpointState(
            name=f"e{number}",
            key=ALIASES[number],
            cap=given.get("max_concurrent_requests"),
            room=self._room(given),
        )
        if self.retries:
            given |= {"initial_retry_delay": BASE, "max_retry_delay": LONGEST}
        if "queue_enabled" in self.case.description.settings:
            given["queue_enabled"] = True
        self.steps.append(f"create_endpoint {state.name} key:{state.key} {_shown(given)}")
        program.create(state, **given)

    def _room(self, given: dict[str, Any]) -> int | None:
        waits = self.case.description.full_queue == "wait"
        return None if waits else given.get("queue_size")

    def make_call(
        self, endpoint: EndpointState, *, streaming: bool, fates: Sequence[Fate], future: bool = False
    ) -> Made | None:
        """Make a call, if the model can say what becomes of it; ``future``: one that can be taken back.

        An async call can be taken back as it is.
        """
        if not self.can_say(endpoint):
            return None
        self.submitted += 1
        by_future = future and not streaming and not self.case.claims("async")
        method = self._future_method if by_future else None
        state = CallState(
            name=f"c{self.submitted}",
            endpoint=endpoint,
            key=endpoint.key,
            streaming=streaming,
            cancellable=self.case.claims("cancel")
            and not streaming
            and (self.case.claims("async") or bool(method)),
            fates=tuple(fates),
        )
        kind = "stream" if streaming else "call"
        told = ", then ".join(map(str, state.fates))
        self.steps.append(f"submit {state.name} on {endpoint.name} ({kind}; to be answered: {told})")
        self.program.submit(state, method=method)
        self.steps[-1] += f" -> {state.phase}"
        return self.program.calls[state.name]

    def can_say(self, endpoint: EndpointState) -> bool:
        """Without a known cap or queue a call beyond what is under way may go anywhere."""
        if self.submitted >= MOST_CALLS:
            return False
        if endpoint.cap is None:
            return endpoint.at_rest
        live = len(endpoint.among(Phase.WAITING, Phase.SENT, Phase.ASLEEP))
        return endpoint.room is not None or live < endpoint.cap

    @property
    def _future_method(self) -> str | None:
        return "submit" if "submit" in self.case.driver.implemented else None

    @step
    def answer(self, pick: int) -> None:
        """Let the server send what is next for a request that it holds."""
        made = pick_one(self.calls_in(Phase.SENT), pick)
        if made is None:
            return
        state = made.state
        if state.streaming and not state.opened and state.fate.opens:
            self.steps.append(f"open_stream {state.name}")
            self.program.let_open(made)
            return
        self.steps.append(f"answer {state.name}: {state.fate}")
        self.program.let_answer(made)
        self.steps[-1] += f" -> {state.phase}"

    def calls_in(self, *phases: Phase, accept: Callable[[CallState], bool] = lambda _: True) -> list[Made]:
        """The calls in these phases that are accepted."""
        return [m for m in self.program.calls.values() if m.state.phase in phases and accept(m.state)]

    def open_endpoints(self) -> list[EndpointState]:
        """The endpoints that are not closed."""
        return [endpoint for endpoint in self.program.endpoints.values() if endpoint.open]

    # --- the end ------------------------------------------------------------------------------------------

    def complete(self) -> None:
        """Let everything be answered: all calls end, the counters add up, nothing is left."""
        self.program.let_all()
        # Whoever must stay away for longer, and does not, comes once its own wait is over.
        self.program.sleep_out()
        for endpoint in self.open_endpoints():
            expect_statistics(self.program, endpoint)

    def summarize(self) -> None:
        """Have the evidence show the script as it was played."""
        self.run.looked |= self.program.looked
        if self.program.endpoints:
            self.case.show_script(self.program.played())


def closes(case: Case) -> bool:
    """Whether the backend can close one endpoint of several."""
    return case.claims("close", "keys") and "close_endpoint" in case.driver.implemented


def pick_one(choices: Sequence[T], pick: int) -> T | None:
    """One of several by number; None where there is none."""
    return choices[pick % len(choices)] if choices else None


def _shown(settings: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())
