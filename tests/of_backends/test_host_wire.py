"""The wire form: values with tags, lines, parts; and that schema, types and tables say the same."""

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_conformance.backends.driver.events import EVENTS, read_event
from tgi_conformance.backends.host import encoding, protocol
from tgi_conformance.backends.host import lines as host_lines
from tgi_conformance.backends.host.encoding import Encoder
from tgi_conformance.backends.host.lines import Assembler, to_lines
from tgi_conformance.backends.host.protocol import UnsendableError, WireError
from tgi_conformance.contracts.adapter import METHODS, Answer, Description, Usage
from tgi_conformance.contracts.schema.registry import build_validator, problems, schema

ANY_TEXT = st.text(st.characters(exclude_categories=()))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(ANY_TEXT | st.sampled_from(sorted(protocol.TAGS - {"$object"})), inner, max_size=3)
    ),
    max_leaves=12,
)
SCHEMA = schema("adapter-message")


def through(value: object) -> object:
    lines = to_lines({"tgic": 1, "value": Encoder().encode(value)}, 0)
    messages = [
        message for message in map(Assembler().feed, (line.rstrip(b"\n") for line in lines)) if message
    ]
    assert len(messages) == 1
    return messages[0]["value"]


@given(VALUES)
def test_every_value_comes_back_as_it_was(value: object) -> None:
    # repr tells 1 from 1.0 and from True, and lets NaN be equal to itself.
    assert repr(through(value)) == repr(value)


@given(VALUES)
def test_lines_are_ascii_begin_with_the_mark_and_hold_one_line_feed(value: object) -> None:
    for line in to_lines({"tgic": 1, "value": Encoder().encode(value)}, 0):
        assert line.isascii()
        assert line.startswith(protocol.PREFIX)
        assert line.index(b"\n") == len(line) - 1


@pytest.mark.parametrize("unit", ["x", '"', "\\", "\n", "\u20ac", "\ud83d", 'x"\u20ac'])
def test_long_message_goes_in_parts_under_the_line_limit(unit: str) -> None:
    value = unit * ((1 << 20) + 1)
    lines = to_lines({"tgic": 1, "value": value}, 7)
    assert len(lines) > 1
    assert max(map(len, lines)) <= protocol.LINE_LIMIT
    assembler = Assembler()
    *early, last = [assembler.feed(line.rstrip(b"\n")) for line in lines]
    assert set(early) == {None}
    assert last is not None
    assert last["value"] == value
    assert problems("adapter-message", json.loads(lines[0])) == []


class Colour(Enum):
    RED = "red"


def test_values_of_python_become_values_of_json() -> None:
    answer = Answer(text="x", usage=Usage(total_tokens=3))
    assert through(answer) == {"text": "x", "usage": {"total_tokens": 3}}
    assert through({"a": Colour.RED, Colour.RED: (1, 2), 3: {"b", "a"}}) == {
        "a": "red",
        "red": [1, 2],
        "3": ["a", "b"],
    }


def test_value_at_the_edge_of_exact_integers_needs_no_tag() -> None:
    assert Encoder().encode(1 << 53) == 1 << 53
    assert Encoder().encode((1 << 53) + 1) == {"$int": "9007199254740993"}


@pytest.mark.parametrize(
    "value",
    [float("nan"), -math.inf, 1 << 64, b"\xff", {"$int": "5"}, object()],
    ids=lambda v: type(v).__name__,
)
def test_tagged_values_fit_the_schema(value: object) -> None:
    tagged = {"$ref": "urn:tgi-conformance:schema:adapter-message#/$defs/tagged"}
    assert list(build_validator(tagged).iter_errors(Encoder().encode(value))) == []


