"""The request types of TGI's routes: which field has which type.

Source: the published request types, corrected by what router 3.3.6-dev0 was measured to accept and refuse.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.tgi.requests.asked import RouteKind
from tgi_conformance.contracts.tgi.requests.field_types import (
    Anything,
    ListOf,
    OneOf,
    Scalar,
    Struct,
    Tagged,
    Type,
    Variant,
)

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

_SCHEMA: Final = Struct(
    "JsonSchemaConfig",
    {"name": _OPT_STRING, "schema": Anything()},
    required=("schema",),
    listed=("name",),
)
_GRAMMAR: Final = Tagged(
    "GrammarType",
    {"json": Anything(), "json_object": Anything(), "regex": _STRING, "json_schema": _SCHEMA},
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
_CHUNK: Final = Variant(
    "MessageChunk",
    {
        "text": Struct("MessageChunk::Text", {"text": _STRING}, required=("text",)),
        "image_url": Struct("MessageChunk::ImageUrl", {"image_url": _URL}, required=("image_url",)),
    },
)
_CONTENT: Final = OneOf("MessageContent", (_STRING, ListOf(_CHUNK)))
_BODY: Final = OneOf(
    "MessageBody",
    (
        Struct("Content", {"content": _CONTENT}, required=("content",)),
        Struct("Tool", {"tool_calls": ListOf(_TOOL_CALL)}, required=("tool_calls",)),
    ),
)
#: Either content, or tool calls without content.
_MESSAGE: Final = Struct(
    "Message", {"role": _STRING, "name": _OPT_STRING}, required=("role",), flattened=_BODY
)

_NAMED_FUNCTION: Final = Variant(
    "TypedChoice",
    {
        "function": Struct(
            "TypedChoice::Function",
            {"function": Struct("FunctionName", {"name": _STRING}, required=("name",))},
            required=("function",),
        )
    },
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
        "stream_options": Struct("StreamOptions", {"include_usage": _BOOL}),
    },
    required=("messages",),
    aliases={"max_completion_tokens": "max_tokens"},
    listed=("model", "seed"),
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
    listed=("model", "seed"),
)


def _native(name: str, **more: Type) -> Struct:
    fields: dict[str, Type] = {"inputs": _STRING, "parameters": _PARAMETERS, **more}
    return Struct(name, fields, required=("inputs",))


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
                        listed=("parameters",),
                    ),
                    _CHAT,
                ),
            )
        )
    },
    required=("instances",),
)

#: ``POST /invocations``: the first of three requests that a body fits.
INVOCATION: Final = OneOf("SagemakerRequest", (REQUESTS["compat"], REQUESTS["chat"], REQUESTS["completions"]))

#: What a model writes under the grammar of the tools.
CALL: Final = Struct(
    "Call",
    {"function": Struct("ToolCall", {"_name": _STRING}, required=("_name",), open=True)},
    required=("function",),
)
