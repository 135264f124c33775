"""The state machines: rules that make programs of calls, answers, failures and waits, by theme.

What a rule works on is picked by number among what is there, so that the choices of a program do not depend
on the clock; a rule that finds nothing to work on does nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from hypothesis.strategies import SearchStrategy

from tgi_conformance.suites.harness.case import ALIASES, Case
from tgi_conformance.suites.model.checks import (
    expect_aggregate,
    expect_closed,
    expect_expiry,
    expect_statistics,
)
from tgi_conformance.suites.model.program_run import Bench, Made
from tgi_conformance.suites.model.state import NO_WAIT, RATE_LIMITED, CallState, EndpointState, Fate, Phase
from tgi_conformance.suites.model.stateful import CaseMachine, MachineRun, step

T = TypeVar("T")

#: Calls of one program.
MOST_CALLS: Final = 40
#: The client's own waits (seconds): the first, and the longest.
BASE: Final = 0.015
LONGEST: Final = 0.045
#: A Retry-After that outlasts any program (seconds).
LONG: Final = "30"
PICKS: Final = st.integers(0, 7)


def _configs(*, retries: bool) -> SearchStrategy[dict[str, Any]]:
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
GATEWAY: Final = st.builds(Fate, kind=st.just("status"), status=st.just(503))
_REFUSAL: Final = st.one_of(PASSING_REFUSAL, PASSING_REFUSAL, GATEWAY)
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
        self.bench = Bench(self.case, self.case.shape(), run.patience, run.arrivals)
        self.submitted = 0

    # --- rules of all themes ----------------------------------------------------------------------------

    @step
    def make_endpoint(self, config: dict[str, Any]) -> None:
        """Make an endpoint."""
        bench, number = self.bench, len(self.bench.endpoints)
        given = {name: value for name, value in config.items() if name in self.case.description.settings}
        state = EndpointState(
            name=f"e{number}",
            key=ALIASES[number],
            cap=given.get("max_concurrent_requests"),
            room=self._room(given),
            retries=self.retries,
        )
        if self.retries:
            given |= {"initial_retry_delay": BASE, "max_retry_delay": LONGEST}
        if "queue_enabled" in self.case.description.settings:
            given["queue_enabled"] = True
        self.steps.append(f"create_endpoint {state.name} key:{state.key} {_shown(given)}")
        bench.create(state, **given)

    def _room(self, given: dict[str, Any]) -> int | None:
        waits = self.case.description.full_queue == "wait"
        return None if waits else given.get("queue_size")

    def make_call(
        self, endpoint: EndpointState, *, streaming: bool, fates: Sequence[Fate], future: bool = False
    ) -> None:
        """Make a call, if the model can say what becomes of it; ``future``: one that can be taken back.

        An async call can be taken back as it is.
        """
        if not self._can_say(endpoint):
            return
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
        self.bench.submit(state, method=method)
        self.steps[-1] += f" -> {state.phase}"

    def _can_say(self, endpoint: EndpointState) -> bool:
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
        made = _pick(self._in(Phase.SENT), pick)
        if made is None:
            return
        state = made.state
        if state.streaming and not state.opened and state.fate.kind != "status":
            self.steps.append(f"open_stream {state.name}")
            self.bench.let_open(made)
            return
        self.steps.append(f"answer {state.name}: {state.fate}")
        self.bench.let_answer(made)
        self.steps[-1] += f" -> {state.phase}"

    def _in(self, *phases: Phase, accept: Callable[[CallState], bool] = lambda _: True) -> list[Made]:
        return [m for m in self.bench.calls.values() if m.state.phase in phases and accept(m.state)]

    def open_endpoints(self) -> list[EndpointState]:
        """The endpoints that are not closed."""
        return [endpoint for endpoint in self.bench.endpoints.values() if endpoint.open]

    # --- the end ------------------------------------------------------------------------------------------

    def complete(self) -> None:
        """Let everything be answered: all calls end, the books balance, nothing is left."""
        self.bench.let_all()
        self.bench.pass_time(0)
        for endpoint in self.open_endpoints():
            expect_statistics(self.bench, endpoint)

    def summarize(self) -> None:
        """Have the evidence show the script as it was played."""
        self.run.looked |= self.bench.looked
        if self.bench.endpoints:
            self.case.show_script(self.bench.played())


class QueueMachine(ModelMachine):
    """Slots and queue: who is sent, who waits, who is refused, whose slot comes back."""

    most_endpoints = 2

    @initialize(config=_configs(retries=False))
    def first_endpoint(self, config: dict[str, Any]) -> None:
        """Make the first endpoint."""
        self.make_endpoint(config)

    @precondition(lambda self: len(self.bench.endpoints) < self.most_endpoints and self.case.claims("keys"))
    @rule(config=_configs(retries=False))
    def create_endpoint(self, config: dict[str, Any]) -> None:
        """Make another endpoint."""
        self.make_endpoint(config)

    @rule(pick=PICKS, fate=st.one_of(GOOD, GOOD, STATUS), future=st.booleans())
    @step
    def submit(self, pick: int, fate: Fate, *, future: bool) -> None:
        """Make a plain call."""
        if endpoint := _pick(self.open_endpoints(), pick):
            self.make_call(endpoint, streaming=False, fates=[fate], future=future)

    @rule(
        pick=PICKS,
        fate=st.one_of(GOOD, STATUS, BROKEN_STREAM),
        streaming=st.sampled_from([True, True, False]),
    )
    @step
    def submit_stream(self, pick: int, fate: Fate, *, streaming: bool) -> None:
        """Make a streaming call; now and then, and where there are none, a plain one."""
        if endpoint := _pick(self.open_endpoints(), pick):
            streaming = streaming and self.case.claims("stream")
            fate = fate if streaming or fate.kind in ("good", "status") else Fate()
            self.make_call(endpoint, streaming=streaming, fates=[fate])

    @rule(pick=PICKS)
    def release(self, pick: int) -> None:
        """Let the server go on with a request."""
        self.answer(pick)

    @rule(pick=PICKS)
    @step
    def leave_stream(self, pick: int) -> None:
        """Leave a stream whose first pieces were read."""
        if made := _pick(self._in(Phase.SENT, accept=lambda state: state.opened), pick):
            self.steps.append(f"leave_stream {made.state.name}")
            self.bench.leave(made)

    @precondition(lambda self: self.case.claims("cancel"))
    @rule(pick=PICKS)
    @step
    def cancel(self, pick: int) -> None:
        """Cancel a call that waits or is on the wire."""
        live = self._in(Phase.WAITING, Phase.SENT, accept=lambda state: state.cancellable)
        if made := _pick(live, pick):
            self.steps.append(f"cancel {made.state.name} ({made.state.phase})")
            self.bench.cancel(made)

    @precondition(lambda self: self.case.claims("timeout"))
    @rule(pick=PICKS)
    @step
    def expire(self, pick: int) -> None:
        """Have a call reach its deadline while it waits."""
        busy = [e for e in self.open_endpoints() if e.cap and e.sent == e.cap and e.has_room]
        endpoint = _pick(busy, pick)
        if endpoint is not None and self._can_say(endpoint):
            self.submitted += 1
            self.steps.append(
                f"submit c{self.submitted} on {endpoint.name} with a deadline that it waits out"
            )
            expect_expiry(self.bench, endpoint, f"c{self.submitted}")

    @precondition(lambda self: self.case.claims("stats"))
    @rule(pick=PICKS)
    @step
    def get_stats(self, pick: int) -> None:
        """Hold the statistics of an endpoint against the model."""
        if endpoint := _pick(self.open_endpoints(), pick):
            self.steps.append(f"get_stats {endpoint.name}")
            expect_statistics(self.bench, endpoint)

    @precondition(lambda self: _closes(self.case))
    @rule(pick=PICKS)
    @step
    def close_endpoint(self, pick: int) -> None:
        """Close an endpoint, not the last."""
        if len(self.open_endpoints()) > 1 and (endpoint := _pick(self.open_endpoints(), pick)):
            self.steps.append(f"close_endpoint {endpoint.name}")
            self.bench.close_endpoint(endpoint)


class BackoffMachine(ModelMachine):
    """Waits and attempts: how often is asked again, how soon, and what the others do meanwhile."""

    most_endpoints = 2
    retries = True

    @initialize(config=_configs(retries=True))
    def first_endpoint(self, config: dict[str, Any]) -> None:
        """Make the first endpoint."""
        self.make_endpoint(config)

    @precondition(lambda self: len(self.bench.endpoints) < self.most_endpoints and self.case.claims("keys"))
    @rule(config=_configs(retries=True))
    def create_endpoint(self, config: dict[str, Any]) -> None:
        """Make another endpoint."""
        self.make_endpoint(config)

    @rule(
        pick=PICKS,
        refusals=REFUSALS,
        last=st.one_of(GOOD, GOOD, STATUS, BROKEN_STREAM),
        streaming=st.booleans(),
        future=st.booleans(),
    )
    @step
    def submit(self, pick: int, refusals: list[Fate], last: Fate, *, streaming: bool, future: bool) -> None:
        """Make a call that is refused some times before it is answered."""
        if endpoint := _pick(self.open_endpoints(), pick):
            declared = endpoint.policy.statuses or frozenset()
            told = [fate for fate in refusals if fate.status == RATE_LIMITED or fate.status in declared]
            if last.kind in ("cut", "error-event") and not (streaming and self.case.claims("stream")):
                last = Fate()
            if last.kind == "status" and last.status in declared:
                told, last = [*told, last], Fate()
            self.make_call(
                endpoint,
                streaming=streaming and self.case.claims("stream"),
                fates=[*told, last],
                future=future,
            )

    @rule(pick=PICKS)
    def release(self, pick: int) -> None:
        """Let the server go on with a request."""
        self.answer(pick)

    @rule(pick=PICKS)
    def release_another(self, pick: int) -> None:
        """Let the server go on with a request: refusals are more than calls."""
        self.answer(pick)

    @rule()
    @step
    def pass_time(self) -> None:
        """Let the client's own waits pass: whoever may come back has come, whoever must wait has not."""
        if self._in(Phase.ASLEEP):
            self.steps.append("pass_time until the client's own waits are over")
            self.bench.sleep_out()

    @precondition(lambda self: self.case.claims("cancel"))
    @rule(pick=PICKS)
    @step
    def cancel(self, pick: int) -> None:
        """Cancel a call in backoff."""
        if made := _pick(self._in(Phase.ASLEEP, accept=lambda state: state.cancellable), pick):
            self.steps.append(f"cancel {made.state.name} ({made.state.phase})")
            self.bench.cancel(made)


