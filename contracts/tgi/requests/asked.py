"""What a generation request asks of TGI, in one form for all routes.

Decoding (types, 4xx in plain text) is its neighbour ``decoding``, the rules over the values
``validation``; here decoded values become a :class:`GenerationRequest`, with TGI's defaults
and its mapping from the OpenAI routes to native parameters.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Literal, Self

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.tgi.requests.templates import (
    NO_TOOL_DEFINITION,
    message_text,
    templated,
    tools_text,
)

RouteKind = Literal["generate", "generate_stream", "compat", "chat", "completions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Native parameters that are validated; None: not given."""

    best_of: int | None = None
    temperature: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    typical_p: float | None = None
    do_sample: bool = False
    max_new_tokens: int | None = None
    stop: tuple[str, ...] = ()
    truncate: int | None = None
    seed: int | None = None
    decoder_input_details: bool = False
    top_n_tokens: int | None = None
    grammar: Mapping[str, JSON] | None = None

    @property
    def samples(self) -> bool:
        """Whether TGI samples rather than decodes greedily."""
        chosen = (self.temperature, self.top_k, self.top_p, self.typical_p)
        return self.do_sample or any(value is not None for value in chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One request as TGI reads it."""

    route: RouteKind
    stream: bool = False
    #: What goes to the model; several only on completions.
    prompts: tuple[str, ...] = ("",)
    #: The caller's own words: the last user message on chat, else the first prompt.
    said: str = ""
    parameters: Parameters = Parameters()
    return_full_text: bool = False
    details: bool = False
    #: The name to answer with on chat; None: the served model's.
    model: str | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    include_usage: bool = False
    #: Whether a tool may be chosen, "no tool" among them.
    has_tools: bool = False
    #: Whether tools were given at all, if only an empty list.
    gives_tools: bool = False
    #: Name and JSON Schema of the arguments of each tool.
    tools: tuple[tuple[str, JSON], ...] = ()
    #: "auto", "none", "required", or the name of a function.
    tool_choice: str = "auto"
    forced_function: str | None = None
    #: Ids of tool calls in earlier turns, in order.
    earlier_tool_ids: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    suffix: str | None = None
    #: The prompt without the tools, for the second generation after "no tool" was chosen.
    plain_prompt: str = ""

    @property
    def counts_start(self) -> bool:
        """Whether the tokenizer adds the start token: not on chat, where the template has it."""
        return self.route != "chat"

    @property
    def permits(self) -> int:
        """How many permits it takes: one for each sequence and for each prompt (wire fact 5)."""
        return max(self.parameters.best_of or 1, 1) * len(self.prompts)

    def without_tools(self) -> Self:
        """The second, hidden request that TGI makes when the model picked no tool."""
        parameters = replace(self.parameters, grammar=None)
        return replace(self, has_tools=False, tools=(), prompts=(self.plain_prompt,), parameters=parameters)


def request_of(route: RouteKind, value: Mapping[str, JSON]) -> GenerationRequest:
    """Build the request from a decoded body (``decoding`` says what holds of it)."""
    if route == "chat":
        return _chat(value)
    if route == "completions":
        return _completions(value)
    return _native(route, value)


def _native(route: RouteKind, value: Mapping[str, JSON]) -> GenerationRequest:
    given = value.get("parameters")
    raw: Mapping[str, JSON] = given if isinstance(given, Mapping) else {}
    # Without a parameters object the struct's own default is taken, and that one samples.
    parameters = _parameters(raw, do_sample=raw.get("do_sample") is True or "parameters" not in value)
    full_text = raw.get("return_full_text")
    inputs = _text(value.get("inputs"))
    return GenerationRequest(
        route=route,
        stream=route == "generate_stream" or (route == "compat" and value.get("stream") is True),
        prompts=(inputs,),
        said=inputs,
        parameters=parameters,
        return_full_text=route == "compat" if full_text is None else full_text is True,
        details=raw.get("details") is True or parameters.decoder_input_details,
    )


def _completions(value: Mapping[str, JSON]) -> GenerationRequest:
    prompt = value.get("prompt")
    prompts = (prompt,) if isinstance(prompt, str) else tuple(_text(item) for item in _items(prompt))
    suffix = value.get("suffix")
    return GenerationRequest(
        route="completions",
        stream=value.get("stream") is True,
        prompts=prompts or ("",),
        said=prompts[0] if prompts else "",
        parameters=_parameters(_openai(value), do_sample=_samples(value)),
        suffix=suffix if isinstance(suffix, str) else None,
    )


def _chat(value: Mapping[str, JSON]) -> GenerationRequest:
    messages = [item for item in _items(value.get("messages")) if isinstance(item, Mapping)]
    tools = [item for item in _items(value.get("tools")) if isinstance(item, Mapping)]
    model = value.get("model")
    options = value.get("stream_options")
    choice, forced = _tool_choice(value.get("tool_choice"))
    penalty = _number(value.get("presence_penalty"))
    native = _openai(value)
    if penalty is not None:
        native["repetition_penalty"] = f32(penalty + 2.0)
    if isinstance(value.get("response_format"), Mapping):
        native["grammar"] = value["response_format"]
    top = _integer(value.get("top_logprobs"))
    if top is not None:
        native["top_n_tokens"] = top
    given = isinstance(value.get("tools"), Sequence)
    # Of an empty list the model can choose "no tool", where it need not choose one that is there.
    offered = given and choice != "none" and (bool(tools) or choice != "required")
    plain = templated(messages)
    return GenerationRequest(
        route="chat",
        stream=value.get("stream") is True,
        prompts=(templated(messages, _tools_text(tools, value, choice, forced)) if offered else plain,),
        plain_prompt=plain,
        said=_last_said(messages),
        parameters=_parameters(native, do_sample=_samples(value)),
        model=model if isinstance(model, str) and model != "tgi" else None,
        logprobs=value.get("logprobs") is True,
        top_logprobs=top or 0,
        include_usage=isinstance(options, Mapping) and options.get("include_usage") is True,
        has_tools=offered,
        gives_tools=given,
        tools=tuple(_function(tool) for tool in tools),
        tool_choice=choice,
        forced_function=forced,
        earlier_tool_ids=tuple(_earlier_ids(messages)),
        roles=tuple(_text(message.get("role")) for message in messages),
    )


def _openai(value: Mapping[str, JSON]) -> dict[str, JSON]:
    """The parameters that the OpenAI routes share, under their native names.

    Temperature 0 means greedy there, and becomes no temperature at all.
    """
    native: dict[str, JSON] = {
        name: item for name, item in value.items() if name in _SHARED and item is not None
    }
    if _samples(value) and value.get("temperature") is not None:
        native["temperature"] = value["temperature"]
    limit = value.get("max_tokens", value.get("max_completion_tokens"))
    if limit is not None:
        native["max_new_tokens"] = limit
    return native


def _samples(value: Mapping[str, JSON]) -> bool:
    """Whether the temperature of an OpenAI route asks for sampling: any but 0, in 32 bits."""
    temperature = value.get("temperature")
    # No number from a thousandth on is rounded to 0.
    return not isinstance(temperature, int | float) or abs(temperature) > _FAR or f32(temperature) != 0


_FAR: Final = 0.001


_SHARED: Final = frozenset({"top_p", "seed", "frequency_penalty", "repetition_penalty", "stop"})


def _parameters(raw: Mapping[str, JSON], *, do_sample: bool) -> Parameters:
    given = {name: _PARAMETERS[name](value) for name, value in raw.items() if name in _PARAMETERS}
    return Parameters(do_sample=do_sample, **given)  # type: ignore[arg-type]


def _tools_text(
    tools: Sequence[Mapping[str, JSON]], value: Mapping[str, JSON], choice: str, forced: str | None
) -> str:
    """The text of the tools that the model may choose from."""
    chosen = [tool for tool in tools if forced is None or _function(tool)[0] == forced]
    if choice == "auto" and isinstance(NO_TOOL_DEFINITION, Mapping):
        chosen.append(NO_TOOL_DEFINITION)
    prompt = value.get("tool_prompt")
    return tools_text(chosen, prompt if isinstance(prompt, str) else None)


def _stop(value: JSON) -> tuple[str, ...]:
    """Stop sequences; a single one only comes past readers that are more lenient than TGI."""
    return (value,) if isinstance(value, str) else tuple(_text(item) for item in _items(value))


def _last_said(messages: Sequence[Mapping[str, JSON]]) -> str:
    said = [message_text(message) for message in messages if message.get("role") == "user"]
    return said[-1] if said else ""


def _tool_choice(value: JSON) -> tuple[str, str | None]:
    """The choice, and the function that it forces.

    A string that is no keyword is taken as a function's name.
    """
    if value is None:
        return "auto", None
    if isinstance(value, str):
        return (value, None) if value in {"auto", "none", "required"} else ("function", value)
    if isinstance(value, Mapping):
        function = value.get("function")
        name = function.get("name") if isinstance(function, Mapping) else None
        return "function", _text(name)
    return "auto", None


def _function(tool: Mapping[str, JSON]) -> tuple[str, JSON]:
    function = tool.get("function")
    if not isinstance(function, Mapping):
        return "", {}
    return _text(function.get("name")), function.get("parameters", function.get("arguments", {}))


def _earlier_ids(messages: Sequence[Mapping[str, JSON]]) -> list[str]:
    """Ids of tool calls in earlier turns; a message with content has none for TGI."""
    ids = []
    for message in messages:
        if message.get("content") is None:
            calls = (call for call in _items(message.get("tool_calls")) if isinstance(call, Mapping))
            ids += [_text(call.get("id")) for call in calls]
    return ids


def _items(value: JSON) -> Sequence[JSON]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""


_F32: Final = struct.Struct("f")


def f32(value: float) -> float:
    """A number as TGI holds it, rounded to 32 bits: 0.99999999999 is 1, and 1e39 is infinite."""
    try:
        rounded: float = _F32.unpack(_F32.pack(value))[0]
    except OverflowError:
        return inf if value > 0 else -inf
    return rounded


def _number(value: JSON) -> float | None:
    return f32(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _integer(value: JSON) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


#: How each native parameter is read; ``do_sample`` depends on more than its own value.
_PARAMETERS: Final[Mapping[str, Callable[[JSON], object]]] = {
    "best_of": _integer,
    "temperature": _number,
    "repetition_penalty": _number,
    "frequency_penalty": _number,
    "top_k": _integer,
    "top_p": _number,
    "typical_p": _number,
    "max_new_tokens": _integer,
    "stop": _stop,
    "truncate": _integer,
    "seed": _integer,
    "decoder_input_details": lambda value: value is True,
    "top_n_tokens": _integer,
    "grammar": lambda value: value if isinstance(value, Mapping) else None,
}
