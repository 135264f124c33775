"""TOOL: tools, tool choices, grammars and response formats. Judged on the request, as TGI reads it."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import pytest

from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Generation, Reply, ScriptedToolCall, Server, answer
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest, request_of
from tgi_conformance.contracts.tgi.requests.decoding import BodyError, decode
from tgi_conformance.suites.areas.tools import TIME, WEATHER
from tgi_conformance.suites.areas.ways import EITHER, needs_way
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import (
    expect,
    expect_error,
    expect_success,
    expect_text,
    only_request,
)
from tgi_conformance.suites.shapes.calls import CHAT, NATIVE, Shape

#: A schema that a careless copy damages: non-ASCII names, references, escapes, null among the values.
SCHEMA: Final[Mapping[str, JSON]] = {
    "$defs": {"größe": {"type": "integer", "minimum": 0}},
    "type": "object",
    "properties": {
        "名前": {"type": "string", "pattern": "^\\w+(\\s\\w+)?$"},
        "größe": {"$ref": "#/$defs/größe"},
        "tags": {"type": "array", "items": {"enum": ["a", "b", None, 1.5]}},
    },
    "required": ["名前"],
}
PLAIN_SCHEMA: Final[Mapping[str, JSON]] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
}
_NAMED: Final[JSON] = {"type": "function", "function": {"name": "get_time"}}


def _tool(name: str, **more: JSON) -> dict[str, JSON]:
    return {"type": "function", "function": {"name": name, **more}}


#: Tool definitions by slug.
DEFINITIONS: Final[Mapping[str, list[JSON]]] = {
    "two": [dict(WEATHER), dict(TIME)],
    "unicode": [_tool("suche", description='Suche "überall" — 検索', parameters=dict(SCHEMA))],
    "no-description": [_tool("now", parameters={"type": "object", "properties": {}})],
}


@clause("TOOL-01", ways="chat")
@pytest.mark.parametrize("form", sorted(DEFINITIONS))
@EITHER
def test_tool_definitions_arrive_unchanged(case: Case, form: str, *, stream: bool) -> None:
    """A model calls what it was told of; a schema that lost its references is another tool."""
    _needs_tools(case, stream=stream)
    tools = copy.deepcopy(DEFINITIONS[form])
    # TGI itself compiles no tool with `$defs` of its own; what counts here is that they arrive.
    space = case.serve(_calling("get_time", tz="CET").times(0, None), server=Server(validate=False))

    outcome = _chat(case, stream=stream, tools=tools)

    sent = _body(space.journal()).get("tools")
    expect(sent == DEFINITIONS[form], expected=_shown(DEFINITIONS[form]), observed=_shown(sent))
    expect_success(outcome)


@clause("TOOL-01", case="without-parameters", ways="chat")
@EITHER
def test_a_tool_without_parameters_still_carries_some(case: Case, *, stream: bool) -> None:
    """TGI answers ``missing field`` to a function that has none."""
    _needs_tools(case, stream=stream)
    space = case.serve(_calling("now").times(0, None))

    outcome = _chat(case, stream=stream, tools=[_tool("now", description="The time")])

    (sent,) = _items(_body(space.journal()).get("tools"), 1)
    function = dict(cast("Mapping[str, JSON]", sent.get("function") or {}))
    parameters = function.pop("parameters", function.pop("arguments", None))
    expect(
        isinstance(parameters, dict) and function == {"name": "now", "description": "The time"},
        expected="the tool now with an object as its parameters",
        observed=_shown(sent),
    )
    expect_success(outcome)


@clause("TOOL-02", case="empty-list", ways="chat")
@pytest.mark.parametrize("beside", ["alone", "response-format"])
@EITHER
def test_an_empty_list_of_tools_is_left_out(case: Case, beside: str, *, stream: bool) -> None:
    """TGI takes ``[]`` for an offer of tools: the text is then parsed as a call, or the format refused."""
    _needs_tools(case, stream=stream)
    more: dict[str, object] = {}
    if beside == "response-format":
        case.needs_parameter(CHAT, "response_format")
        more = {"response_format": {"type": "json_object", "value": PLAIN_SCHEMA}}
    space = case.serve(answer('{"name": "Ada"}').times(0, None))

    outcome = _chat(case, stream=stream, tools=[], **more)

    body = _body(space.journal())
    expect(
        body.get("tools") is None,
        expected="no tools in the request",
        observed=f"tools={_shown(body['tools'])}" if "tools" in body else "none",
    )
    expect_text(outcome, '{"name": "Ada"}')


@clause("TOOL-02", case="with-response-format", ways="chat")
@EITHER
def test_tools_beside_a_response_format_are_refused(case: Case, *, stream: bool) -> None:
    """TGI takes one of them; the caller must not believe that both hold."""
    _needs_tools(case, stream=stream)
    case.needs_parameter(CHAT, "response_format")
    space = case.serve(answer('{"name": "Ada"}').times(0, None))

    outcome = _chat(
        case,
        stream=stream,
        tools=[dict(WEATHER)],
        response_format={"type": "json_object", "value": PLAIN_SCHEMA},
    )

    expect_error(outcome, because="TGI refuses tools together with a response format")
    if space.journal().generations:
        body = _body(space.journal())
        expect(
            bool(body.get("tools")) and bool(body.get("response_format")),
            expected="both on the wire, for the server to refuse",
            observed=_shown(sorted(body)),
        )
        expect_error(outcome, status=422, because="the server refused it")


#: Choices by slug: what the caller gives, and what TGI must read.
CHOICES: Final[Mapping[str, tuple[JSON, tuple[str, str | None]]]] = {
    "auto": ("auto", ("auto", None)),
    "none": ("none", ("none", None)),
    "required": ("required", ("required", None)),
    "named": (_NAMED, ("function", "get_time")),
}


@clause("TOOL-03", ways="chat")
@pytest.mark.parametrize("choice", sorted(CHOICES))
@EITHER
def test_a_tool_choice_is_read_by_tgi_as_the_same_choice(case: Case, choice: str, *, stream: bool) -> None:
    """A form that TGI does not know is a 422; one that it reads otherwise changes what the model does."""
    _needs_tools(case, stream=stream)
    case.needs_parameter(CHAT, "tool_choice")
    given, wanted = CHOICES[choice]
    space = case.serve(
        (_calling("get_time", tz="CET") if choice != "none" else answer("text")).times(0, None)
    )

    outcome = _chat(case, stream=stream, tools=[dict(WEATHER), dict(TIME)], tool_choice=given)
    if choice == "named" and outcome.raised and not space.journal().generations:
        # The client takes no object; TGI reads a bare name as the same choice.
        outcome = _chat(case, stream=stream, tools=[dict(WEATHER), dict(TIME)], tool_choice="get_time")

    read = _as_tgi_reads(only_request(space.journal()))
    same = (read.tool_choice, read.forced_function) == wanted
    # Without tools no call can be made, which is what "none" asks for; TGI takes "none" that way itself.
    expect(
        not read.has_tools if choice == "none" else same and read.has_tools,
        expected=f"the choice {choice} as TGI reads it",
        observed=f"{read.tool_choice} {read.forced_function or ''}, tools offered: {read.has_tools}",
        journal=space.journal(),
    )
    expect_success(outcome)


#: What stands beside the calls of a past assistant turn.
CONTENTS: Final[Mapping[str, Mapping[str, JSON]]] = {
    "absent": {},
    "null": {"content": None},
    "empty": {"content": ""},
}


@clause("TOOL-09", ways="chat")
@pytest.mark.parametrize("content", sorted(CONTENTS))
@EITHER
def test_a_past_turn_keeps_its_tool_calls(case: Case, content: str, *, stream: bool) -> None:
    """With ``content: ""`` TGI reads the turn as text and drops its calls, without a word."""
    needs_way(case, CHAT, stream=stream)
    case.needs("tools")
    arguments = '{"tz": "CET"}'
    made: JSON = {"id": "0", "type": "function", "function": {"name": "get_time", "arguments": arguments}}
    past: JSON = {"role": "assistant", "tool_calls": [made], **CONTENTS[content]}
    prompt = case.prompt("What time is it?")
    messages: list[JSON] = [
        {"role": "user", "content": prompt},
        past,
        {"role": "tool", "tool_call_id": "0", "content": "12:00"},
    ]
    space = case.serve(answer("noon").times(0, None))

    outcome = case.call(prompt, endpoint=case.endpoint(), shape=CHAT, stream=stream, subject=messages)

    read = _items(_decoded(only_request(space.journal())).get("messages"), 3)[1]
    (call,) = _items(read.get("tool_calls"), 1)
    function = cast("Mapping[str, JSON]", call.get("function"))
    expect(
        function.get("name") == "get_time"
        and function.get("arguments") in (arguments, json.loads(arguments)),
        expected=f"the call get_time({arguments}) in the turn as TGI reads it",
        observed=_shown(read),
    )
    expect_text(outcome, "noon")


#: Ids as servers make them, and as no client may tidy them: long, odd, with blanks, empty-looking.
IDS: Final = ("call_" + "aZ09" * 64, ' "q"\\ ü\u2028😀 ', "0", " ")
#: Arguments as models write them: texts that no second encoding makes again.
_ARGUMENTS: Final = ('{ "tz" :\t"CET" }', '{"größe":1.0,"a":"\\u00e9\\/"}', "{}", '{"tz": "CET"} ')


@clause("TOOL-09", case="ids")
@EITHER
@pytest.mark.parametrize("shape", [CHAT], ids=["case=chat"])
def test_a_result_goes_back_under_the_id_of_its_call(case: Case, shape: Shape, *, stream: bool) -> None:
    """A server pairs calls and results by id, and refuses a result without one."""
    needs_way(case, shape, stream=stream)
    case.needs("tools")
    made: list[JSON] = [
        {"id": made_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for made_id, name, arguments in zip(IDS, ("get_time", "get_weather") * 2, _ARGUMENTS, strict=True)
    ]
    results: list[JSON] = [
        {"role": "tool", "tool_call_id": made_id, "name": name, "content": "fine"}
        for made_id, name in zip(reversed(IDS), ("get_weather", "get_time") * 2, strict=True)
    ]
    prompt = case.prompt("What time is it?")
    messages: list[JSON] = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": None, "tool_calls": copy.deepcopy(made)},
        *copy.deepcopy(results),
    ]
    space = case.serve(shape.reply("noon", streaming=stream))

    outcome = case.call(prompt, endpoint=case.endpoint(), shape=shape, stream=stream, subject=messages)

    sent = _items(_body(space.journal()).get("messages"), len(messages))
    calls = _items(sent[1].get("tool_calls"), len(made))
    expect(
        [_call(each) for each in calls] == [_call(each) for each in made],
        expected=_shown(made),
        observed=_shown(calls),
    )
    named = [(each.get("tool_call_id"), each.get("name")) for each in sent[2:]]
    wanted = [(each["tool_call_id"], each["name"]) for each in cast("list[dict[str, JSON]]", results)]
    expect(named == wanted, expected=f"ids and names {wanted}", observed=str(named))
    expect_text(outcome, "noon")


def _call(made: JSON) -> tuple[JSON, JSON, JSON]:
    """Id, name and arguments of a call; arguments that were decoded stand as the text they came from."""
    call = cast("Mapping[str, JSON]", made)
    function = cast("Mapping[str, JSON]", call.get("function") or {})
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = next((text for text in _ARGUMENTS if json.loads(text) == arguments), arguments)
    return call.get("id"), function.get("name"), arguments


#: Grammars of the native route.
GRAMMARS: Final[Mapping[str, JSON]] = {
    "json": {"type": "json", "value": dict(SCHEMA)},
    "regex": {"type": "regex", "value": r"(\d{3}-)?[A-Z]+\\n\u00e9(?:€|\.)?"},
    "json-schema": {"type": "json_schema", "value": {"name": "person", "schema": dict(SCHEMA)}},
}


@clause("TOOL-11", ways="native")
@pytest.mark.parametrize("form", sorted(GRAMMARS))
@EITHER
def test_a_grammar_arrives_intact(case: Case, form: str, *, stream: bool) -> None:
    """One backslash less, or a reference resolved, is another grammar."""
    needs_way(case, NATIVE, stream=stream)
    case.needs("grammar")
    case.needs_parameter(NATIVE, "grammar")
    space = case.serve(answer("text").times(0, None))

    outcome = case.call(
        endpoint=case.endpoint(), shape=NATIVE, stream=stream, grammar=copy.deepcopy(GRAMMARS[form])
    )

    sent = NATIVE.parameters_of(only_request(space.journal()).json()).get("grammar")
    expect(sent == GRAMMARS[form], expected=_shown(GRAMMARS[form]), observed=_shown(sent))
    expect_success(outcome)


_NAMED_SCHEMA: Final[Mapping[str, JSON]] = {"name": "person", "schema": dict(PLAIN_SCHEMA)}
#: Response formats as callers write them, by slug; the first two are TGI's own.
FORMATS: Final[Mapping[str, JSON]] = {
    "tgi-json-object": {"type": "json_object", "value": dict(PLAIN_SCHEMA)},
    "tgi-json-schema": {"type": "json_schema", "value": dict(_NAMED_SCHEMA)},
    "openai-json-schema": {"type": "json_schema", "json_schema": {**_NAMED_SCHEMA, "strict": True}},
    "openai-text": {"type": "text"},
}


@clause("TOOL-12", case="tgi", ways="chat")
@pytest.mark.parametrize("form", sorted(FORMATS))
@EITHER
def test_a_response_format_is_read_by_tgi_or_refused_aloud(case: Case, form: str, *, stream: bool) -> None:
    """TGI reads ``value``; OpenAI's ``json_schema`` must be put there, or its 422 be the caller's to see."""
    _needs_response_format(case, stream=stream)
    space = case.serve(answer('{"name": "Ada"}').times(0, None))

    outcome = _chat(case, stream=stream, response_format=copy.deepcopy(FORMATS[form]))

    if outcome.raised and not form.startswith("tgi"):
        if space.journal().generations:
            expect_error(outcome, status=422, because="TGI refused the format")
        return
    if form != "openai-text":
        grammar = _as_tgi_reads(only_request(space.journal())).parameters.grammar
        _expect_schema(
            (grammar or {}).get("value"), "the schema where TGI reads it, in value", space.journal()
        )
    expect_success(outcome)


@clause("TOOL-12", case="openai", ways="chat")
@EITHER
def test_openais_response_format_is_not_lost_on_a_server_of_its_form(case: Case, *, stream: bool) -> None:
    """A proxy of OpenAI's form reads ``json_schema`` and takes no notice of ``value``."""
    _needs_response_format(case, stream=stream)
    space = case.serve(CHAT.reply('{"name": "Ada"}', streaming=stream).times(0, None))

    outcome = _chat(case, stream=stream, response_format=copy.deepcopy(FORMATS["openai-json-schema"]))

    if outcome.raised:
        return  # refused aloud
    sent = _body(space.journal()).get("response_format")
    constraint = sent.get("json_schema") if isinstance(sent, dict) else None
    _expect_schema(constraint, "the schema where OpenAI's form has it, in json_schema", space.journal())


