"""Calls of a backend process that a case has to itself, with variables of its choice."""

from tgi_conformance.backends.driver.driver import Driver
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.shapes.calls import Shape
from tgi_conformance.suites.shapes.personas import model_served


def forms(case: Case, shape: Shape) -> tuple[bool, ...]:
    """The forms of a call that the backend claims, and whose healthy calls work: whole, and as a stream."""
    claimed = (False, True) if case.claims("stream") else (False,)
    return tuple(stream for stream in claimed if case.probes.works(shape, streaming=stream))


def for_its_model(case: Case) -> dict[str, str]:
    """The setting that an endpoint needs where the server that is played routes by model; mostly none."""
    model = model_served(case.persona)
    return {} if model is None or "model" not in case.description.settings else {"model": model}


def created_in(driver: Driver, case: Case, url: str, key: str | None) -> Outcome:
    """Make an endpoint of that process."""
    arguments = {"base_url": url, "api_key": key} | for_its_model(case)
    return driver.run("create_endpoint", arguments, deadline=case.settings.deadline)


def call_in(
    driver: Driver,
    case: Case,
    shape: Shape,
    endpoint: object,
    *,
    stream: bool = False,
    fresh_loop: bool = False,
) -> Outcome:
    """Make a call of that process on one of its endpoints, and wait for its end."""
    arguments = shape.arguments(case.prompt()) | {"endpoint_id": endpoint}
    deadline = case.settings.deadline
    return driver.run(shape.method, arguments, stream=stream, fresh_loop=fresh_loop, deadline=deadline)
