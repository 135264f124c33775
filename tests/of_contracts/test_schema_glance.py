"""A glance at a value says yes only where the validator finds nothing."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_conformance.contracts.schema.glance import Glance
from tgi_conformance.contracts.schema.registry import build_validator, glance, problems, validator
from tgi_conformance.contracts.script.loading import ScriptError, load_script

DOCS = Path(__file__).parents[2] / "docs" / "fake-server.md"
SCRIPTS = [
    json.loads(found) for found in re.findall(r"```json\n(\{.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
]
PLAIN = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    0.5,
    10**9,
    "",
    "a",
    "GET",
    "é\n",
    [],
    {},
    [0, 1],
    ["a", "a"],
    {"x": 1},
]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container with each of its keys."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, inner in pairs:
        found += [(value, key), *places(inner)]
    return found


def test_every_script_of_the_guide_fits_at_a_glance() -> None:
    assert len(SCRIPTS) > 15
    for script in SCRIPTS:
        assert glance("script").fits(script), script


@settings(deadline=None)
@given(st.data())
def test_what_fits_at_a_glance_has_no_problem(data: st.DataObject) -> None:
    script = copy.deepcopy(data.draw(st.sampled_from(SCRIPTS)))
    for _ in range(data.draw(st.integers(1, 2))):
        container, key = data.draw(st.sampled_from(places(script)))
        try:
            container[key] = copy.deepcopy(data.draw(st.sampled_from(PLAIN)))
        except (KeyError, IndexError):
            continue
    assert glance("script").fits(script) == validator("script").is_valid(script)


KEYWORDS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["integer", "number", "string", "array", "object", "null", ["string", "null"]]
        ),
        "enum": st.lists(st.sampled_from([None, True, 0, 1, "a"]), min_size=1, max_size=3, unique_by=repr),
        "const": st.sampled_from([1, True, "a", [1]]),
        "minimum": st.sampled_from([0, 1]),
        "maximum": st.sampled_from([0, 1]),
        "exclusiveMinimum": st.just(0),
        "minLength": st.just(1),
        "maxLength": st.just(1),
        "minItems": st.just(1),
        "maxItems": st.just(2),
        "uniqueItems": st.booleans(),
        "pattern": st.sampled_from(["^a", "x|^$"]),
        "required": st.just(["x"]),
        "format": st.just("x"),
    },
)
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    KEYWORDS | st.booleans(),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "properties": st.fixed_dictionaries({"x": inner}),
            "additionalProperties": inner,
        },
    ),
    max_leaves=4,
)


@settings(deadline=None)
@given(SCHEMAS, st.sampled_from(PLAIN))
def test_a_glance_never_says_yes_wrongly(schema: Any, value: Any) -> None:
    def resolve(reference: str) -> Any:
        raise AssertionError(reference)

    if Glance(schema, resolve).fits(value):
        assert build_validator({"allOf": [schema]}).is_valid(value)


def test_an_unknown_keyword_leaves_the_judgement_to_the_validator() -> None:
    assert not Glance({"dependentRequired": {}}, lambda _: (True, lambda _: (True, None))).fits({})  # type: ignore[arg-type,return-value]


def test_a_mistake_is_told_in_the_validators_words() -> None:
    assert problems("script", {"version": 2}) == ["/version: 1 was expected"]
    with pytest.raises(ScriptError) as caught:
        load_script({"replies": [{"tgi": {"text": "x"}, "requests": [-1, 1]}]})
    assert caught.value.pointer.startswith("/replies/0")


def test_a_script_that_fits_needs_no_schema_library() -> None:
    code = (
        "import sys, json; import tgi_conformance.fake_server.service.process as process\n"
        "from tgi_conformance.contracts.script.loading import load_script\n"
        "load_script(json.loads(sys.argv[1]))\n"
        "sys.exit('jsonschema' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code, json.dumps(SCRIPTS[0])], check=False, timeout=60)
    assert ran.returncode == 0
