"""No integer is given that callers in the backend's language do not pass."""

import pytest
from hypothesis import HealthCheck, find, settings

from tgi_conformance.suites.areas.parameters import narrowed
from tgi_conformance.suites.generated.requests import all_parameters, parameters
from tgi_conformance.suites.shapes.calls import NATIVE

SAFE = 2**53 - 1


def test_what_is_above_the_widest_integer_comes_down_to_it() -> None:
    given = {"seed": 2**64 - 1, "top_k": 5, "top_p": 0.9, "watermark": True, "stop": ["x"]}
    assert narrowed(given, SAFE) == given | {"seed": SAFE}
    assert narrowed(given, 2**64 - 1) == given


@pytest.mark.parametrize("generator", [parameters, all_parameters])
def test_generated_seeds_are_as_wide_as_the_language_and_no_wider(generator: object) -> None:
    quick = settings(database=None, suppress_health_check=list(HealthCheck))
    for most in (SAFE, 2**64 - 1):
        drawn = generator(NATIVE, frozenset({"seed"}), most=most)  # type: ignore[operator]
        assert find(drawn, lambda given, most=most: given.get("seed") == most, settings=quick)
    narrow = generator(NATIVE, frozenset({"seed"}), most=SAFE)  # type: ignore[operator]
    with pytest.raises(Exception, match="No"):
        find(narrow, lambda given: given.get("seed", 0) > SAFE, settings=quick)
