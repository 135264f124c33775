"""REAL: what a run owes those who start it, and what hosted endpoints say that a bare TGI does not.

Clauses marked (suite) are the kit's own duties: where one is not kept, the ruling is "kit fault". REAL-02 is
tried in ``test_personas``. REAL-01 is looked for in every case: the backend's process tells where it went.
"""

import json
from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

import pytest

from tgi_conformance.backends.driver.network import own_names
from tgi_conformance.contracts.adapter import RetryPolicy
from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS
from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.loopback import leaves_here, stays_here
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.redaction import redact
from tgi_conformance.contracts.script import Reply, always, failing, status
from tgi_conformance.contracts.verdict import DECIDED, Ruling, Verdict
from tgi_conformance.reports.results_map import roll_up
from tgi_conformance.suites.areas.answers import expect_not_found, is_other_model
from tgi_conformance.suites.areas.refusals import needs_retry_of
from tgi_conformance.suites.areas.streams import each_shape, needs_stream_of
from tgi_conformance.suites.harness import connects
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import ahead, clause, timing
from tgi_conformance.suites.harness.expect import describe, expect, expect_error, expect_requests, expect_text
from tgi_conformance.suites.harness.oracles import key_forms
from tgi_conformance.suites.harness.policy import most_attempts
from tgi_conformance.suites.harness.rulings import KitFault, NotApplicable
from tgi_conformance.suites.shapes.calls import Shape

#: What the hosted router says while it starts a model.
LOADING: Final = "Model google/t5-efficient-tiny is currently loading"
#: What Inference Endpoints say of one that its owner has paused.
PAUSED: Final = "Bad Request: Endpoint is paused, ask a maintainer to restart it"
_503: Final = 503


# --- the suite's own duties ---------------------------------------------------------------------------


@clause("REAL-01", case="kit")
def test_the_kit_itself_stays_on_this_machine(case: Case) -> None:
    """Nobody who runs a test suite expects it to talk to strangers."""
    space = case.serve()
    own = own_names()
    if not connects.watched() or not connects.connects():
        raise KitFault("the watch over the kit's own connects sees nothing, not even the control connection")
    went = [where for where in connects.connects() if leaves_here(where, own)]
    asked = [name for name in connects.lookups() if not stays_here(name, own)]
    if went or asked:
        raise KitFault(f"the kit connected to {went}, and looked up {asked}")
    host = space.base_url.partition("//")[2].partition("/")[0]
    if leaves_here(host, own):
        raise KitFault(f"the fake server listens at {host}, which is not this machine's alone")


@clause("REAL-01", case="not-run")
@pytest.mark.parametrize("ruling", sorted(set(Ruling) - DECIDED), ids=lambda ruling: ruling.replace(" ", "-"))
def test_what_did_not_run_is_no_success(case: Case, ruling: Ruling) -> None:
    """The guide's own tests called a key a success where a method had its name."""
    key = RESULTS_KEYS[0]
    made = Verdict(case="REAL-01/x", clause="REAL-01", ruling=ruling, backend="b", results_key=key)
    told = roll_up([made], "b")
    case.note({str(ruling): told.values.get(key, "left out")})
    if told.values.get(key) != ("Failed" if ruling is Ruling.BLOCKED else None):
        raise KitFault(f"a key that was {ruling} is told as {told.values.get(key)!r}")


@clause("REAL-05", case="redacted")
def test_no_form_of_a_key_is_written_to_a_report(case: Case) -> None:
    """A report is handed around. Budgets of real runs are not tried: there are no such runs yet."""
    shape = case.shape()
    case.key_echoed = True  # by this server: what the backend makes of it is not at stake here
    key = case.key()
    forms = key_forms(key)
    space = case.serve(status(401, ("x-echo", key), json={"error": f"no such key: {key}"}))
    outcome = case.call(endpoint=case.endpoint(), shape=shape)

    expect(outcome.raised, expected="an error, since the server answered 401", observed=describe(outcome))
    evidence = {"journal": to_json(space.journal()), "outcome": to_json(outcome), "forms": " ".join(forms)}
    written = json.dumps(redact(evidence, {"A": key}))
    left = [number for number, form in enumerate(forms) if form in written]
    if left:
        raise KitFault(f"forms {left} of a key are left in what reports are made of")


# --- hosted endpoints ---------------------------------------------------------------------------------


def _loading(**more: object) -> dict[str, Any]:
    return {"error": LOADING, **more}


#: Seconds that the server says it takes, scaled; the first wait of the backend's own backoff is a fifth.
TAKES: Final = 0.25
BACKOFF: Final[Mapping[str, Any]] = {
    "initial_retry_delay": TAKES / 5,
    "backoff_factor": 2.0,
    "max_retry_delay": TAKES * 4,
}
#: Between waits of one pace: jitter and scheduling.
SAME_PACE: Final = 1.5


