"""On which ways a clause binds, and what is read off a case: its parameters and its mark."""

import ast
from pathlib import Path

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


#: Areas about what is sent and what comes back, in which a stream is often built by other code.
SENT_AND_READ = ("INIT", "REQ", "GEN", "RESP", "ERR", "IMG", "TOOL")
#: Clauses of these areas that have no mutant which is wrong on streams alone, and why not.
NO_STREAM_MUTANT = {
    "INIT-01": "the address is made of the settings, before there is a form",
    "INIT-02": "the address is made of the settings, before there is a form",
    "INIT-03": "the address is made of the settings, before there is a form",
    "INIT-10": "the address is made of the settings, before there is a form",
    "INIT-11": "the address is made of the settings, before there is a form",
    "REQ-04": "a text is encoded in one place",
    "REQ-14": "the mutant's proxy is that of the process",
    "REQ-15": "requests too many are looked for in every case of the run",
    "REQ-17": "the protocol is that of the connection",
    "ERR-10": "streams are cancelled on the async face alone, where RES-02 has the mutant",
    "IMG-06": "what becomes of a refusal is ERR's and RETRY's, which have mutants of streams",
    "TOOL-02": "an empty list is left out in one place",
    "TOOL-10": "its mutants read fragments, which streams alone have",
    "TOOL-14": "its mutants read fragments, which streams alone have",
}


def stream_mutants() -> set[str]:
    """The clauses that a mutant breaks whose class says that it is about streams; nothing is imported."""
    found = set()
    for file in sorted((Path(__file__).parents[1] / "mutants").glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and "stream" in f"{file.stem} {node.name}".lower():
                found |= {
                    statement.value.value
                    for statement in node.body
                    if isinstance(statement, ast.Assign)
                    and isinstance(statement.value, ast.Constant)
                    and ast.unparse(statement.targets[0]) == "breaks"
                }
    return found


def test_what_binds_on_streams_too_has_a_mutant_that_is_wrong_on_streams_alone() -> None:
    both = {
        clause.id
        for clause in CATALOGUE
        if clause.area in SENT_AND_READ
        and len(binding_of(clause.id).forms) == len(FORMS)
        and binding_of(clause.id).routes
        and clause.level != "MAY"
    }
    assert both - stream_mutants() == set(NO_STREAM_MUTANT)
