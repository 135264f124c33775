"""JSON read as serde_json reads it, and what the router says of bodies that readers disagree about."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.json_reader import JsonReader, whole_value
from tgi_conformance.contracts.schema.serde_errors import SerdeError
from tgi_conformance.contracts.script import Server
from tgi_conformance.contracts.tgi.requests.asked import request_of
from tgi_conformance.contracts.tgi.requests.decoding import BodyError, decode, decode_invocation
from tgi_conformance.contracts.tgi.requests.json_text import read_leniently
from tgi_conformance.contracts.tgi.requests.validation import validate

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_what_json_writes_is_read_back(
    value: JSON,
    indent: int | str | None,
    ascii_only: bool,  # noqa: FBT001
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    read = whole_value(b" \r\n" + text + b" ")
    assert approximately(read) == approximately(value)
    reader = JsonReader(b"\t" + text + b" trailing")
    reader.ignore()
    assert reader.text[reader.at :] == b" trailing"


def approximately(value: JSON) -> JSON:
    """The same with floats that may be read a digit off, as serde_json does it."""
    if isinstance(value, dict):
        return {key: approximately(item) for key, item in value.items()}
    if isinstance(value, list):
        return [approximately(item) for item in value]
    return float(f"{value:.13e}") if isinstance(value, float) else value


def test_of_members_with_one_key_the_last_counts() -> None:
    assert whole_value(b'{"a":1,"b":2,"a":[3]}') == {"a": [3], "b": 2}
    with pytest.raises(SerdeError, match="trailing characters"):
        whole_value(b"{} {}")


@pytest.mark.parametrize("depth", [128, 1000, 20_000])
def test_reading_ends_at_the_routers_depth(depth: int) -> None:
    with pytest.raises(SerdeError, match="recursion limit exceeded") as caught:
        whole_value(b"[" * depth)
    assert caught.value.offset == 128
    whole_value(b"[" * 127 + b"1" + b"]" * 127)
    JsonReader(b"[" * depth + b"]" * depth).ignore()


@pytest.mark.parametrize(
    ("text", "message", "path"),
    [
        (b"[1, 2,3 ,x", "expected value", (3,)),
        (b"[1,2,]", "trailing comma", ()),
        (b"[null,true,1e999]", "number out of range", (2,)),
        (b"[1,2," + b"9" * 310 + b",3]", "number out of range", (2,)),
        (b'{"a":1,"b":"x","c":x}', "expected value", ("c",)),
        (b'{"a":1,"b":2,}', "trailing comma", ("?",)),
        (b'{"a":1,"b":"\xff","c":1}', "invalid unicode code point", ("b",)),
        (b'{"a":1,"b":[0,0,0,"\x00"]}', "control character", ("b", 3)),
        (b"[1,2", "EOF while parsing a list", ()),
    ],
)
def test_a_mistake_behind_plain_items_is_told_with_its_place(
    text: bytes, message: str, path: tuple[str | int, ...]
) -> None:
    with pytest.raises(SerdeError, match=message) as caught:
        whole_value(text)
    assert caught.value.path == path


def refused(body: bytes, route: str = "generate") -> tuple[int, str]:
    with pytest.raises(BodyError) as caught:
        decode(route, body, "application/json")  # type: ignore[arg-type]
    return caught.value.error.status, caught.value.error.message


@pytest.mark.parametrize("depth", [5, 127, 128, 500])
def test_a_list_of_any_depth_where_a_string_belongs_is_a_wrong_type(depth: int) -> None:
    body = b'{"inputs":' + b"[" * depth + b"]" * depth + b"}"
    status, message = refused(body)
    assert status == 422
    assert message.endswith("inputs: invalid type: sequence, expected a string at line 1 column 10")


def test_a_depth_that_python_cannot_read_is_the_routers_syntax_error() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    status, message = refused(b'{"inputs":"x","parameters":{"grammar":{"value":' + deep + b"}}}")
    assert (status, "recursion limit exceeded" in message) == (400, True)
    assert refused(b'{"inputs":' + deep + b"}")[0] == 422
    assert decode("generate", b'{"inputs":"x","unknown":' + deep + b"}", "application/json")


@pytest.mark.parametrize("number", [b"9" * 400, b"9" * 5000, b"-" + b"9" * 5000, b"1e999", b"-1e999"])
def test_a_number_beyond_floats_is_out_of_range(number: bytes) -> None:
    status, message = refused(b'{"inputs":"x","parameters":{"temperature":' + number + b"}}")
    assert status == 400
    assert "parameters.temperature: number out of range" in message


def test_an_integer_beyond_64_bits_is_a_float() -> None:
    body = b'{"inputs":"x","parameters":{"temperature":' + b"9" * 300 + b"}}"
    assert decode("generate", body, "application/json")["parameters"] == {"temperature": 1e300}
    status, message = refused(body.replace(b"temperature", b"top_k"))
    assert (status, "invalid type: floating point" in message) == (422, True)


@pytest.mark.parametrize("body", [b"01", b"5.", b"1e", b"-"])
def test_a_bare_broken_number_is_no_json(body: bytes) -> None:
    assert refused(body)[0] == 400


def test_what_is_read_may_not_be_too_deep_and_what_is_ignored_may() -> None:
    deep = b"[" * 200 + b"]" * 200
    assert decode("generate", b'{"inputs":"x","unknown":' + deep + b"}", "application/json")
    grammar = b'{"inputs":"x","parameters":{"grammar":{"type":"json","value":' + deep + b"}}}"
    assert refused(grammar)[0] == 400
    with pytest.raises(BodyError, match="recursion limit exceeded"):
        decode_invocation(b'{"unknown":' + deep + b"}", "application/json")


def test_alternatives_of_a_chat_are_as_limited_as_those_of_the_native_routes() -> None:
    body = b'{"messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":%d}'
    problem = "`top_n_tokens` must be >= 0 and <= 5. Given: 4294967295"
    for count, wanted in ((5, None), (4_294_967_295, f"Input validation error: {problem}")):
        asked = request_of("chat", decode("chat", body % count, "application/json"))
        found = validate(asked, Server())
        assert (None if found is None else found.message) == wanted


def test_numbers_that_nothing_validates_are_read_all_the_same() -> None:
    body = b'{"inputs":"x","parameters":{"temperature":' + b"9" * 400 + b"}}"
    assert request_of("generate", read_leniently(body)).parameters.temperature is None
