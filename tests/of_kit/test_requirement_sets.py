"""Every case of a published requirement set is in the suites, or it is told what became of it."""

import pytest

from tgi_conformance.cli.case_listing import list_cases
from tgi_conformance.contracts.requirements.sets import read_set, set_names, unexplained, withdrawn


@pytest.fixture(scope="module")
def cases() -> frozenset[str]:
    return frozenset(listed.case for listed in list_cases())


@pytest.mark.parametrize("name", set_names())
def test_no_case_of_a_set_is_gone_without_a_word(name: str, cases: frozenset[str]) -> None:
    gone = unexplained(read_set(name), cases)
    assert not gone, "enter these in contracts/requirements/withdrawn.toml, with the reason"


def test_a_case_that_was_withdrawn_is_gone_and_what_took_its_place_is_there(cases: frozenset[str]) -> None:
    for entry in withdrawn().values():
        assert entry.case not in cases
        assert cases.issuperset(entry.replaced_by)
