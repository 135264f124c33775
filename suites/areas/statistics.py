"""What a backend's statistics show: a counter that is left out is not exposed, and nothing is asked of it."""

from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import describe, expect
from tgi_conformance.suites.harness.rulings import NotApplicable


def statistics(case: Case, endpoint: str | None = None) -> dict[str, object]:
    """The statistics of one endpoint, or of all."""
    outcome = case.ask("get_stats", **({} if endpoint is None else {"endpoint_id": endpoint}))
    expect(
        outcome.returned and isinstance(outcome.value, dict),
        expected="get_stats gives a mapping",
        observed=describe(outcome),
    )
    return dict(outcome.value)  # type: ignore[arg-type]


def exposed(case: Case, endpoint: str, *names: str) -> dict[str, object]:
    """Those of these statistics that an endpoint shows; not applicable where it shows none of them."""
    shown = statistics(case, endpoint)
    there = {name: shown[name] for name in names if name in shown}
    if not there:
        raise NotApplicable(f"get_stats shows no {', '.join(names)}")
    return there