def test_value_over_the_limit_is_refused_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "VALUE_LIMIT", 1000)
    monkeypatch.setattr(host_lines, "VALUE_LIMIT", 1000)
    with pytest.raises(UnsendableError, match="over the limit"):
        Encoder().encode(["x" * 300] * 4)
    with pytest.raises(UnsendableError, match="the message is"):
        to_lines({"tgic": 1, "value": "\u20ac" * (1 << 19)}, 0)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"tgic":1,"event":"é"}', "ASCII"),
        ('{"tgic":2,"event":"end"}', '"tgic":1'),
        ("[1]", "an object"),
        ('{"tgic":1', "not JSON"),
        ('{"tgic":1,"value":Infinity}', "Infinity is not JSON"),
        ('{"tgic":1,"value":{"$float":"1.5"}}', "bad tag $float"),
        ('{"tgic":1,"value":{"$int":"x"}}', "bad tag $int"),
        ('{"tgic":1,"value":{"$bytes":"?"}}', "bad tag $bytes"),
        ('{"tgic":1,"part":{"of":1,"index":1,"count":2,"text":""}}', "part 1 of 2 came where part 0 was due"),
        ('{"tgic":1,"part":{"of":1,"index":0}}', "a part needs"),
        ('{"tgic":1,"part":{"of":1,"index":"0","count":1,"text":""}}', "are integers"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_bad_line_names_the_rule_that_it_breaks(line: str, rule: str) -> None:
    with pytest.raises(WireError) as caught:
        Assembler().feed(line.encode())
    assert rule in caught.value.rule


def test_parts_of_two_messages_do_not_mix_and_a_bad_one_is_forgotten() -> None:
    assembler = Assembler()

    def part(of: int, index: int, text: str) -> Mapping[str, Any] | None:
        message = {"tgic": 1, "part": {"of": of, "index": index, "count": 2, "text": text}}
        return assembler.feed(json.dumps(message).encode())

    assert part(1, 0, '{"tgic":1,') is None
    assert part(2, 0, '{"tgic":1,"a":') is None
    assert part(1, 1, '"b":2}') == {"tgic": 1, "b": 2}
    with pytest.raises(WireError):
        part(2, 0, "again")
    with pytest.raises(WireError):
        part(2, 1, "2}")


def test_tables_of_methods_agree() -> None:
    assert protocol.METHODS == METHODS
    assert tuple(SCHEMA["$defs"]["method"]["enum"]) == METHODS


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_schema_and_type_of_an_event_have_the_same_keys(name: str) -> None:
    definition = SCHEMA["$defs"][name]
    fields = {field.name: field for field in dataclasses.fields(EVENTS[name])}
    assert set(definition["properties"]) == {"tgic", "event", *fields}
    required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    assert set(definition["required"]) - {"tgic", "event"} == required


@pytest.mark.parametrize("name", ["entered", "stream", "piece", "end", "left", "result"])
@pytest.mark.parametrize(
    "change",
    [{"id": "1"}, {"id": True}, {"at": None}, {"at": "0"}, {"extra": 1}, {"mutated": "a"}, {"at": True}, {}],
    ids=str,
)
def test_typed_reading_of_hot_events_refuses_what_the_schema_refuses(
    name: str, change: dict[str, Any]
) -> None:
    message = {"tgic": 1, "event": name, "id": 3, "at": 1.5}
    if name in ("piece", "result"):
        message["value"] = None
    message |= change
    valid = problems("adapter-message", message) == []
    try:
        read_event(message)
    except WireError:
        assert not valid
    else:
        assert valid


def test_messages_of_the_driver_fit_the_schema() -> None:
    for message in (
        {"op": "hello", "id": 1, "protocol": [1], "adapter": "m:C", "path": ["."]},
        {"op": "call", "id": 2, "method": "chat", "args": {"messages": []}, "stream": True},
        {"op": "read", "id": 2, "n": 5},
        {"op": "leave", "id": 2, "how": "throw"},
        {"op": "cancel", "id": 2, "how": "interrupt"},
        {"op": "census", "id": 3},
        {"op": "bye"},
    ):
        assert problems("adapter-message", {"tgic": 1, **message}) == []
    assert problems("adapter-message", {"tgic": 1, "op": "call", "id": 2, "method": "chat"}) != []


def test_description_may_leave_everything_out_but_its_name() -> None:
    required = [f.name for f in dataclasses.fields(Description) if f.default is f.default_factory]
    assert required == SCHEMA["$defs"]["hello"]["properties"]["description"]["required"] == ["name"]
