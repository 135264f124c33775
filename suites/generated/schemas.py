"""Hypothesis generators of JSON values, JSON Schemas and tool definitions.

All shrink towards null, towards the schema of an empty object, and towards one tool without parameters.
"""

from collections.abc import Mapping
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tgi_conformance.contracts.json_types import JSON

#: Names of fields that readers of answers and errors look for, among others.
_NAMES: Final = (
    "error",
    "error_type",
    "message",
    "detail",
    "choices",
    "generated_text",
    "text",
    "content",
    "code",
    "a",
)
_SCALARS: Final[SearchStrategy[JSON]] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


def json_values(*, leaves: int = 8) -> SearchStrategy[JSON]:
    """Any JSON value, deep and wide (g_json)."""
    grown = st.recursive(
        _SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_NAMES), inner, max_size=3)
        ),
        max_leaves=leaves,
    )
    return st.one_of(grown, st.sampled_from([12, 120]).map(_deep))


def _deep(depth: int) -> JSON:
    value: JSON = "x"
    for at in range(depth):
        value = {"error": value} if at % 2 else [value]
    return value


# --- schemas and tools ------------------------------------------------------------------------------------

#: Names of properties that a careless copy damages.
_PROPERTIES: Final = ("city", "größe", "名前", "a b", "$ref", "type", "null")
_LEAF_SCHEMAS: Final[SearchStrategy[JSON]] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "minimum": 0},
        {"type": "number", "multipleOf": 0.5},
        {"type": "boolean", "default": False},
        {"type": "null"},
        {"enum": ["a", None, 1.5, ""]},
        {"type": "string", "pattern": "^\\w+(\\s\\w+)?$", "description": 'a "word" — 検索'},
        {"const": 0},
        {"type": "integer", "default": None},
    ]
)


def schemas() -> SearchStrategy[dict[str, JSON]]:
    """JSON Schemas of an object (g_schema): nested, with references, enumerations and non-ASCII names."""
    inner = st.recursive(
        _LEAF_SCHEMAS,
        lambda deeper: st.one_of(
            deeper.map(_list_of),
            st.dictionaries(st.sampled_from(_PROPERTIES), deeper, max_size=3).map(_object_of),
        ),
        max_leaves=5,
    )
    properties = st.dictionaries(st.sampled_from(_PROPERTIES), inner, max_size=3)
    return st.builds(_schema, properties, st.booleans(), st.none() | _LEAF_SCHEMAS)


def _list_of(item: JSON) -> JSON:
    return {"type": "array", "items": item, "minItems": 0}


def _object_of(properties: Mapping[str, JSON]) -> JSON:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _schema(properties: Mapping[str, JSON], required: bool, shared: JSON) -> dict[str, JSON]:  # noqa: FBT001
    schema: dict[str, JSON] = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = sorted(properties)
    if shared is not None:
        schema["$defs"] = {"geteilt": shared}
        schema["properties"] = {**properties, "ref": {"$ref": "#/$defs/geteilt"}}
    return schema


#: What TGI and OpenAI allow as names of functions.
_FUNCTION_NAMES: Final = ("get_weather", "now", "suche", "f", "a-b_C9")


def tools(*, parameters: bool = True) -> SearchStrategy[list[JSON]]:
    """One to three tool definitions of different names (g_tools).

    ``parameters`` false: some of them have none, which TGI does not read as they are.
    """
    absent = st.just(None) if parameters else st.none()
    given = schemas() if parameters else absent | schemas()
    function = st.tuples(st.none() | st.sampled_from(["It.", "", 'Suche "überall" — 検索']), given)
    names = st.lists(st.sampled_from(_FUNCTION_NAMES), min_size=1, max_size=3, unique=True)

    def definitions(chosen: list[str]) -> SearchStrategy[list[JSON]]:
        each = st.lists(function, min_size=len(chosen), max_size=len(chosen))
        return each.map(
            lambda drawn: [_tool(name, *parts) for name, parts in zip(chosen, drawn, strict=True)]
        )

    return names.flatmap(definitions)


def _tool(name: str, description: str | None, parameters: Mapping[str, JSON] | None) -> JSON:
    function: dict[str, JSON] = {"name": name}
    if description is not None:
        function["description"] = description
    if parameters is not None:
        function["parameters"] = dict(parameters)
    return {"type": "function", "function": function}


def grammars() -> SearchStrategy[JSON]:
    """Grammars of the native route: a schema in each of its three forms, or a regular expression."""
    regexes = st.sampled_from(["[a-z]+", r"(\d{3}-)?[A-Z]+\\n\u00e9(?:€|\.)?", "^$", r"\\", '"'])
    return st.one_of(
        regexes.map(lambda value: {"type": "regex", "value": value}),
        schemas().map(lambda value: {"type": "json", "value": value}),
        schemas().map(lambda value: {"type": "json_schema", "value": {"name": "person", "schema": value}}),
    )
