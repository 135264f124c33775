"""How many programs a client's pace leaves room for."""

import pytest

from tgi_conformance.suites.harness.patience import Pace
from tgi_conformance.suites.model.extent import STEPS, Extent, extent_of


def _pace(seconds: float) -> Pace:
    return Pace(creates=(0.0,), sends=(seconds,), ends=(0.0,))


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.06])
def test_a_client_of_usual_pace_has_all_programs(seconds: float) -> None:
    assert extent_of("default", _pace(seconds)) == Extent(programs=20)


@pytest.mark.parametrize(("profile", "most"), [("quick", 13.0), ("default", 21.0)])
def test_a_slow_client_has_fewer_and_shorter_ones_and_the_note_says_so(profile: str, most: float) -> None:
    extent = extent_of(profile, _pace(1.2))  # type: ignore[arg-type]
    assert 2 <= extent.programs < 20
    assert 10 <= extent.steps < STEPS
    assert extent.programs * extent.steps * 1.2 / 2 <= most
    assert "a call of this client takes 1.2 s of its own" in extent.why


def test_the_slowest_has_two_short_programs() -> None:
    extent = extent_of("quick", _pace(9.0))
    assert (extent.programs, extent.steps) == (2, 10)


def test_programs_are_shared_out_among_cases() -> None:
    assert extent_of("default", _pace(0.0), shared=2).programs == 10