class KeysMachine(ModelMachine):
    """Several keys on one client: requests, limits and books stay apart while they come, change and go."""

    most_endpoints = 3
    retries = True

    def __init__(self, run: MachineRun) -> None:
        super().__init__(run)
        self._free_keys = list(ALIASES[self.most_endpoints :])
        self._before: dict[str, object] = {}
        self._added_up = True

    @initialize(config=_configs(retries=True))
    def first_endpoint(self, config: dict[str, Any]) -> None:
        """Make the first endpoint."""
        self.make_endpoint(config)
        if self.case.claims("stats"):
            self._before = self.case.statistics()

    @precondition(lambda self: len(self.bench.endpoints) < self.most_endpoints and self.case.claims("keys"))
    @rule(config=_configs(retries=True))
    def create_endpoint(self, config: dict[str, Any]) -> None:
        """Make another endpoint."""
        self.make_endpoint(config)

    @rule(
        pick=PICKS,
        limited=st.sampled_from(
            [None, None, None, Fate(kind="status", status=RATE_LIMITED, retry_after=LONG)]
        ),
        last=st.one_of(GOOD, GOOD, STATUS),
        streaming=st.booleans(),
    )
    @step
    def submit(self, pick: int, limited: Fate | None, last: Fate, *, streaming: bool) -> None:
        """Make a call; some are banned for the rest of the program."""
        if endpoint := _pick(self.open_endpoints(), pick):
            fates = [last] if limited is None or not self.case.claims("retry") else [limited, last]
            self.make_call(endpoint, streaming=streaming and self.case.claims("stream"), fates=fates)

    @rule(pick=PICKS)
    def release(self, pick: int) -> None:
        """Let the server go on with a request."""
        self.answer(pick)

    @precondition(lambda self: self.case.claims("update"))
    @rule(pick=PICKS)
    @step
    def update_endpoint(self, pick: int) -> None:
        """Give an endpoint another key; calls made before keep theirs."""
        endpoint = _pick(self.open_endpoints(), pick)
        if endpoint is not None and self._free_keys:
            endpoint.key = self._free_keys.pop(0)
            self.steps.append(f"update_endpoint {endpoint.name} key:{endpoint.key}")
            self.case.ask(
                "update_endpoint",
                endpoint_id=self.bench.ids[endpoint.name],
                api_key=self.case.key(endpoint.key),
            )
            self.bench.settle()

    @precondition(lambda self: self.case.claims("update"))
    @rule(pick=PICKS, cap=st.integers(1, 3))
    @step
    def update_cap(self, pick: int, cap: int) -> None:
        """Give an endpoint at rest another cap."""
        resting = [each for each in self.open_endpoints() if each.at_rest and each.cap is not None]
        if endpoint := _pick(resting, pick):
            endpoint.cap = cap
            self.steps.append(f"update_endpoint {endpoint.name} max_concurrent_requests={cap}")
            self.case.ask(
                "update_endpoint", endpoint_id=self.bench.ids[endpoint.name], max_concurrent_requests=cap
            )

    @precondition(lambda self: _closes(self.case))
    @rule(pick=PICKS)
    @step
    def close_endpoint(self, pick: int) -> None:
        """Close an endpoint, not the last; a call on it is an error and sends nothing."""
        if len(self.open_endpoints()) > 1 and (endpoint := _pick(self.open_endpoints(), pick)):
            self.steps.append(f"close_endpoint {endpoint.name}, and a call on it")
            self._added_up = False
            self.bench.close_endpoint(endpoint)
            expect_closed(self.bench, endpoint)

    @precondition(lambda self: self.case.claims("stats"))
    @rule(pick=PICKS)
    @step
    def get_stats(self, pick: int) -> None:
        """Hold the statistics of an endpoint against the model."""
        if endpoint := _pick(self.open_endpoints(), pick):
            self.steps.append(f"get_stats {endpoint.name}")
            expect_statistics(self.bench, endpoint)

    @precondition(lambda self: self.case.claims("stats", "reset"))
    @rule(pick=PICKS)
    @step
    def reset_stats(self, pick: int) -> None:
        """Set the counters of an endpoint at rest to 0."""
        if endpoint := _pick([each for each in self.open_endpoints() if each.at_rest], pick):
            self.steps.append(f"reset_stats {endpoint.name}")
            self._added_up = False
            self.bench.looked.add("STAT-10")
            self.case.ask("reset_stats", endpoint_id=self.bench.ids[endpoint.name])
            endpoint.forgotten = len(endpoint.calls)
            for other in self.open_endpoints():
                other.reset_elsewhere |= other is not endpoint

    def complete(self) -> None:
        """All calls end; each endpoint's books are right, and so is their sum."""
        super().complete()
        if self._added_up and self.case.claims("stats"):
            expect_aggregate(self.bench, self._before)


def _closes(case: Case) -> bool:
    return case.claims("close", "keys") and "close_endpoint" in case.driver.implemented


def _pick(choices: Sequence[T], pick: int) -> T | None:
    """One of several by number; None where there is none."""
    return choices[pick % len(choices)] if choices else None


def _shown(settings: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())
