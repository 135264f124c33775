"""How TGI reads a request body: content type, JSON, and the types of its fields.

The request types are data (:data:`REQUESTS`); one checker reads them. Its errors are TGI's own
plain-text answers: 415, 400 and 422 with path, line and column. Source: the published request types,
corrected by what router 3.3.6-dev0 was measured to accept and refuse.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import isinf
from typing import Final, Literal, NoReturn, TypeAlias, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.positions import (
    MAX_DEPTH,
    Path,
    SyntaxProblem,
    locate,
    path_text,
    place,
    scan,
)
from tgi_conformance.contracts.tgi.errors import CONTENT_TYPE, TGIError, body_data, body_syntax
from tgi_conformance.contracts.tgi.requests.asked import RouteKind


class BodyError(ValueError):
    """A body that TGI refuses in plain text, also where a stream was asked for."""

    def __init__(self, error: TGIError) -> None:
        super().__init__(error.message)
        self.error = error


Where: TypeAlias = Literal["start", "end", "after"]


class Misfit(ValueError):
    """A value that does not fit its field: what serde says, the path it names, the place it means.

    serde points after a scalar, before a container, and after an object that lacks a field. An
    untagged choice in a field is placed by the object around it, which by then has tried to take its
    own end ("after").
    """

    def __init__(self, detail: str, path: Path, *, at: Path | None = None, where: Where = "end") -> None:
        super().__init__(detail)
        self.detail = detail
        self.path = path
        self.at = path if at is None else at
        self.where = where


# --- the types ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scalar:
    """A boolean, string or number; ``nullable`` fields also take null (an Option in TGI)."""

    expected: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list."""

    item: "Type"
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    """An object (or, as serde takes it too, its fields as a list in order). Unknown keys are ignored."""

    name: str
    fields: Mapping[str, "Type"]
    required: tuple[str, ...] = ()
    #: Other name -> name.
    aliases: Mapping[str, str] = field(default_factory=dict)
    nullable: bool = False
    #: How many fields a list needs; None: any number, the rest take their defaults.
    least_listed: int = 0
    #: Python types whose values fit a field as they are, by field; and the fields that small integers fit.
    plain: Mapping[str, frozenset[type]] = field(init=False, repr=False, compare=False)
    small: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what of a value needs no closer look."""
        plain = {name: _plain_types(kind) for name, kind in self.fields.items()}
        integers = {n for n, kind in self.fields.items() if getattr(kind, "expected", None) in _RANGES}
        object.__setattr__(self, "plain", plain)
        object.__setattr__(self, "small", frozenset(integers))


@dataclass(frozen=True, slots=True)
class OneOf:
    """An untagged choice: the first type that fits; if none does, serde names the choice only."""

    name: str
    options: tuple["Type", ...]
    nullable: bool = False
    #: The message for an empty list, where TGI has one of its own.
    empty: str | None = None


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose ``type`` says what its ``value`` is."""

    values: Mapping[str, "Type"]
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value."""

    nullable: bool = True


Type: TypeAlias = Scalar | ListOf | Struct | OneOf | Tagged | Anything

_RANGES: Final = {
    "u32": (0, 2**32 - 1),
    "u64": (0, 2**64 - 1),
    "usize": (0, 2**64 - 1),
    "i32": (-(2**31), 2**31 - 1),
}
#: What is not below zero nor beyond this fits every integer type.
_SMALL: Final = 2**31 - 1
_PLAIN: Final[Mapping[str, frozenset[type]]] = {
    "a boolean": frozenset({bool}),
    "a string": frozenset({str}),
    "f32": frozenset({int, float}),
}


def _plain_types(kind: Type) -> frozenset[type]:
    """The Python types whose values fit a type as they are."""
    if isinstance(kind, Scalar):
        fitting = _PLAIN.get(kind.expected, frozenset())
    else:
        fitting = _plain_types(kind.options[0]) if isinstance(kind, OneOf) else frozenset()
    return fitting | {type(None)} if kind.nullable else fitting


_BOOL: Final = Scalar("a boolean")
_STRING: Final = Scalar("a string")
_OPT_BOOL: Final = Scalar("a boolean", nullable=True)
_OPT_STRING: Final = Scalar("a string", nullable=True)
_OPT_F32: Final = Scalar("f32", nullable=True)
_OPT_U32: Final = Scalar("u32", nullable=True)
_OPT_U64: Final = Scalar("u64", nullable=True)
_OPT_I32: Final = Scalar("i32", nullable=True)
_OPT_USIZE: Final = Scalar("usize", nullable=True)
_OPT_STRINGS: Final = ListOf(_STRING, nullable=True)

_GRAMMAR: Final = Tagged(
    {"json": Anything(), "json_object": Anything(), "regex": _STRING, "json_schema": Anything()},
    nullable=True,
)

_PARAMETERS: Final = Struct(
    "GenerateParameters",
    {
        "best_of": _OPT_USIZE,
        "temperature": _OPT_F32,
        "repetition_penalty": _OPT_F32,
        "frequency_penalty": _OPT_F32,
        "top_k": _OPT_I32,
        "top_p": _OPT_F32,
        "typical_p": _OPT_F32,
        "do_sample": _BOOL,
        "max_new_tokens": _OPT_U32,
        "return_full_text": _OPT_BOOL,
        "stop": ListOf(_STRING),
        "truncate": _OPT_USIZE,
        "watermark": _BOOL,
        "details": _BOOL,
        "decoder_input_details": _BOOL,
        "seed": _OPT_U64,
        "top_n_tokens": _OPT_U32,
        "grammar": _GRAMMAR,
        "adapter_id": _OPT_STRING,
    },
)

_FUNCTION: Final = Struct(
    "FunctionDefinition",
    {"description": _OPT_STRING, "name": _STRING, "arguments": Anything()},
    required=("name", "arguments"),
    aliases={"parameters": "arguments"},
)
_TOOL: Final = Struct("Tool", {"type": _STRING, "function": _FUNCTION}, required=("type", "function"))
_TOOL_CALL: Final = Struct(
    "ToolCall", {"id": _STRING, "type": _STRING, "function": _FUNCTION}, required=("id", "type", "function")
)
_URL: Final = Struct("Url", {"url": _STRING}, required=("url",))
_CHUNK: Final = OneOf(
    "MessageChunk",
    (
        Struct("Text", {"type": Tagged({"text": Anything()}), "text": _STRING}, required=("type", "text")),
        Struct(
            "ImageUrl",
            {"type": Tagged({"image_url": Anything()}), "image_url": _URL},
            required=("type", "image_url"),
        ),
    ),
)
_CONTENT: Final = OneOf("MessageContent", (_STRING, ListOf(_CHUNK)))
_BODY: Final = OneOf(
    "MessageBody",
    (
        Struct("Content", {"content": _CONTENT}, required=("content",)),
        Struct("Tool", {"tool_calls": ListOf(_TOOL_CALL)}, required=("tool_calls",)),
    ),
)
_MESSAGE: Final = Struct("Message", {"role": _STRING, "name": _OPT_STRING}, required=("role",))

_NAMED_FUNCTION: Final = Struct(
    "FunctionName",
    {"function": Struct("Function", {"name": _STRING}, required=("name",))},
    required=("function",),
)
_TOOL_CHOICE: Final = OneOf("ToolTypeDeserializer", (_STRING, _NAMED_FUNCTION), nullable=True)

_CHAT: Final = Struct(
    "ChatRequest",
    {
        "model": _OPT_STRING,
        "messages": ListOf(_MESSAGE),
        "frequency_penalty": _OPT_F32,
        "logit_bias": ListOf(Scalar("f32"), nullable=True),
        "logprobs": _OPT_BOOL,
        "top_logprobs": _OPT_U32,
        "max_tokens": _OPT_U32,
        "n": _OPT_U32,
        "presence_penalty": _OPT_F32,
        "stop": _OPT_STRINGS,
        "stream": _BOOL,
        "seed": _OPT_U64,
        "temperature": _OPT_F32,
        "top_p": _OPT_F32,
        "tools": ListOf(_TOOL, nullable=True),
        "tool_prompt": _OPT_STRING,
        "tool_choice": _TOOL_CHOICE,
        "response_format": _GRAMMAR,
        "guideline": _OPT_STRING,
        "stream_options": Struct("StreamOptions", {"include_usage": _BOOL}, required=("include_usage",)),
    },
    required=("messages",),
    aliases={"max_completion_tokens": "max_tokens"},
    least_listed=20,
)

_COMPLETIONS: Final = Struct(
    "CompletionRequest",
    {
        "model": _OPT_STRING,
        "prompt": OneOf(
            "PromptDeserializer",
            (_STRING, ListOf(_STRING)),
            empty="Empty array detected. Do not use an empty array for the prompt.",
        ),
        "max_tokens": _OPT_U32,
        "temperature": _OPT_F32,
        "top_p": _OPT_F32,
        "stream": _BOOL,
        "seed": _OPT_U64,
        "suffix": _OPT_STRING,
        "repetition_penalty": _OPT_F32,
        "frequency_penalty": _OPT_F32,
        "stop": _OPT_STRINGS,
    },
    required=("prompt",),
    least_listed=11,
)


def _native(name: str, **more: Type) -> Struct:
    fields: dict[str, Type] = {"inputs": _STRING, "parameters": _PARAMETERS, **more}
    return Struct(name, fields, required=("inputs",), least_listed=1)


#: The request type of each route.
REQUESTS: Final[Mapping[RouteKind, Struct]] = {
    "generate": _native("GenerateRequest"),
    "generate_stream": _native("GenerateRequest"),
    "compat": _native("CompatGenerateRequest", stream=_BOOL),
    "chat": _CHAT,
    "completions": _COMPLETIONS,
}

#: ``POST /vertex``: each instance is a prompt with parameters, or a conversation.
VERTEX: Final = Struct(
    "VertexRequest",
    {
        "instances": ListOf(
            OneOf(
                "VertexInstance",
                (
                    Struct(
                        "GenerateVertexInstance",
                        {"inputs": _STRING, "parameters": replace(_PARAMETERS, nullable=True)},
                        required=("inputs",),
                        least_listed=1,
                    ),
                    _CHAT,
                ),
            )
        )
    },
    required=("instances",),
    least_listed=1,
)

# --- decoding -----------------------------------------------------------------------------------------

_JSON_TYPE: Final = re.compile(r"\s*application/(?:[^;/\s]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
_AFTER_OBJECT: Final = re.compile(rb"[ \t\n\r]*\}?")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
#: Every escape but those for half a character, for bodies that the standard library has read.
_WHOLE_ESCAPE: Final = re.compile(
    rb"\\(?:[^u]|u(?:[dD][89abAB]..\\u[dD][c-fC-F]..|[^dD]...|[dD][0-7]..))", re.DOTALL
)


def decode(route: RouteKind, body: bytes, content_type: str | None) -> Mapping[str, JSON]:
    """Read a body as TGI reads it on a route; raises :class:`BodyError`."""
    return decode_as(REQUESTS[route], body, content_type)


@lru_cache(maxsize=32)
def accepts(content_type: str | None) -> bool:
    """Whether TGI takes a content type as JSON; it asks before it reads the body."""
    return content_type is not None and _JSON_TYPE.fullmatch(content_type) is not None


def decode_as(kind: Struct, body: bytes, content_type: str | None) -> Mapping[str, JSON]:
    """Read a body as one request type; raises :class:`BodyError`."""
    if not accepts(content_type):
        raise BodyError(CONTENT_TYPE)
    value = _parse(body)
    try:
        fitted = _CHECKS[Struct](kind, value, ())
    except Misfit as misfit:
        span = locate(body, misfit.at)
        prefix = f"{path_text(misfit.path)}: " if misfit.path else ""
        offset = _AFTER_OBJECT.match(body, span.end) if misfit.where == "after" else None
        end = span.end if offset is None else offset.end()
        where = place(body, span.start if misfit.where == "start" else end)
        raise BodyError(body_data(f"{prefix}{misfit.detail} at {where}")) from misfit
    # What is ignored may be of any depth; what is read may not.
    if _may_be_deep(body) and _is_deep(fitted):
        _judge_text(body)
    return cast("Mapping[str, JSON]", fitted)


def decode_first(
    routes: Iterable[RouteKind], body: bytes, content_type: str | None
) -> tuple[RouteKind, Mapping[str, JSON]] | None:
    """The first route whose request type a body has, and its request; None where it has none.

    Raises :class:`BodyError` for what is no JSON, and for any that is too deep: all of it is buffered first.
    """
    if not accepts(content_type):
        raise BodyError(CONTENT_TYPE)
    value = _parse(body)
    if _may_be_deep(body):
        _judge_text(body)
    for route in routes:
        try:
            return route, cast("Mapping[str, JSON]", _CHECKS[Struct](REQUESTS[route], value, ()))
        except Misfit:
            continue
    return None


def _may_be_deep(body: bytes) -> bool:
    return body.count(b"[") + body.count(b"{") > MAX_DEPTH


def _is_deep(value: JSON) -> bool:
    level: list[JSON] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for outer in level
            if isinstance(outer, list | dict)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(item, list | dict) for item in level)


def read_leniently(body: bytes) -> Mapping[str, JSON]:
    """Read a body without judging it; what is no JSON object is an empty one."""
    try:
        value = json.loads(body, parse_int=_int)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise ValueError(text)
    return value


def _int(text: str) -> int | float:
    """An integer; beyond 64 bits serde_json reads a float."""
    return int(text) if len(text) <= _LONGEST_INT else _float(text)


_LONGEST_INT: Final = 20
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_float, parse_int=_int)
_START: Final = re.compile(r"[ \t\n\r]*")


def _text(body: bytes) -> str:
    """The body as text; what comes after the value is never read, so it need not be UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        scan(body)
        return body[: error.start].decode()


