"""The kit reads bodies as serde does: held to what serde, serde_json and axum themselves say of each."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from math import isinf
from pathlib import Path
from typing import Final, cast
from unittest import mock

import pytest

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Server
from tgi_conformance.contracts.tgi.requests import decoding
from tgi_conformance.contracts.tgi.requests.asked import Parameters, RouteKind, request_of
from tgi_conformance.contracts.tgi.requests.compiling import compile_problem
from tgi_conformance.contracts.tgi.requests.decoding import BodyError, decode, decode_as
from tgi_conformance.contracts.tgi.requests.field_types import Type
from tgi_conformance.contracts.tgi.requests.fitting import Doubt
from tgi_conformance.contracts.tgi.requests.grammar import grammar_problem
from tgi_conformance.contracts.tgi.requests.request_types import INVOCATION, REQUESTS, VERTEX
from tgi_conformance.contracts.tgi.requests.validation import _parameter_rules, validate

ANSWERS: Final = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "crate_answers" / "bodies.jsonl").read_text().splitlines()
]
KINDS: Final[Mapping[str, Type]] = {**REQUESTS, "vertex": VERTEX, "invocations": INVOCATION}
ROUTES: Final = sorted({answer["route"] for answer in ANSWERS})
FIRST_WORDS: Final = {
    400: "Failed to parse the request body as JSON: ",
    422: "Failed to deserialize the JSON body into the target type: ",
}


def read(answer: Mapping[str, JSON]) -> tuple[object, str | None, Mapping[str, JSON]]:
    """Status, message and value, as the kit has them."""
    body = str(answer["body"]).encode("latin-1")
    try:
        value = decode_as(KINDS[str(answer["route"])], body, "application/json")
    except BodyError as refused:
        return refused.error.status, refused.error.message, {}
    return 200, None, value


def told(answer: Mapping[str, JSON]) -> tuple[object, str | None]:
    status = cast("int", answer["status"])
    return status, f"{FIRST_WORDS[status]}{answer['message']}" if status in FIRST_WORDS else None


@pytest.mark.parametrize("way", ["quick", "in full"])
@pytest.mark.parametrize("route", ROUTES)
def test_what_serde_says_of_a_body_is_what_the_kit_says(route: str, way: str) -> None:
    careful = mock.patch.object(decoding, "quick_value", side_effect=Doubt)
    with careful if way == "in full" else nullcontext():
        for answer in ANSWERS:
            if answer["route"] == route:
                assert (answer["body"], *read(answer)[:2]) == (answer["body"], *told(answer))


def test_what_is_read_has_the_values_that_serde_reads() -> None:
    for answer in ANSWERS:
        if "parameters" in answer:
            asked = request_of(cast("RouteKind", answer["route"]), read(answer)[2])
            found = dict(shown(asked.parameters))
            wanted = {name: item for name, item in answer["parameters"].items() if name in COMPARED}
            assert (answer["body"], found) == (answer["body"], wanted)
            problem = _parameter_rules(asked, Server(max_best_of=2**64))
            refused = str(answer.get("refused", ""))
            message = problem or ""
            assert refused in message if refused else not message, answer


COMPARED: Final = frozenset(Parameters.__dataclass_fields__) - {"grammar", "decoder_input_details"}


def shown(parameters: Parameters) -> Iterator[tuple[str, JSON]]:
    """The parameters as the answers have them; a float of 32 bits is told with the digits it needs."""
    for name in COMPARED:
        value = getattr(parameters, name)
        if isinstance(value, float):
            if not isinf(value):
                yield name, pytest.approx(value, rel=1e-7, abs=1e-45)
        elif value is not None and value is not False and value != ():
            yield name, list(value) if isinstance(value, tuple) else value


def test_the_answers_are_of_every_kind() -> None:
    kinds = Counter((answer["route"], answer["status"]) for answer in ANSWERS)
    assert all(kinds[route, status] for route in ROUTES for status in (200, 400, 422))
    told = " ".join(str(answer.get("message")) for answer in ANSWERS)
    for words in (
        *("duplicate field", "missing field", "invalid length", "recursion limit", "untagged enum", "?"),
        *("invalid type: floating point", "invalid value: integer", "unknown variant", "number out of range"),
    ):
        assert words in told
    assert {answer.get("refused") for answer in ANSWERS} >= {"top_p", "temperature", "typical_p", "top_k"}


GRAMMARS: Final = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "crate_answers" / "grammars.jsonl").read_text().splitlines()
]


def test_what_the_router_says_of_grammars_is_what_the_kit_says() -> None:
    told = [(answer["grammar"], answer["says"]) for answer in GRAMMARS if "grammar" in answer]
    assert len(told) > 80
    for grammar, says in told:
        assert (grammar, grammar_problem(grammar)) == (grammar, says)


def test_what_the_router_says_of_tools_is_what_the_kit_says() -> None:
    told = [answer for answer in GRAMMARS if "tools" in answer]
    assert len(told) > 20
    for answer in told:
        body = {"messages": [{"role": "user", "content": "x"}], **answer}
        found = validate(
            request_of("chat", decode("chat", json.dumps(body).encode(), "application/json")), Server()
        )
        says = answer["says"] and f"Input validation error: {answer['says']}"
        assert (answer, None if found is None else found.message) == (answer, says)


def test_a_schema_that_leads_back_to_itself_is_followed_once() -> None:
    deep: JSON = {"$ref": "#/a/0"}
    chain = {str(number): {"$ref": f"#/a/{number + 1}"} for number in range(5000)}
    for schema in ({"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": deep}, "a": chain}):
        assert compile_problem(cast("JSON", schema)) is None
