"""The state machine of backoff: programs of calls that are refused and come back."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tgi_conformance.suites.model.fates import Fate, as_declared
from tgi_conformance.suites.model.machine import (
    BAN,
    BROKEN_STREAM,
    GOOD,
    PICKS,
    REFUSALS,
    STATUS,
    ModelMachine,
    configs,
    pick_one,
)
from tgi_conformance.suites.model.state import Phase
from tgi_conformance.suites.model.stateful import step


class BackoffMachine(ModelMachine):
    """Waits and attempts: how often is asked again, how soon, and what the others do meanwhile."""

    most_endpoints = 2
    retries = True

    @initialize(config=configs(retries=True))
    def first_endpoint(self, config: dict[str, Any]) -> None:
        """Make the first endpoint."""
        self.make_endpoint(config)

    @precondition(lambda self: len(self.program.endpoints) < self.most_endpoints and self.case.claims("keys"))
    @rule(config=configs(retries=True))
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
        if endpoint := pick_one(self.open_endpoints(), pick):
            retried = (as_declared(endpoint.policy, fate) for fate in refusals)
            told = [fate for fate in retried if fate is not None]
            if last.kind in ("cut", "error-event") and not (streaming and self.case.claims("stream")):
                last = Fate()
            self.make_call(
                endpoint,
                streaming=streaming and self.case.claims("stream"),
                fates=[*told, last],
                future=future,
            )

    def complete(self) -> None:
        """All calls end; then one of each kind is told to stay away for longer than a program lasts.

        Each program ends so, since what binds one kind of call may be forgotten in the other.
        """
        super().complete()
        for streaming in (True, False) if self.case.claims("stream") else (False,):
            self._ban(streaming=streaming)
        self.program.sleep_out()

    def _ban(self, *, streaming: bool) -> None:
        endpoint = next(filter(self.can_say, self.open_endpoints()), None)
        banned = None if endpoint is None else as_declared(endpoint.policy, BAN)
        if endpoint is None or banned != BAN:
            return
        made = self.make_call(endpoint, streaming=streaming, fates=[BAN, Fate()])
        if made is not None and made.state.phase is Phase.SENT:
            self.steps.append(f"answer {made.state.name}: {made.state.fate}")
            self.program.let_answer(made)

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
        if self.calls_in(Phase.ASLEEP):
            self.steps.append("pass_time until the client's own waits are over")
            self.program.sleep_out()

    @precondition(lambda self: self.case.claims("cancel"))
    @rule(pick=PICKS)
    @step
    def cancel(self, pick: int) -> None:
        """Cancel a call in backoff."""
        if made := pick_one(self.calls_in(Phase.ASLEEP, accept=lambda state: state.cancellable), pick):
            self.steps.append(f"cancel {made.state.name} ({made.state.phase})")
            self.program.cancel(made)