def _parse(body: bytes) -> JSON:
    try:
        text = _text(body)
        start = _START.match(text)
        value, _ = _DECODER.raw_decode(text, start.end() if start else 0)
    except SyntaxProblem as problem:
        raise _syntax(body, problem) from problem
    except (ValueError, RecursionError):
        _judge_text(body)
        # Only reached where the two readers disagree, which is a defect here and no answer of TGI.
        raise
    # Of a bare value the standard library reads as much as it likes ("01" is 0).
    if not isinstance(value, list | dict) or (_SURROGATE.search(body) and _has_lone_surrogate(body)):
        _judge_text(body)
    return cast("JSON", value)


def _has_lone_surrogate(body: bytes) -> bool:
    """Whether an escape for half a character stands alone; true also where only a closer look can tell."""
    return b"\\u" in _WHOLE_ESCAPE.sub(b"", body)


def _judge_text(body: bytes) -> None:
    """Raise what TGI says of a text that it cannot read as JSON, if it cannot."""
    try:
        scan(body)
    except SyntaxProblem as problem:
        raise _syntax(body, problem) from problem


def _syntax(body: bytes, problem: SyntaxProblem) -> BodyError:
    prefix = f"{path_text(problem.path)}: " if problem.path else ""
    return BodyError(body_syntax(f"{prefix}{problem.message} at {place(body, problem.offset)}"))