# --- what the tests above share -----------------------------------------------------------------------


def _needs_tools(case: Case, *, stream: bool) -> None:
    needs_way(case, CHAT, stream=stream)
    case.needs("tools")
    case.needs_parameter(CHAT, "tools")


def _needs_response_format(case: Case, *, stream: bool) -> None:
    needs_way(case, CHAT, stream=stream)
    case.needs("grammar")
    case.needs_parameter(CHAT, "response_format")


def _chat(case: Case, *, stream: bool, **parameters: object) -> Outcome:
    return case.call(endpoint=case.endpoint(), shape=CHAT, stream=stream, **parameters)


def _calling(name: str, **arguments: JSON) -> Reply:
    """A TGI that reads the request as it does and answers with a call."""
    return Reply(tgi=Generation(tool_calls=(ScriptedToolCall(name=name, arguments=arguments),)))


def _body(journal: Journal) -> dict[str, Any]:
    body = only_request(journal).json()
    assert isinstance(body, dict)
    return body


def _items(value: JSON, count: int) -> Sequence[Mapping[str, JSON]]:
    """The objects of a list, which must hold so many."""
    items = value if isinstance(value, list) else []
    expect(
        len(items) == count and all(isinstance(item, dict) for item in items),
        expected=f"a list of {count} object{'' if count == 1 else 's'}",
        observed=_shown(value),
    )
    return cast("Sequence[Mapping[str, JSON]]", items)


def _decoded(exchange: Exchange) -> Mapping[str, JSON]:
    """A chat body as TGI's types take it; a body that TGI refuses fails the clause."""
    refusal = ""
    value: Mapping[str, JSON] = {}
    try:
        value = decode("chat", exchange.body, exchange.header("content-type"))
    except BodyError as refused:
        refusal = str(refused)
    expect(not refusal, expected="a request that TGI reads", observed=refusal)
    return value


def _as_tgi_reads(exchange: Exchange) -> GenerationRequest:
    return request_of("chat", _decoded(exchange))


def _expect_schema(value: JSON, expected: str, journal: Journal) -> None:
    """The schema stands in a value, bare or under ``schema`` beside its name."""
    inner = value.get("schema", value) if isinstance(value, dict) else value
    expect(inner == PLAIN_SCHEMA, expected=expected, observed=_shown(value), journal=journal)


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)
