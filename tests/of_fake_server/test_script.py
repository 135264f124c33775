"""Scripts and journals: schema, dataclasses and JSON form are one model."""

import dataclasses
import types
import typing

import pytest

from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.contracts.journal import Connection, Exchange, Journal, ReplyUse
from tgi_conformance.contracts.schema.registry import problems, schema
from tgi_conformance.contracts.script import (
    Delivery,
    Encoding,
    EventStream,
    Pause,
    Reply,
    Script,
    ScriptedToolCall,
    Server,
    StreamError,
    always,
    answer,
    comment,
    data,
    done,
    echo,
    overloaded,
    raw,
    raw_event,
    silence,
    status,
    stream,
    tgi_error,
    tokens,
)
from tgi_conformance.contracts.script.loading import ScriptError, load_replies, load_script


def dataclasses_below(cls: type, found: dict[str, type] | None = None) -> dict[str, type]:
    found = {} if found is None else found
    if cls.__name__ not in found:
        found[cls.__name__] = cls
        for hint in typing.get_type_hints(cls).values():
            for inner in parts_of(hint):
                dataclasses_below(inner, found)
    return found


def parts_of(hint: object) -> list[type]:
    if dataclasses.is_dataclass(hint):
        return [typing.cast("type", hint)]
    is_generic = typing.get_origin(hint) is not None or isinstance(hint, types.UnionType)
    return [part for argument in typing.get_args(hint) for part in parts_of(argument)] if is_generic else []


@pytest.mark.parametrize(("name", "root"), [("script", Script), ("journal", Journal)])
def test_schema_has_exactly_the_fields_of_the_dataclasses(name: str, root: type) -> None:
    document = schema(name)
    described = {root.__name__: document, **document["$defs"]}
    known = dataclasses_below(root)
    assert set(described) == set(known)
    for title, cls in known.items():
        fields = {field.name for field in dataclasses.fields(cls)}
        assert set(described[title]["properties"]) == fields, title
        assert described[title]["additionalProperties"] is False, title


EXAMPLES: list[Reply] = [
    answer(),
    answer("x", finish_reason="length", prompt_tokens=0, completion_tokens=7),
    answer(error=StreamError(message="CUDA out of memory", at=2)),
    answer(tool_calls=(ScriptedToolCall(name="get_weather", arguments={"place": "Paris"}),)),
    tokens("a", " b", ""),
    echo().where(path="/generate", key="A", contains="nonce-7", method="POST", origin="b"),
    status(503),
    status(429, ("retry-after", "1"), json={"a": [None]}),
    status(200, json=None),
    status(502, html="<html>"),
    status(200, base64=b"\x00\xff"),
    overloaded(("retry-after", "0")),
    tgi_error(424, "Request failed", "generation"),
    stream(data({"a": 1}), comment(), done(), raw_event(b"data: torn")),
    Reply(
        stream=EventStream(
            events=(data(1, fields=(("event", "x"),)),), encoding=Encoding(line_end="\r", bom=True)
        )
    ),
    raw(b"HTTP/1.1 999\r\n"),
    silence(),
    silence("rst", "accept"),
    always(answer()).named("always"),
    answer().held("g").held("h", event=1).held("i", byte=3).held("j", before="end"),
    answer().cut("rst", byte=9),
    answer().deliver(splits=(1, 4), pauses=(Pause(before=2, ms=1.5),), close="silent"),
    Reply(tgi=None, delivery=Delivery(), response=status(200).response),
]


@pytest.mark.parametrize("reply", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_builder_example_is_valid_and_comes_back_the_same(reply: Reply) -> None:
    script = Script(
        replies=(reply,), origins=("a", "b", "refused:c"), mount="/gw/tgi", server=Server(check_key=True)
    )
    value = to_json(script)
    assert problems("script", value) == []
    assert load_script(value) == script


def test_a_journal_is_valid_and_comes_back_the_same() -> None:
    exchange = Exchange(
        id=0,
        connection=0,
        method="POST",
        target="/generate",
        headers=(("a", "b"),),
        head=b"\xff",
        gone_at=1.5,
    )
    journal = Journal(
        exchanges=(exchange,),
        connections=(Connection(id=0, opened_at=0.5, closed_by="client-rst"),),
        replies=(ReplyUse(reply="0", requests=1, at_least=1, at_most=None),),
        lag=0.001,
        notes=("x",),
        now=2.0,
    )
    value = to_json(journal)
    assert problems("journal", value) == []
    assert from_json(Journal, value) == journal


REFUSED = {
    "unknown key": ({"replies": [{"tgi": {"txt": "x"}}]}, "/replies/0/tgi/txt"),
    "wrong type": ({"replies": [{"response": {"status": "429"}}]}, "/replies/0/response/status"),
    "two kinds": ({"replies": [{"tgi": {}, "response": {}}]}, "/replies/0"),
    "no kind": ({"replies": [{}]}, "/replies/0"),
    "negative time": (
        {"replies": [{"tgi": {}, "delivery": {"delay_ms": -1}}]},
        "/replies/0/delivery/delay_ms",
    ),
    "line end in a header": (
        {"replies": [{"response": {"headers": [["x", "a\r\nb: c"]]}}]},
        "/replies/0/response/headers/0/1",
    ),
    "same name twice": (
        {"replies": [{"name": "n", "tgi": {}}, {"name": "n", "tgi": {}}]},
        "/replies/1/name",
    ),
    "unknown origin": ({"replies": [{"tgi": {}, "when": {"origin": "z"}}]}, "/replies/0/when/origin"),
    "fault at two places": (
        {"replies": [{"tgi": {}, "delivery": {"fault": {"ending": "rst", "byte": 1, "event": 1}}}]},
        "/replies/0/delivery/fault",
    ),
    "fault nowhere": (
        {"replies": [{"tgi": {}, "delivery": {"fault": {"ending": "rst"}}}]},
        "/replies/0/delivery/fault",
    ),
    "empty range": ({"replies": [{"tgi": {}, "requests": [3, 1]}]}, "/replies/0"),
    "nobody listens": ({"origins": ["refused:a"]}, "/origins"),
    "future version": ({"version": 2}, "/version"),
    "no base64": ({"replies": [{"raw": {"base64": "%"}}]}, "/replies/0/raw/base64"),
    "descending splits": (
        {"replies": [{"tgi": {}, "delivery": {"splits": [4, 1]}}]},
        "/replies/0/delivery/splits",
    ),
    "mount without slash": ({"mount": "gw"}, "/mount"),
    "text and calls": (
        {"replies": [{"tgi": {"text": "x", "tool_calls": [{"name": "f", "arguments": {}}]}}]},
        "/replies/0/tgi/tool_calls",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_script_is_refused_with_the_place_of_the_mistake(case: str) -> None:
    value, pointer = REFUSED[case]
    with pytest.raises(ScriptError) as refused:
        load_script(value)  # type: ignore[arg-type]
    assert refused.value.pointer == pointer


def test_appended_replies_are_held_to_the_same_rules() -> None:
    script = Script(replies=(answer().named("first"),))
    assert load_replies([{"tgi": {"text": "x"}}], script) == (answer("x"),)
    with pytest.raises(ScriptError, match="taken") as refused:
        load_replies([{"name": "first", "tgi": {}}], script)
    assert refused.value.pointer == "/0/name"
