"""On which ways a clause binds, and what is read off a case: its parameters and its mark."""

import pytest

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, SHAPES
from tgi_conformance.suites.ways.binding import (
    BY_AREA,
    BY_CLAUSE,
    EACH_FORM,
    EVERY,
    NATIVE_STREAM,
    STREAMS,
    Reason,
    binding_of,
)
from tgi_conformance.suites.ways.binding import (
    CHAT as CHAT_ROUTE,
)
from tgi_conformance.suites.ways.tried import WaysProblem, check, tried
from tgi_conformance.suites.ways.words import EVERY_WAY, FORMS, ROUTES, WAY_BY_NAME, WAYS

CATALOGUE = load_catalogue()


def test_the_routes_are_the_shapes() -> None:
    assert set(ROUTES) == {shape.name for shape in SHAPES}


def test_each_rule_is_of_a_clause_or_an_area_that_exists() -> None:
    assert set(BY_CLAUSE) <= {clause.id for clause in CATALOGUE}
    assert set(BY_AREA) == {area.name for area in CATALOGUE.areas}


def test_a_clause_has_a_rule_of_its_own_only_where_it_differs_from_its_area() -> None:
    assert [name for name, rule in BY_CLAUSE.items() if rule == BY_AREA[name.partition("-")[0]]] == []


def test_each_way_binds_or_has_a_reason_and_each_reason_is_used() -> None:
    used = set()
    for clause in CATALOGUE:
        binding = binding_of(clause.id)
        for each in WAYS:
            assert binding.binds(each) or binding.reason(each) is not None, (clause.id, each)
        used |= {binding.reason(each) for each in WAYS}
    assert used - {None} == set(Reason)


@pytest.mark.parametrize(
    ("parameters", "given", "expected"),
    [
        ({"shape": CHAT}, (), ["chat"]),
        ({"shape": CHAT, "stream": True}, (), ["chat stream"]),
        ({"shape": NATIVE, "stream_call": False}, (), ["native"]),
        ({"shape": CHAT}, ("stream",), ["chat stream"]),
        ({"shape": CHAT}, FORMS, ["chat", "chat stream"]),
        ({"stream": True}, ("native", "completions"), ["native stream", "completions stream"]),
        ({"form": "plain"}, ("chat", "chat stream"), ["chat", "chat stream"]),
        ({}, EVERY_WAY, EVERY_WAY),
        ({}, (), []),
        ({"stream": True}, (), []),
        ({"form": "stream"}, (), []),
    ],
)
def test_what_a_case_tries_is_said_by_its_parameters_and_its_mark(
    parameters: dict[str, object], given: tuple[str, ...], expected: list[str]
) -> None:
    assert tried(EVERY, parameters, given) == {WAY_BY_NAME[text] for text in expected}


def test_what_a_clause_leaves_no_choice_of_need_not_be_said() -> None:
    assert tried(STREAMS, {"shape": CHAT}) == {WAY_BY_NAME["chat stream"]}
    assert tried(STREAMS, {}) == set()
    assert tried(CHAT_ROUTE, {"stream": True}) == {WAY_BY_NAME["chat stream"]}
    assert tried(CHAT_ROUTE, {"form": "stream"}) == set()
    assert tried(NATIVE_STREAM, {}) == {WAY_BY_NAME["native stream"]}


@pytest.mark.parametrize("text", ["", "chats", "chat native", "plain stream", "chat  stream x"])
def test_words_that_are_no_way_are_refused(text: str) -> None:
    with pytest.raises(WaysProblem, match="a route"):
        check([text])


def test_gaps_are_the_ways_that_bind_and_were_not_tried() -> None:
    assert list(STREAMS.gaps([WAY_BY_NAME["chat stream"], WAY_BY_NAME["chat"]])) == [
        "native stream",
        "completions stream",
    ]
    assert list(EACH_FORM.gaps([WAY_BY_NAME["native"]])) == ["stream (any route)"]
    assert list(EACH_FORM.gaps([WAY_BY_NAME["native"], WAY_BY_NAME["chat stream"]])) == []
