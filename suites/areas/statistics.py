"""What a backend's statistics show: a counter that is left out is not exposed, and nothing is asked of it."""

from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.rulings import NotApplicable


def exposed(case: Case, endpoint: str, *names: str) -> dict[str, object]:
    """Those of these statistics that an endpoint shows; not applicable where it shows none of them."""
    shown = case.statistics(endpoint)
    there = {name: shown[name] for name in names if name in shown}
    if not there:
        raise NotApplicable(f"get_stats shows no {', '.join(names)}")
    return there
