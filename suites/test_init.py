"""INIT: what a handler is created with is what it uses; what a probe says is what the endpoint showed."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tgi_conformance.contracts.codec import to_json
from tgi_conformance.contracts.error_kinds import ErrorKind
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.loopback import is_port_here
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, status
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.areas.process.own import created_in
from tgi_conformance.suites.areas.refusals import refusal
from tgi_conformance.suites.areas.ways import EITHER, SHAPE, needs_way
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_success, expect_text, only_request
from tgi_conformance.suites.harness.policy import retried_statuses
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.shapes.calls import Shape
from tgi_conformance.suites.shapes.personas import model_served

#: Seconds in which a call to a healthy server has settled, whatever its settings.
SETTLED: Final = 2.0


@clause("INIT-01", case="journal")
@EITHER
@SHAPE
def test_a_call_goes_to_the_url_of_its_handler(case: Case, shape: Shape, *, stream: bool) -> None:
    """A host built into the code gets the prompt and the key of somebody who never named it."""
    needs_way(case, shape, stream=stream)
    elsewhere = case.serve(shape.reply("from elsewhere", streaming=stream).times(0, None))
    space = case.serve(shape.reply("from here", streaming=stream))
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream)

    expect(
        not elsewhere.journal().exchanges and len(space.journal().generations) == 1,
        expected="the one request at the URL that the handler was made with",
        observed=f"{len(space.journal().generations)} there, {len(elsewhere.journal().exchanges)} elsewhere",
        journal=space.journal(),
    )
    expect_text(outcome, "from here")


@clause("INIT-01", case="connects", ways="chat")
def test_no_other_server_of_this_machine_is_connected(case: Case) -> None:
    """The backend's process itself shows where it went, beyond what our server can see."""
    shape = case.shape()
    space = case.serve(shape.plain("here"))
    with case.fresh_process() as driver:
        created = created_in(driver, case, space.base_url, case.key())
        expect_success(created, "create_endpoint")
        arguments = shape.arguments(case.prompt()) | {"endpoint_id": created.value}
        outcome = driver.run(shape.method, arguments, deadline=case.settings.deadline)
        census = driver.census()

    expect_text(outcome, "here")
    own = space.base_url.removeprefix("http://")
    # What leaves this machine is REAL-01's, and ruled there once.
    others = sorted({where for where in census.connects or () if is_port_here(where)} - {own})
    expect(
        not others,
        expected=f"connections to {own} only",
        observed=f"connections to {', '.join(others)}",
    )


@clause("INIT-05")
def test_creating_a_handler_generates_nothing(case: Case) -> None:
    """A generation costs; the caller has not asked for one yet."""
    shape = case.shape()
    space = case.serve(shape.plain("asked for").times(0, None))
    endpoint = case.endpoint()
    before = space.journal()

    outcome = case.call("the first prompt", endpoint=endpoint, shape=shape)

    # What creating may have started in the background has met the server by the time the call is over.
    early = [e for e in space.journal().generations if b"the first prompt" not in e.body]
    expect(
        not before.generations and not early,
        expected="no POST to a generation route before the first call",
        observed=f"{len(before.generations)} before, {len(early)} beside it",
        journal=space.journal(),
    )
    expect_success(outcome)


#: Settings that mean nothing, by name: setting, value.
NONSENSE: Final[Mapping[str, tuple[str, object]]] = {
    "concurrency-0": ("max_concurrent_requests", 0),
    "concurrency-negative": ("max_concurrent_requests", -1),
    "queue-negative": ("queue_size", -1),
    "retries-negative": ("max_retries", -1),
    "delay-nan": ("initial_retry_delay", float("nan")),
    "delay-negative": ("initial_retry_delay", -1.0),
    "factor-0": ("backoff_factor", 0),
    "factor-nan": ("backoff_factor", float("nan")),
    "delay-cap-nan": ("max_retry_delay", float("nan")),
}
#: Nonsense that takes effect only once a call waits before a retry.
_SEEN_IN_RETRY: Final = ("initial_retry_delay", "backoff_factor", "max_retry_delay")