@clause("REAL-03", case="estimated-time", ways="chat")
@timing
@ahead
def test_a_model_that_loads_is_waited_for_and_not_polled(case: Case) -> None:
    """It takes a while: either the server's own estimate is waited, or the waits grow."""
    _needs_loading_retried(case)
    case.needs_setting("initial_retry_delay", "backoff_factor")
    shape = case.shape()
    loading = status(_503, json=_loading(estimated_time=TAKES)).named("loading")
    space = case.serve(loading.times(1, 3), shape.plain("loaded").times(0, 1))
    endpoint = case.endpoint(max_retries=3, **BACKOFF)
    policy = case.policy(endpoint)
    if most_attempts(policy) < 4:
        raise NotApplicable("the backend makes fewer than four attempts")

    outcome = case.call(endpoint=endpoint, shape=shape)

    journal = space.journal()
    expect_text(outcome, "loaded")
    gaps = journal.gaps()
    # A client that was woken late makes a gap longer, so the shortest one before it is what a gap is held to.
    grow = any(later >= SAME_PACE * earlier for earlier, later in combinations(gaps, 2))
    waits_it_out = bool(gaps) and gaps[0] >= 0.9 * TAKES
    if gaps and not waits_it_out and not _growth_shows(policy):
        raise NotApplicable("its waits vary so much, or undeclared, that chance decides whether they grow")
    expect(
        waits_it_out or grow,
        expected=f"a first wait of the {TAKES} s that the server asked for, or waits that grow",
        observed=f"waits of {', '.join(f'{gap:.3f}' for gap in gaps)} s",
        journal=journal,
    )


def _growth_shows(policy: RetryPolicy) -> bool:
    """Whether the third wait is longer than the first, however the declared jitter falls."""
    if policy.jitter is None or policy.factor is None:
        return False
    low, high = policy.jitter
    return bool(policy.factor**2 * low >= SAME_PACE * high)


@clause("REAL-03", case="retry-after", ways="chat")
@timing
@ahead
def test_the_servers_retry_after_is_waited_out(case: Case) -> None:
    """What it says of a 429 it says of a 503, too (RFC 9110 section 10.2.3)."""
    _needs_loading_retried(case)
    shape = case.shape()
    space = case.serve(status(_503, ("retry-after", "1"), json=_loading()), shape.plain("loaded").times(0, 1))
    endpoint = case.endpoint(max_retries=1, **BACKOFF)

    outcome = case.call(endpoint=endpoint, shape=shape)

    gaps = space.journal().gaps()
    if outcome.raised and not gaps:
        raise NotApplicable(f"it does not wait a Retry-After of 1 s: {describe(outcome)}")
    expect_text(outcome, "loaded")
    expect(
        gaps[0] >= 1.0,
        expected="a wait of at least the 1 s of Retry-After",
        observed=f"{gaps[0]:.3f} s",
        journal=space.journal(),
    )


@clause("REAL-03", case="bounded", ways="chat")
def test_a_model_that_never_loads_ends_the_call(case: Case) -> None:
    """A caller that waits for ever is told nothing; the error says what the server said."""
    _needs_loading_retried(case)
    space = case.serve(always(status(_503, json=_loading(estimated_time=20.0))))
    quick: dict[str, Any] = {
        "initial_retry_delay": 0.02,
        "backoff_factor": 1.0,
        "max_retry_delay": 0.05,
    }
    endpoint = case.endpoint(max_retries=2, **quick)

    outcome = case.call(endpoint=endpoint)

    expect_error(outcome, status=_503, contains=LOADING, because="the model is still loading")
    most = most_attempts(case.policy(endpoint))
    sent = space.journal().generations
    if len(sent) > most:
        expect_requests(sent, most, because="the limit of attempts", journal=space.journal())


def _needs_loading_retried(case: Case) -> None:
    needs_retry_of(case, _503)


#: What a stream call meets where no model runs: reply, status, and the message that must reach the caller.
NO_MODEL: Final[Mapping[str, tuple[Reply, int, str]]] = {
    "loading": (status(_503, json=_loading(estimated_time=20.0)), _503, LOADING),
    "paused": (status(400, json={"error": PAUSED}), 400, PAUSED),
    "scaled-to-zero": (status(502, text="Bad Gateway"), 502, "Bad Gateway"),
}


@clause("REAL-04")
@pytest.mark.parametrize("form", sorted(NO_MODEL))
@each_shape
def test_an_endpoint_without_a_model_is_an_error_to_a_stream_call(
    case: Case, shape: Shape, form: str
) -> None:
    """The refusal is JSON in place of a stream: read as events it is a stream of nothing."""
    needs_stream_of(case, shape)
    reply, code, message = NO_MODEL[form]
    case.serve(reply)

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=True)

    _expect_refused(outcome, code, message)


@clause("REAL-04", case="hosted-router", ways="chat stream")
def test_the_hosted_routers_loading_is_an_error_to_a_stream_call(case: Case) -> None:
    """Its own 503, with the estimate and a request id of its own."""
    case.needs("stream")
    case.persona = "hosted-router"
    shape = case.shape()
    case.serve(failing(LOADING, "loading"))

    outcome = case.call(endpoint=case.endpoint(), shape=shape, stream=True)

    if is_other_model(case):
        expect_not_found(outcome)
        return
    _expect_refused(outcome, _503, LOADING)


def _expect_refused(outcome: Outcome, code: int, message: str) -> None:
    info = expect_error(outcome, status=code, contains=message, because=f"the server answered {code}")
    expect(not outcome.pieces, expected="no item at all", observed=describe(outcome))
    expect(
        info is not None and info.kind is not ErrorKind.UNMAPPED,
        expected="one of the client's own errors",
        observed=describe(outcome),
    )