def _check(kind: Type, value: JSON, path: Path) -> JSON:
    if value is None and kind.nullable:
        return None
    return _CHECKS[type(kind)](kind, value, path)


def described(value: JSON) -> str:
    """A value as serde names it in "invalid type"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, float):
        return f"floating point `{_rust_float(value)}`"
    if isinstance(value, str):
        return f"string {json.dumps(value, ensure_ascii=False)}"
    return "map" if isinstance(value, Mapping) else "sequence"


def _rust_float(value: float) -> str:
    text = repr(value)
    return text.replace("e+", "e") if "e" in text else text


def _invalid_type(value: JSON, expected: str, path: Path) -> Misfit:
    where: Where = "start" if isinstance(value, list | dict) else "end"
    return Misfit(f"invalid type: {described(value)}, expected {expected}", path, where=where)


def _check_scalar(kind: Scalar, value: JSON, path: Path) -> JSON:
    expected = kind.expected
    if expected == "a boolean":
        fits = isinstance(value, bool)
    elif expected == "a string":
        fits = isinstance(value, str)
    elif expected == "f32":
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        return _check_integer(expected, value, path)
    if not fits:
        raise _invalid_type(value, expected, path)
    return value


def _check_integer(expected: str, value: JSON, path: Path) -> JSON:
    if isinstance(value, int) and not isinstance(value, bool):
        least, most = _RANGES[expected]
        if least <= value <= most:
            return value
        if -(2**63) <= value < 2**64:
            raise Misfit(f"invalid value: integer `{value}`, expected {expected}", path)
        value = float(value)  # serde_json reads an integer beyond 64 bits as a float
    raise _invalid_type(value, expected, path)


def _check_list(kind: ListOf, value: JSON, path: Path) -> JSON:
    if not isinstance(value, list):
        raise _invalid_type(value, "a sequence", path)
    plain = _plain_types(kind.item)
    return [
        item if type(item) in plain else _check(kind.item, item, (*path, index))
        for index, item in enumerate(value)
    ]


def _check_struct(kind: Struct, value: JSON, path: Path) -> JSON:
    if isinstance(value, list):
        return _check_listed(kind, value, path)
    if not isinstance(value, dict):
        raise _invalid_type(value, f"struct {kind.name}", path)
    found: dict[str, JSON] = {}
    aliases, plain = kind.aliases, kind.plain
    for key, item in value.items():
        name = aliases.get(key, key)
        if name not in plain:
            continue
        if name in found:
            raise Misfit(f"duplicate field `{name}`", path, at=(*path, key), where="start")
        if type(item) in plain[name] or (type(item) is int and name in kind.small and 0 <= item <= _SMALL):
            found[name] = item
        else:
            found[name] = _check(kind.fields[name], item, (*path, key))
    for name in kind.required:
        if name not in found:
            raise Misfit(f"missing field `{name}`", path)
    if kind is _MESSAGE:
        # The message's body is flattened into it: either content, or tool calls without content.
        return {**found, **cast("dict[str, JSON]", _check(_BODY, value, path))}
    return found


def _check_listed(kind: Struct, value: list[JSON], path: Path) -> JSON:
    if len(value) < kind.least_listed:
        count = len(kind.fields)
        detail = f"invalid length {len(value)}, expected struct {kind.name} with {count} elements"
        raise Misfit(detail, path)
    pairs = zip(kind.fields.items(), value, strict=False)
    return {
        name: _check(item_kind, item, (*path, index)) for index, ((name, item_kind), item) in enumerate(pairs)
    }


def _check_one_of(kind: OneOf, value: JSON, path: Path) -> JSON:
    for option in kind.options:
        try:
            fitted = _check(option, value, path)
        except Misfit:
            continue
        if fitted == [] and kind.empty is not None:
            raise Misfit(kind.empty, path, where="after")
        return fitted
    # The body of a message is flattened into it, and the message's end is taken by then.
    where: Where = "end" if kind is _BODY else "after"
    raise Misfit(f"data did not match any variant of untagged enum {kind.name}", path, where=where)


def _check_tagged(kind: Tagged, value: JSON, path: Path) -> JSON:
    if isinstance(value, str) and value in kind.values:
        return value  # the tag itself, as message chunks name it
    if not isinstance(value, dict):
        raise _invalid_type(value, "internally tagged enum GrammarType", path)
    if "type" not in value:
        raise Misfit("missing field `type`", path)
    tag = value["type"]
    if not isinstance(tag, str):
        raise _invalid_type(tag, "variant identifier", (*path, "type"))
    if tag not in kind.values:
        known = ", ".join(f"`{name}`" for name in kind.values)
        raise Misfit(f"unknown variant `{tag}`, expected one of {known}", (*path, "type"))
    if "value" not in value:
        raise Misfit("missing field `value`", path)
    return {"type": tag, "value": _check(kind.values[tag], value["value"], (*path, "value"))}


def _check_anything(_: Anything, value: JSON, __: Path) -> JSON:
    return value


_Check: TypeAlias = Callable[..., JSON]
_CHECKS: Final[Mapping[type, _Check]] = {
    Scalar: _check_scalar,
    ListOf: _check_list,
    Struct: _check_struct,
    OneOf: _check_one_of,
    Tagged: _check_tagged,
    Anything: _check_anything,
}