@clause("INIT-06")
@pytest.mark.parametrize("form", sorted(NONSENSE))
def test_nonsense_settings_are_refused_or_clamped(case: Case, form: str) -> None:
    """With room for no request at all a call waits for a slot that never comes."""
    case.needs("queue")
    setting, value = NONSENSE[form]
    case.needs_setting(setting)
    shape = case.shape()
    refusals = [refusal(code).times(0, 1) for code in retried_statuses(case.description)[:1]]
    case.serve(*(refusals if setting in _SEEN_IN_RETRY else ()), shape.plain("fine").times(0, None))

    given = _one_quick_retry(setting) | {setting: value}
    created = case.try_endpoint(**given)
    if created.raised:
        return
    expect_success(created, f"create_endpoint({setting}={value!r})")
    # What nonsense comes to is the backend's own affair: no policy is computed from it.
    given.pop(setting)
    running = case.start(endpoint=case.made(created, **given), shape=shape)

    bound = case.patience(case.journal()).soon(SETTLED)
    outcome = running.wait_briefly(bound)

    expect(
        outcome is not None and outcome.ending in ("answer", "error"),
        expected=f"{setting}={value!r} refused, or a call that settles within {bound:.1f} s",
        observed="still waiting" if outcome is None else describe(outcome),
        journal=case.journal(),
    )


def _one_quick_retry(setting: str) -> dict[str, Any]:
    others: dict[str, Any] = {"max_retries": 1, "initial_retry_delay": 0.02, "max_retry_delay": 0.1}
    return {name: value for name, value in others.items() if name != setting}


#: Answers that are no good reply, whatever the probe asks for.
BAD_ANSWERS: Final[Mapping[str, Reply]] = {
    "401": status(401),
    "403": status(403, html="<html><body>Forbidden</body></html>"),
    "404": status(404),
    "500": status(500, json={"error": "Incomplete generation", "error_type": "incomplete_generation"}),
    "503": status(503, json={"error": "unhealthy", "error_type": "healthcheck"}),
    "html": status(200, html="<html><body>Welcome to the captive portal</body></html>"),
    "error-object": status(200, json={"error": "no such model", "error_type": "validation"}),
}


@clause("INIT-07", case="good")
def test_a_healthy_endpoint_is_called_good(case: Case) -> None:
    """The twin of the cases beside it: a probe that always says no tells nothing."""
    case.needs("probe")
    space = case.serve_healthy()

    outcome = _probe(case, space.base_url)

    expect(
        outcome.returned and outcome.truthy is True,
        expected="a truthy verdict",
        observed=_verdict(outcome),
        journal=space.journal(),
    )
    expect(
        bool(space.journal().exchanges),
        expected="a verdict reached by asking the endpoint",
        observed="no request",
    )


@clause("INIT-07", case="bad")
@pytest.mark.parametrize("form", sorted(BAD_ANSWERS))
def test_a_bad_answer_is_never_called_good(case: Case, form: str) -> None:
    """A truthy failure (``{"success": false}``) passes for a working endpoint in every ``if``."""
    case.needs("probe")
    replies = [BAD_ANSWERS[form].where(method=method).times(0, None) for method in ("GET", "HEAD", "POST")]
    space = case.serve(*replies)

    outcome = _probe(case, space.base_url)

    _expect_bad(outcome, space.journal())
    expect(
        bool(space.journal().exchanges),
        expected="a verdict reached by asking the endpoint",
        observed="no request",
    )


@clause("INIT-07", case="refused")
def test_an_endpoint_where_nobody_listens_is_never_called_good(case: Case) -> None:
    """No connection, no good reply."""
    case.needs("probe")
    space = case.serve(origins=("a", "refused:b"))

    outcome = _probe(case, space.url("refused:b"))

    _expect_bad(outcome, space.journal())


@clause("INIT-08", case="url")
def test_the_probe_asks_the_url_that_it_was_given(case: Case) -> None:
    """Testing another endpoint than the one named gives a verdict about nothing."""
    case.needs("probe")
    known, named = _two_servers(case)
    before = len(known.journal().exchanges)

    _probe(case, named.base_url, key="B")

    stray = len(known.journal().exchanges) - before
    expect(
        bool(named.journal().exchanges) and not stray,
        expected="requests to the URL that was passed, none to the endpoint made before",
        observed=f"{len(named.journal().exchanges)} and {stray}",
        journal=named.journal(),
    )


