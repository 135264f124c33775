"""The state machine of the queue: programs of calls that take slots, wait, are refused or cancelled."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tgi_conformance.suites.areas.refusals import takes_deadline
from tgi_conformance.suites.model.checks import expect_expiry, expect_statistics
from tgi_conformance.suites.model.fates import Fate
from tgi_conformance.suites.model.machine import (
    BROKEN_STREAM,
    GOOD,
    PICKS,
    STATUS,
    ModelMachine,
    closes,
    configs,
    pick_one,
)
from tgi_conformance.suites.model.state import Phase
from tgi_conformance.suites.model.stateful import step


class QueueMachine(ModelMachine):
    """Slots and queue: who is sent, who waits, who is refused, whose slot comes back."""

    most_endpoints = 2

    @initialize(config=configs(retries=False))
    def first_endpoint(self, config: dict[str, Any]) -> None:
        """Make the first endpoint."""
        self.make_endpoint(config)

    @precondition(lambda self: len(self.program.endpoints) < self.most_endpoints and self.case.claims("keys"))
    @rule(config=configs(retries=False))
    def create_endpoint(self, config: dict[str, Any]) -> None:
        """Make another endpoint."""
        self.make_endpoint(config)

    @rule(pick=PICKS, fate=st.one_of(GOOD, GOOD, STATUS), future=st.booleans())
    @step
    def submit(self, pick: int, fate: Fate, *, future: bool) -> None:
        """Make a plain call."""
        if endpoint := pick_one(self.open_endpoints(), pick):
            self.make_call(endpoint, streaming=False, fates=[fate], future=future)

    @rule(
        pick=PICKS,
        fate=st.one_of(GOOD, STATUS, BROKEN_STREAM),
        streaming=st.sampled_from([True, True, False]),
    )
    @step
    def submit_stream(self, pick: int, fate: Fate, *, streaming: bool) -> None:
        """Make a streaming call; now and then, and where there are none, a plain one."""
        if endpoint := pick_one(self.open_endpoints(), pick):
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
        if made := pick_one(self.calls_in(Phase.SENT, accept=lambda state: state.opened), pick):
            self.steps.append(f"leave_stream {made.state.name}")
            self.program.leave(made)

    @precondition(lambda self: self.case.claims("cancel"))
    @rule(pick=PICKS)
    @step
    def cancel(self, pick: int) -> None:
        """Cancel a call that waits or is on the wire."""
        live = self.calls_in(Phase.WAITING, Phase.SENT, accept=lambda state: state.cancellable)
        if made := pick_one(live, pick):
            self.steps.append(f"cancel {made.state.name} ({made.state.phase})")
            self.program.cancel(made)

    @precondition(lambda self: takes_deadline(self.case, self.case.shape()))
    @rule(pick=PICKS)
    @step
    def expire(self, pick: int) -> None:
        """Have a call reach its deadline while it waits."""
        busy = [e for e in self.open_endpoints() if e.cap and e.sent == e.cap and e.has_room]
        endpoint = pick_one(busy, pick)
        if endpoint is not None and self.can_say(endpoint):
            self.submitted += 1
            self.steps.append(
                f"submit c{self.submitted} on {endpoint.name} with a deadline that it waits out"
            )
            expect_expiry(self.program, endpoint, f"c{self.submitted}")

    @precondition(lambda self: self.case.claims("stats"))
    @rule(pick=PICKS)
    @step
    def get_stats(self, pick: int) -> None:
        """Hold the statistics of an endpoint against the model."""
        if endpoint := pick_one(self.open_endpoints(), pick):
            self.steps.append(f"get_stats {endpoint.name}")
            expect_statistics(self.program, endpoint)

    @precondition(lambda self: closes(self.case))
    @rule(pick=PICKS)
    @step
    def close_endpoint(self, pick: int) -> None:
        """Close an endpoint, not the last."""
        if len(self.open_endpoints()) > 1 and (endpoint := pick_one(self.open_endpoints(), pick)):
            self.steps.append(f"close_endpoint {endpoint.name}")
            self.program.close_endpoint(endpoint)
