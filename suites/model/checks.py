"""What the machines check of a backend beside its calls: statistics, deadlines, closed endpoints."""

import time
from collections.abc import Callable
from typing import Final

from tgi_conformance.suites.areas.statistics import statistics
from tgi_conformance.suites.harness.expect import describe
from tgi_conformance.suites.model.program_run import ProgramRun
from tgi_conformance.suites.model.state import Breach, CallState, EndpointState, broken
from tgi_conformance.suites.model.statistics import aggregate_problem, problem

#: The deadline of a call that waits it out (seconds).
DEADLINE: Final = 0.04


def expect_statistics(run: ProgramRun, endpoint: EndpointState) -> None:
    """The statistics of an endpoint come to say what the model says."""
    if not run.case.claims("stats"):
        return
    run.looked |= {"STAT-01", "STAT-08", "QUEUE-06"}
    run.settle()
    _eventually(run, lambda: problem(endpoint, statistics(run.case, run.ids[endpoint.name])))


def expect_aggregate(run: ProgramRun, before: dict[str, object]) -> None:
    """The sum over endpoints grew by what the endpoints of this program did."""
    _eventually(run, lambda: aggregate_problem(run.endpoints.values(), before, statistics(run.case)))


def _eventually(run: ProgramRun, find: Callable[[], Breach | None]) -> None:
    """Ask until nothing is wrong: a client may count a call just after it has handed out the answer."""
    deadline = time.monotonic() + run.patience(run.journal)
    while (found := find()) is not None:
        if time.monotonic() > deadline:
            found.late = True
            raise found
        run.pass_time(0.005)


def expect_expiry(run: ProgramRun, endpoint: EndpointState, name: str) -> None:
    """A call whose deadline passes while it waits ends by it, and is never sent."""
    run.looked.add("RETRY-12")
    state = CallState(name=name, endpoint=endpoint, key=endpoint.key, queued=True)
    prompt = run.case.prompt(name)
    running = run.case.start(
        prompt, endpoint=run.ids[endpoint.name], shape=run.shape, attempts=0, deadline=DEADLINE
    )
    endpoint.calls.append(state)
    outcome = running.wait_briefly(DEADLINE + run.patience(run.journal))
    if outcome is None:
        running.call.abandon()
        broken(
            "RETRY-12",
            expected=f"{name} ends by its deadline of {DEADLINE} s",
            observed="it goes on",
            late=True,
        )
    if outcome.returned:
        broken("RETRY-12", expected=f"an error from {name}, which was never sent", observed=describe(outcome))
    state.end("failed", forbidden="RETRY-12")
    run.never_sent[prompt] = state
    run.calm(endpoint)
    run.settle()


def expect_closed(run: ProgramRun, endpoint: EndpointState) -> None:
    """A call on a closed endpoint is an error, and nothing is sent."""
    run.looked.add("RES-05")
    prompt = run.case.prompt("closed")
    # Should it be sent after all, that is one breach, not another of the policy's attempts.
    running = run.case.start(prompt, endpoint=run.ids[endpoint.name], shape=run.shape, attempts=1)
    outcome = running.wait_briefly(run.patience(run.journal))
    state = CallState(name="the call on a closed endpoint", endpoint=endpoint, key=endpoint.key)
    state.end("free", forbidden="RES-05")
    run.never_sent[prompt] = state
    if outcome is None or outcome.returned:
        observed = "it waits" if outcome is None else describe(outcome)
        broken(
            "RES-05",
            expected=f"an error: {endpoint.name} was closed",
            observed=observed,
            late=outcome is None,
        )
    run.settle()