@clause("INIT-08", case="key")
def test_the_probe_uses_the_key_that_it_was_given(case: Case) -> None:
    """A verdict about a key must rest on that key."""
    case.needs("probe")
    _, named = _two_servers(case)

    _probe(case, named.base_url, key="B")

    keys = {exchange.key for exchange in named.journal()}
    expect(
        "B" in keys and keys <= {"B", "none"},
        expected="key:B, which was passed",
        observed=", ".join(f"key:{key}" for key in sorted(keys)) or "no request",
        journal=named.journal(),
    )


@clause("INIT-08", case="model")
def test_the_probe_names_the_model_that_it_was_given(case: Case) -> None:
    """On a router by model, another name is another endpoint."""
    case.needs("probe")
    _, named = _two_servers(case)

    _probe(case, named.base_url, key="B", model="lab/other-model")

    models = [model for exchange in named.journal().generations for model in _models(exchange)]
    if not models:
        raise NotApplicable("the probe sends no request that names a model")
    expect(
        set(models) == {"lab/other-model"},
        expected="the model lab/other-model, which was passed",
        observed=", ".join(str(model) for model in models),
        journal=named.journal(),
    )


@clause("INIT-09")
@EITHER
@SHAPE
def test_an_unknown_parameter_is_not_dropped_in_silence(case: Case, shape: Shape, *, stream: bool) -> None:
    """The caller believes that it works; forward it, refuse it or say so."""
    needs_way(case, shape, stream=stream)
    space = case.serve(shape.reply("fine", streaming=stream).times(0, 1))
    endpoint = case.endpoint()

    outcome = case.call(endpoint=endpoint, shape=shape, stream=stream, min_p=0.1)

    if _refused_locally(outcome, space.journal()) or any("min_p" in text for text in outcome.warnings):
        return
    expect_success(outcome)
    sent = only_request(space.journal())
    if "min_p" in shape.parameters_of(sent.json()) or "min_p" in _top_level(sent.json()):
        return
    # Asked last: a census takes the log records along that the run-wide scan for keys would see.
    logged = [log.text for log in case.driver.census().logs or () if "min_p" in log.text]
    expect(
        bool(logged),
        expected="min_p=0.1 on the wire, refused, or warned about",
        observed=f"sent without it, and nothing was said: {sent.body.decode('utf-8', 'replace')}",
    )


# --- what the tests above share ---------------------------------------------------------------------------


def _probe(case: Case, url: str, *, key: str = "A", model: str | None = None) -> Outcome:
    arguments: dict[str, object] = {"base_url": url, "api_key": case.key(key)}
    model = model or model_served(case.persona)
    if model is not None:
        arguments["model"] = model
    return case.ask("test_endpoint", **arguments)


def _two_servers(case: Case) -> tuple[Space, Space]:
    """An endpoint made with key A for the first server; the second is the one to be tested."""
    known = case.serve_healthy()
    case.endpoint(key="A")
    return known, case.serve_healthy()


def _expect_bad(outcome: Outcome, journal: Journal) -> None:
    expect(
        outcome.raised or (outcome.returned and outcome.truthy is False),
        expected="a falsy verdict or an exception",
        observed=_verdict(outcome),
        journal=journal,
    )


def _verdict(outcome: Outcome) -> str:
    if not outcome.returned:
        return describe(outcome)
    return f"{'truthy' if outcome.truthy else 'falsy'}: {to_json(outcome.value)!r}"


def _models(exchange: Exchange) -> list[JSON]:
    if exchange.path.startswith("/models/"):
        return [exchange.path.removeprefix("/models/")]
    body = _top_level(exchange.json())
    named = [body["model"]] if "model" in body else []
    return named if exchange.path.startswith("/v1/") else []


def _top_level(body: JSON) -> Mapping[str, JSON]:
    return body if isinstance(body, Mapping) else {}


def _refused_locally(outcome: Outcome, journal: Journal) -> bool:
    """Whether the call raised and sent nothing."""
    kind = None if outcome.error is None else outcome.error.kind
    names = {link.type.rpartition(".")[2] for link in outcome.exception}
    refusal = kind is ErrorKind.INVALID_ARGUMENT or bool(names & {"TypeError", "ValueError"})
    return outcome.raised and refusal and not journal.generations
