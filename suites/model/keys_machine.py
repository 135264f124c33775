"""The state machine of keys: programs that add, change and close endpoints beside calls under way."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tgi_conformance.suites.areas.statistics import statistics
from tgi_conformance.suites.harness.case import ALIASES
from tgi_conformance.suites.model.checks import expect_aggregate, expect_closed, expect_statistics
from tgi_conformance.suites.model.fates import Fate, as_declared
from tgi_conformance.suites.model.machine import (
    BAN,
    GOOD,
    PICKS,
    STATUS,
    ModelMachine,
    closes,
    configs,
    pick_one,
)
from tgi_conformance.suites.model.stateful import MachineRun, step


class KeysMachine(ModelMachine):
    """Several keys on one client: requests, limits and counters stay apart while they come, change and go."""

    most_endpoints = 3
    retries = True

    def __init__(self, run: MachineRun) -> None:
        super().__init__(run)
        self._free_keys = list(ALIASES[self.most_endpoints :])
        self._before: dict[str, object] = {}
        self._added_up = True

    @initialize(config=configs(retries=True))
    def first_endpoint(self, config: dict[str, Any]) -> None:
        """Make the first endpoint."""
        self.make_endpoint(config)
        if self.case.claims("stats"):
            self._before = statistics(self.case)

    @precondition(lambda self: len(self.program.endpoints) < self.most_endpoints and self.case.claims("keys"))
    @rule(config=configs(retries=True))
    def create_endpoint(self, config: dict[str, Any]) -> None:
        """Make another endpoint."""
        self.make_endpoint(config)

    @rule(
        pick=PICKS,
        limited=st.sampled_from([None, None, None, BAN]),
        last=st.one_of(GOOD, GOOD, STATUS),
        streaming=st.booleans(),
    )
    @step
    def submit(self, pick: int, limited: Fate | None, last: Fate, *, streaming: bool) -> None:
        """Make a call; some are banned for the rest of the program."""
        if endpoint := pick_one(self.open_endpoints(), pick):
            first = as_declared(endpoint.policy, limited) if limited and self.case.claims("retry") else None
            fates = [last] if first is None else [first, last]
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
        endpoint = pick_one(self.open_endpoints(), pick)
        if endpoint is not None and self._free_keys:
            endpoint.key = self._free_keys.pop(0)
            self.steps.append(f"update_endpoint {endpoint.name} key:{endpoint.key}")
            self.case.ask(
                "update_endpoint",
                endpoint_id=self.program.ids[endpoint.name],
                api_key=self.case.key(endpoint.key),
            )
            self.program.settle()

    @precondition(lambda self: self.case.claims("update"))
    @rule(pick=PICKS, cap=st.integers(1, 3))
    @step
    def update_cap(self, pick: int, cap: int) -> None:
        """Give an endpoint at rest another cap."""
        resting = [each for each in self.open_endpoints() if each.at_rest and each.cap is not None]
        if endpoint := pick_one(resting, pick):
            endpoint.cap = cap
            self.steps.append(f"update_endpoint {endpoint.name} max_concurrent_requests={cap}")
            self.case.ask(
                "update_endpoint", endpoint_id=self.program.ids[endpoint.name], max_concurrent_requests=cap
            )

    @precondition(lambda self: closes(self.case))
    @rule(pick=PICKS)
    @step
    def close_endpoint(self, pick: int) -> None:
        """Close an endpoint, not the last; a call on it is an error and sends nothing."""
        if len(self.open_endpoints()) > 1 and (endpoint := pick_one(self.open_endpoints(), pick)):
            self.steps.append(f"close_endpoint {endpoint.name}, and a call on it")
            self._added_up = False
            self.program.close_endpoint(endpoint)
            expect_closed(self.program, endpoint)

    @precondition(lambda self: self.case.claims("stats"))
    @rule(pick=PICKS)
    @step
    def get_stats(self, pick: int) -> None:
        """Hold the statistics of an endpoint against the model."""
        if endpoint := pick_one(self.open_endpoints(), pick):
            self.steps.append(f"get_stats {endpoint.name}")
            expect_statistics(self.program, endpoint)

    @precondition(lambda self: self.case.claims("stats", "reset"))
    @rule(pick=PICKS)
    @step
    def reset_stats(self, pick: int) -> None:
        """Set the counters of an endpoint at rest to 0."""
        if endpoint := pick_one([each for each in self.open_endpoints() if each.at_rest], pick):
            self.steps.append(f"reset_stats {endpoint.name}")
            self._added_up = False
            self.program.looked.add("STAT-10")
            self.case.ask("reset_stats", endpoint_id=self.program.ids[endpoint.name])
            endpoint.forgotten = len(endpoint.calls)
            for other in self.open_endpoints():
                other.reset_elsewhere |= other is not endpoint

    def complete(self) -> None:
        """All calls end; each endpoint's counters are right, and so is their sum."""
        super().complete()
        if self._added_up and self.case.claims("stats"):
            expect_aggregate(self.program, self._before)
