"""The JSON bodies of the three kinds of call, as pure functions of the caller's arguments.

An option that is ``None`` was not set and is left out: TGI refuses ``null`` in most places. Any
other value, falsy ones included, goes out unchanged, and so does a name this client does not know:
the server is the judge of values. Nothing of the caller's is changed; a body may share parts with
it, and is encoded before the call is queued.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from tgi_conformance.backends.reference.errors import InvalidArgumentError
from tgi_conformance.backends.reference.images import ImageSource, image_markdown
from tgi_conformance.backends.reference.messages import Message, chat_messages, prompt_text

Parameters = Mapping[str, object]
Body = dict[str, object]

DEFAULT_MODEL: Final = "tgi"
"""TGI reads any other name as the id of an adapter (LoRA)."""

NO_PARAMETERS: Final[Mapping[str, object]] = {"type": "object", "properties": {}}
"""TGI demands ``parameters`` in every tool."""

_LENGTH_NAMES: Final = ("max_tokens", "max_completion_tokens", "max_new_tokens")
_SAMPLERS: Final = ("top_k", "top_p", "typical_p")
"""Each of these makes TGI sample, whatever ``do_sample`` says."""


def native_body(
    prompt: str | Sequence[object],
    *,
    parameters: Parameters,
    route: str,
    stream: bool,
) -> Body:
    """Return the body for ``/generate``, ``/generate_stream`` or ``/``.

    ``images`` among the parameters stand before the prompt; a prompt may also be a list of texts
    and images. Asks for ``details``, which hold the finish reason and the token counts.
    """
    given = _set_only(parameters)
    images = given.pop("images", ())
    inputs = _leading_images(images) + prompt_text(prompt)
    given = _with_one_length(given, "max_new_tokens")
    given = _with_stop_list(_greedy_at_zero(given))
    body: Body = {"inputs": inputs, "parameters": {"details": True, **given}}
    if route == "/":
        body["parameters"] = {"return_full_text": False, "details": True, **given}
        # Only this route has one URL for both kinds; elsewhere the URL says it.
        body["stream"] = stream
    return body


def chat_body(
    messages: Sequence[Message], *, parameters: Parameters, model: str | None, stream: bool
) -> Body:
    """Return the body for ``/v1/chat/completions``."""
    given = _with_stop_list(_set_only(parameters))
    given = _with_one_length(given, "max_tokens", also="max_completion_tokens")
    given = _with_tools(given)
    if "response_format" in given:
        given = _with_response_format(given)
    if "tools" in given and "response_format" in given:
        raise InvalidArgumentError("TGI refuses tools together with response_format: use one")
    return _openai_body({"messages": chat_messages(messages)}, given=given, model=model, stream=stream)


def completions_body(
    prompt: str | Sequence[object], *, parameters: Parameters, model: str | None, stream: bool
) -> Body:
    """Return the body for ``/v1/completions``; ``prompt`` may be a list, one answer for each."""
    given = _with_stop_list(_set_only(parameters))
    given = _with_one_length(given, "max_tokens", also="max_completion_tokens")
    if isinstance(prompt, bytes | Mapping):
        raise InvalidArgumentError("a prompt must be text or a list of texts")
    prompts = prompt if isinstance(prompt, str) else list(prompt)
    return _openai_body({"prompt": prompts}, given=given, model=model, stream=stream)


def _openai_body(subject: Body, *, given: Body, model: str | None, stream: bool) -> Body:
    body: Body = {"model": model or DEFAULT_MODEL, **subject, **given}
    body.pop("stream", None)
    if stream:
        body["stream"] = True
        # Without it a chat stream holds no token counts.
        body.setdefault("stream_options", {"include_usage": True})
    return body


def _set_only(parameters: Parameters) -> Body:
    return {name: value for name, value in parameters.items() if value is not None}


def _with_stop_list(given: Body) -> Body:
    stop = given.get("stop")
    if stop is None:
        return given
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list | tuple) or not all(isinstance(text, str) for text in stops):
        raise InvalidArgumentError("stop must be a text or a list of texts")
    return {**given, "stop": list(stops)}


def _with_one_length(given: Body, name: str, *, also: str | None = None) -> Body:
    """Leave one length limit, called ``name`` (or ``also``, if the caller called it that)."""
    limits = [(alias, given[alias]) for alias in _LENGTH_NAMES if alias in given]
    if not limits:
        return given
    if any(value != limits[0][1] for _, value in limits):
        names = " and ".join(alias for alias, _ in limits)
        raise InvalidArgumentError(f"{names} mean the same limit and differ: give one")
    wire_name = also if also is not None and [alias for alias, _ in limits] == [also] else name
    rest = {key: value for key, value in given.items() if key not in _LENGTH_NAMES}
    return {**rest, wire_name: limits[0][1]}


def _greedy_at_zero(given: Body) -> Body:
    """Put the usual ``temperature=0`` into TGI's native words, which refuse a 0."""
    temperature = given.get("temperature")
    if isinstance(temperature, bool) or temperature != 0:
        return given
    conflicts = [name for name in (*_SAMPLERS, "do_sample") if given.get(name, False) is not False]
    if conflicts:
        raise InvalidArgumentError(
            f"temperature=0 asks for greedy decoding, and {', '.join(conflicts)} would make TGI "
            "sample: leave one of them out"
        )
    rest = {name: value for name, value in given.items() if name != "temperature"}
    return {**rest, "do_sample": False}


def _leading_images(images: object) -> str:
    if isinstance(images, bytes | str) or not isinstance(images, Sequence):
        raise InvalidArgumentError("images must be a list of bytes, paths or URLs")
    sources: Sequence[ImageSource] = images
    return "".join(image_markdown(image) for image in sources)


def _with_tools(given: Body) -> Body:
    tools = given.get("tools")
    if tools is None:
        return given
    if not isinstance(tools, list | tuple):
        raise InvalidArgumentError("tools must be a list of tool definitions")
    if not tools:
        return {name: value for name, value in given.items() if name != "tools"}
    return {**given, "tools": [_with_tool_parameters(tool) for tool in tools]}


def _with_tool_parameters(tool: object) -> object:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(tool, Mapping) or not isinstance(function, Mapping):
        return tool
    if function.get("parameters") is not None or "arguments" in function:
        return tool
    return {**tool, "function": {**function, "parameters": NO_PARAMETERS}}


def _with_response_format(given: Body) -> Body:
    """Put OpenAI's ``json_schema`` form into TGI's, and leave out ``{"type": "text"}``.

    OpenAI's own key stays beside TGI's ``value``: each server reads the one it knows, so the
    constraint is lost on neither.
    """
    wanted = given["response_format"]
    if not isinstance(wanted, Mapping):
        return given
    if wanted.get("type") == "text":
        return {name: value for name, value in given.items() if name != "response_format"}
    if wanted.get("type") != "json_schema" or "value" in wanted or "json_schema" not in wanted:
        return given
    return {**given, "response_format": {**wanted, "value": wanted["json_schema"]}}
