"""DECL: what the adapter says of the backend is what the wire shows."""

import pytest

from tgi_conformance.contracts.adapter import METHODS, SETTINGS
from tgi_conformance.contracts.catalogue.capabilities import CAPABILITIES
from tgi_conformance.contracts.script import always, status
from tgi_conformance.suites.areas.ways import EITHER, SHAPE, STREAM, needs_way
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_success, only_request
from tgi_conformance.suites.harness.policy import PERMANENT
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape

#: The methods that a capability obliges the adapter to have.
OBLIGED: dict[str, tuple[str, ...]] = {
    "core": ("create_endpoint", "classify"),
    "native": ("generate",),
    "chat": ("chat",),
    "completions": ("completions",),
    "stats": ("get_stats",),
    "reset": ("reset_stats",),
    "update": ("update_endpoint",),
    "probe": ("test_endpoint",),
    "close": ("close",),
}
#: Statuses that some clients retry and some do not (clause RETRY-15).
CONTESTED = (408, 409, 424, 425, 429, 500, 502, 503, 504)


@clause("DECL-01", case="capabilities")
def test_each_claimed_capability_is_known_and_its_methods_exist(case: Case) -> None:
    """A claim without a method behind it would make each of its cases fail; a name we do not know, none."""
    unknown = sorted(case.description.capabilities - set(CAPABILITIES))
    expect(not unknown, expected=f"capabilities among {', '.join(CAPABILITIES)}", observed=", ".join(unknown))
    missing = [
        f"{capability} needs {method}"
        for capability in sorted(case.description.capabilities)
        for method in OBLIGED.get(capability, ())
        if method not in case.driver.implemented
    ]
    expect(not missing, expected="the methods that the claims oblige to", observed="; ".join(missing))


@clause("DECL-01", case="healthy-create-endpoint")
def test_an_endpoint_can_be_made(case: Case) -> None:
    """Where none can, nothing else can be examined: this says so once, and all that it blocks is counted."""
    _expect_no_problem("create_endpoint", case.probes.problem_with_endpoint())


@clause("DECL-01", case="healthy")
@pytest.mark.parametrize("streaming", [False, True], ids=["", "stream"])
@pytest.mark.parametrize("shape", [CHAT, NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
def test_a_healthy_call_works(case: Case, shape: Shape, streaming: bool) -> None:  # noqa: FBT001 - a parameter
    """The call that every case of its kind is built on; where it fails, those are blocked."""
    case.needs(shape.capability, *(["stream"] if streaming else []))
    kind = "stream" if streaming else "call"
    _expect_no_problem(f"{shape.name} {kind}", case.probes.problem(shape, streaming=streaming))


def _expect_no_problem(name: str, problem: str) -> None:
    expect(not problem, expected=f"a healthy {name} works", observed=problem)


@clause("DECL-01", case="names")
def test_declared_settings_and_methods_are_known(case: Case) -> None:
    """A declared setting or method under another name would never be used."""
    settings = sorted(case.description.settings - set(SETTINGS))
    methods = sorted(set(case.description.parameters) - set(METHODS))
    expect(
        not settings and not methods,
        expected=f"settings among {', '.join(SETTINGS)}; parameters of adapter methods",
        observed=f"settings {settings}, methods {methods}",
    )


@clause("DECL-01", case="not-retried", ways="chat")
@pytest.mark.parametrize("code", CONTESTED)
def test_a_status_not_declared_retryable_is_not_retried(case: Case, code: int) -> None:
    """The expected timeline is computed from the declaration, so the declaration must be true."""
    case.needs("retry")
    declared = case.description.retry
    if declared is None or declared.statuses is None:
        raise NotApplicable("the retryable statuses are not declared")
    if code in declared.statuses or code in PERMANENT:
        raise NotApplicable(f"{code} is declared retryable; RETRY-20 judges it")
    space = case.serve(always(status(code, json={"error": "x", "error_type": "x"})))
    endpoint = case.endpoint(max_retries=2, initial_retry_delay=0.02, backoff_factor=1.0)
    case.call(endpoint=endpoint, attempts=10)
    sent = space.journal().generations
    expect(
        len(sent) == 1,
        expected=f"1 request, since {code} is not declared retryable",
        observed=f"{len(sent)}",
        journal=space.journal(),
    )


@clause("DECL-01", case="defaults")
@EITHER
@SHAPE
def test_only_declared_parameters_are_sent_unasked(case: Case, shape: Shape, *, stream: bool) -> None:
    """A parameter that nobody asked for and nobody declared changes what the model says."""
    needs_way(case, shape, stream=stream)
    space = case.serve(shape.reply("ok", streaming=stream))
    endpoint = case.endpoint()
    expect_success(case.call(endpoint=endpoint, shape=shape, stream=stream))
    sent = only_request(space.journal())
    given = {name for name, value in shape.parameters_of(sent.json()).items() if value is not None}
    free = {"model", "stream", "stream_options", "return_full_text", "details", "decoder_input_details"}
    undeclared = sorted(given - set(case.description.defaults.parameters) - free)
    expect(
        not undeclared,
        expected="no generation parameter but the declared defaults",
        observed=f"{', '.join(undeclared)} in the body",
        journal=space.journal(),
    )


@clause("DECL-01", case="same-defaults")
@STREAM
@SHAPE
def test_declared_defaults_are_the_same_in_a_stream(case: Case, shape: Shape, *, stream: bool) -> None:
    """A stream without them says something else than the plain call."""
    needs_way(case, shape, stream=stream)
    declared = case.description.defaults.parameters
    if not declared:
        raise NotApplicable("no default of a parameter is declared")
    space = case.serve(shape.plain("ok"), shape.stream([" ok"]))
    endpoint = case.endpoint()
    for form in (False, stream):
        expect_success(case.call(endpoint=endpoint, shape=shape, stream=form))
    plain, streamed = (
        {name: value for name, value in shape.parameters_of(sent.json()).items() if name in declared}
        for sent in space.journal().generations
    )
    expect(
        plain == streamed,
        expected=f"the declared defaults of the plain call: {plain}",
        observed=str(streamed),
        journal=space.journal(),
    )


@clause("DECL-01", case="request-id-header", ways="chat")
def test_the_request_id_travels_in_the_declared_header(case: Case) -> None:
    """REQ-11 and RETRY-16 read the id there."""
    case.needs("reqid")
    name = case.description.request_id_header
    expect(bool(name), expected="request_id_header, since reqid is claimed", observed="it is not declared")
    space = case.serve_healthy()
    endpoint = case.endpoint()
    expect_success(case.call(endpoint=endpoint, request_id="decl-01-id"))
    sent = only_request(space.journal())
    expect(
        sent.header(name or "") == "decl-01-id",
        expected=f"{name}: decl-01-id",
        observed=str([key for key, value in sent.headers if "decl-01-id" in value]),
        journal=space.journal(),
    )
