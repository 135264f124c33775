"""Requirement sets: what they hold, and that no case of one is lost without a word."""

import pytest

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.requirements.sets import (
    UnknownSetError,
    Withdrawn,
    parse_set,
    read_set,
    set_names,
    unexplained,
    withdrawn,
)

SMALL = parse_set("s", 'made_from = "a test"\n[cases]\nRETRY-03 = "json-400 run-wide"\nMUX-01 = "plain"\n')
#: How many cases each published set has: a set is never edited.
SIZES = {"2026-11": 1487, "2026-12": 2035}


def test_a_set_is_clauses_with_the_slugs_of_their_cases() -> None:
    assert SMALL.cases == {"RETRY-03/json-400", "RETRY-03/run-wide", "MUX-01/plain"}
    assert SMALL.clauses == {"RETRY-03", "MUX-01"}


def test_a_run_wide_ruling_is_in_a_set_that_has_its_clause() -> None:
    assert SMALL.holds("MUX-01/run-wide")
    assert not SMALL.holds("SEC-01/run-wide")
    assert not SMALL.holds("MUX-01/chat-plain")


def test_an_unknown_set_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnknownSetError, match=r"no requirement set '2025-01'; there is .*2026-11, 2026-12"):
        read_set("2025-01")


@pytest.mark.parametrize("name", SIZES)
def test_a_published_set_is_as_it_was(name: str) -> None:
    requirements = read_set(name)
    assert len(requirements.cases) == SIZES[name]
    assert requirements.clauses <= {clause.id for clause in load_catalogue()}


def test_every_published_set_is_counted_here() -> None:
    assert set_names() == tuple(SIZES)


def test_a_case_that_is_gone_is_named_unless_it_is_told_what_became_of_it() -> None:
    suites = ["RETRY-03/json-400"]
    assert unexplained(SMALL, suites) == ()  # MUX-01/plain stands in the table
    assert unexplained(parse_set("s", 'made_from = ""\n[cases]\nMUX-01 = "other"\n'), suites) == (
        "MUX-01/other",
    )


def test_what_took_the_place_of_a_case_is_told_or_that_nothing_did() -> None:
    assert "replaced by MUX-01/chat-plain" in withdrawn()["MUX-01/plain"].in_words
    gone = Withdrawn(case="MUX-01/plain", reason="it asked for what the guide forbids")
    assert gone.in_words == "MUX-01/plain: withdrawn (it asked for what the guide forbids)"


def test_what_took_a_place_has_not_left_too() -> None:
    for entry in withdrawn().values():
        assert not withdrawn().keys() & set(entry.replaced_by)
