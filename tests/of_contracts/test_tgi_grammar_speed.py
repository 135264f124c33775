"""A schema that is plainly valid is not handed to the validator; the two agree on what is valid."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.shape import _LIST, _NAMED, _ONE, _RARE, _VALUES, doubtful
from tgi_conformance.contracts.tgi.requests.grammar import grammar_problem

META = Draft202012Validator(Draft202012Validator.META_SCHEMA)
WORDS = st.sampled_from(sorted({*_VALUES, *_ONE, *_LIST, *_NAMED, *_RARE, "x", "default", "const"}))
PLAIN: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        2.0,
        0.5,
        "",
        "a",
        "#",
        "a#",
        "integer",
        "string",
        "object",
        [],
        {},
        [""],
        ["a"],
    ]
)
TEXTS = st.lists(st.sampled_from(["a", "b", "string", "null", "object"]), max_size=4)
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    PLAIN | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(WORDS, SCHEMAS, max_size=4) | SCHEMAS)
@example({"$anchor": True})
@example({"$recursiveAnchor": True, "dependentRequired": True})
def test_what_is_doubtful_has_the_mistakes_of_the_whole(schema: JSON) -> None:
    left = doubtful(schema)
    whole = next((error.message for error in META.iter_errors(schema)), None)
    if isinstance(schema, dict) and "type" in schema:
        assert (whole is None) == META.is_valid(left)
    else:
        assert whole == next((error.message for error in META.iter_errors(left)), None)


def test_a_plain_schema_leaves_nothing_in_doubt() -> None:
    inner = {"type": ["string", "null"], "minLength": 1, "pattern": "(", "enum": ["a"], "description": "d"}
    schema: JSON = {
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": inner},
        "type": "object",
        "properties": {"a": {"anyOf": [inner, {"items": {"not": False}}]}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert doubtful(schema) is True


def test_only_what_is_doubtful_is_left() -> None:
    schema: JSON = {"properties": {"a": {"type": "string"}, "b": {"type": "text"}}, "required": ["a"]}
    assert doubtful(schema) == {"properties": {"b": {"type": "text"}}}


def test_a_large_schema_is_judged_at_once() -> None:
    good: JSON = {f"p{number}": {"type": "string"} for number in range(30_000)}
    assert grammar_problem({"type": "json", "value": {"properties": good}}) is None
    found = grammar_problem({"type": "json", "value": {"properties": good, "minLength": -1}})
    assert found == "grammar is not valid: -1 is less than the minimum of 0"
    choices: JSON = {"properties": {"a": {"anyOf": [{"type": "string"}] * 30_000 + [{"minLength": -1}]}}}
    assert grammar_problem({"type": "json", "value": choices}) == found
    mixed: JSON = {"properties": {}, "type": [number if number % 2 else "s" for number in range(50_000)]}
    assert "is not valid under any of the schemas" in str(grammar_problem({"type": "json", "value": mixed}))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"properties": {}}:', "trailing characters at line 1 column 19"),
        ('{"properties": {}} \n x', "trailing characters at line 2 column 2"),
        ('{"properties": {}', "EOF while parsing an object at line 1 column 17"),
        ('{"properties": {}} \n', None),
    ],
)
def test_a_grammar_in_a_text_is_read_to_its_end(text: str, problem: str | None) -> None:
    found = grammar_problem({"type": "json", "value": text})
    assert found == (None if problem is None else f"grammar is not valid: {problem}")
