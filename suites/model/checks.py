"""What the machines ask of a backend beside its calls: statistics, deadlines, closed endpoints."""

import time
from collections.abc import Callable
from typing import Final

from tgi_conformance.suites.harness.expect import describe
from tgi_conformance.suites.model.program_run import Bench
from tgi_conformance.suites.model.state import CallState, EndpointState, broken
from tgi_conformance.suites.model.statistics import aggregate_problem, problem

#: The deadline of a call that waits it out (seconds).
DEADLINE: Final = 0.04


def expect_statistics(bench: Bench, endpoint: EndpointState) -> None:
    """The statistics of an endpoint come to say what the model says."""
    if not bench.case.claims("stats"):
        return
    bench.looked |= {"STAT-01", "STAT-08", "QUEUE-06"}
    bench.settle()
    _eventually(bench, lambda: problem(endpoint, bench.case.statistics(bench.ids[endpoint.name])))


def expect_aggregate(bench: Bench, before: dict[str, object]) -> None:
    """The sum over endpoints grew by what the endpoints of this program did."""
    _eventually(bench, lambda: aggregate_problem(bench.endpoints.values(), before, bench.case.statistics()))


def _eventually(bench: Bench, look: Callable[[], AssertionError | None]) -> None:
    """Look until nothing is wrong: a client may write its books just after it has handed out the answer."""
    deadline = time.monotonic() + bench.patience(bench.journal)
    while (found := look()) is not None:
        if time.monotonic() > deadline:
            raise found
        bench.pass_time(0.005)


def expect_expiry(bench: Bench, endpoint: EndpointState, name: str) -> None:
    """A call whose deadline passes while it waits ends by it, and is never sent."""
    bench.looked.add("RETRY-12")
    state = CallState(name=name, endpoint=endpoint, key=endpoint.key, queued=True)
    prompt = bench.case.prompt(name)
    running = bench.case.start(
        prompt, endpoint=bench.ids[endpoint.name], shape=bench.shape, attempts=0, deadline=DEADLINE
    )
    endpoint.calls.append(state)
    outcome = running.wait_briefly(DEADLINE + bench.patience(bench.journal))
    if outcome is None:
        running.call.abandon()
        broken("RETRY-12", expected=f"{name} ends by its deadline of {DEADLINE} s", observed="it goes on")
    if outcome.returned:
        broken("RETRY-12", expected=f"an error from {name}, which was never sent", observed=describe(outcome))
    state.end("failed", forbidden="RETRY-12")
    bench.never_sent[prompt] = state
    bench.calm(endpoint)
    bench.settle()


def expect_closed(bench: Bench, endpoint: EndpointState) -> None:
    """A call on a closed endpoint is an error, and nothing is sent."""
    bench.looked.add("RES-05")
    prompt = bench.case.prompt("closed")
    # Should it be sent after all, that is one breach, not another of the policy's attempts.
    running = bench.case.start(prompt, endpoint=bench.ids[endpoint.name], shape=bench.shape, attempts=1)
    outcome = running.wait_briefly(bench.patience(bench.journal))
    state = CallState(name="the call on a closed endpoint", endpoint=endpoint, key=endpoint.key)
    state.end("free", forbidden="RES-05")
    bench.never_sent[prompt] = state
    if outcome is None or outcome.returned:
        observed = "it waits" if outcome is None else describe(outcome)
        broken("RES-05", expected=f"an error: {endpoint.name} was closed", observed=observed)
    bench.settle()
