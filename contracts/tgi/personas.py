"""Server generations, each as a table of what differs from TGI 3.3.

The tables are data (``contracts/servers/<name>/server.toml``, which also says what each is known from); here
are the words for what can differ, and the forms that follow from them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, get_args

from tgi_conformance.contracts.codec import DecodeError, from_json
from tgi_conformance.contracts.json_texts import dumps
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Persona
from tgi_conformance.contracts.servers.registry import ServerFile, servers
from tgi_conformance.contracts.tgi.errors import TGIError
from tgi_conformance.contracts.tgi.info import VERSION

DONE: Final = "[DONE]"
HTML_TYPE: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """How one type of error is told: a status, and JSON by the persona's form or a page of HTML."""

    status: int
    html: bool = False
    #: Headers beside the body, such as Retry-After.
    headers: tuple[tuple[str, str], ...] = ()
    #: Keys beside ``error`` in the JSON.
    more: Mapping[str, JSON] = field(default_factory=dict)
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """One row of the table; the defaults are TGI 3.3."""

    version: str = VERSION
    #: A blank after ``data:``.
    blank: bool = True
    #: Chat and completions streams end with ``[DONE]``.
    done: bool = True
    #: ``object`` of a chat answer and of its chunks; None: TGI 3.3's own.
    chat_object: str | None = None
    #: Whether ``id`` stands first, before ``object``.
    id_first: bool = False
    #: Chat names the end token "eos_token" rather than "stop".
    native_finish: bool = False
    #: The delta of the end token carries its text.
    end_token_text: bool = False
    #: ``"usage": null`` in chunks.
    chunk_usage: bool = True
    #: ``input_length`` in the details of a native stream.
    input_length: bool = True
    tool_arguments: Literal["string", "object"] = "string"
    #: A streamed call is one object, unnamed, whose arguments are the model's raw text.
    single_tool_call: bool = False
    #: Ids, roles, finishes and deltas as OpenAI has them; requests are read leniently.
    openai: bool = False
    #: A comment before the first event of a stream.
    comment: str | None = None
    #: Whether the native form stands under ``/models/{model id}``, and requests are routed by model.
    by_model: bool = False
    #: Whether every answer has an x-request-id.
    request_id: bool = False
    #: Paths that there are; None: all of TGI 3.3's.
    only: frozenset[str] | None = None
    missing: frozenset[str] = frozenset()
    #: Whether TGI's x- headers are there.
    compute_headers: bool = True
    errors: Mapping[str, ErrorForm] = field(default_factory=dict)

    def serves(self, path: str) -> bool:
        """Whether a path of TGI 3.3 is there."""
        return path not in self.missing and (self.only is None or path in self.only)


def traits_of(server: ServerFile) -> Traits:
    """What sets a server apart, as its file says; raises ``ServerFileError`` for a trait unheard of."""
    version: dict[str, JSON] = {"version": server.version} if server.version else {}
    try:
        return from_json(Traits, {**version, **server.traits})
    except DecodeError as problem:
        raise server.wrong(problem) from problem


#: The rows, from the files of ``contracts/servers``; in the order of the script's names.
PERSONAS: Final[Mapping[Persona, Traits]] = MappingProxyType(
    {name: traits_of(servers()[name]) for name in get_args(Persona)}
)

_PAGE: Final = (
    "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n"
    "<center><h1>{status} {reason}</h1></center>\r\n</body>\r\n</html>\r\n"
)


def error_form(traits: Traits, error: TGIError) -> ErrorForm:
    """How a persona tells an error; by default with TGI's status."""
    return traits.errors.get(error.error_type or "", ErrorForm(error.status))


def error_body(traits: Traits, error: TGIError, reason: str = "") -> str:
    """The body of an error outside a stream: JSON, or the page of a proxy."""
    form = error_form(traits, error)
    if form.html:
        return _PAGE.format(status=form.status, reason=reason)
    if traits.openai:
        return dumps({"error": openai_error(error.message, form)})
    if form.more:
        return dumps({"error": error.message, **form.more})
    return dumps(error.body())


def openai_error(message: str, form: ErrorForm) -> JSON:
    """The object of an error of OpenAI's form."""
    kind = "server_error" if form.status >= 500 else "invalid_request_error"
    return {"message": message, "type": kind, "param": None, "code": form.code}


def no_such_model(traits: Traits, name: str) -> str:
    """The body of the 404 for a model that is not served."""
    if traits.openai:
        form = ErrorForm(404, code="model_not_found")
        return dumps({"error": openai_error(f"The model {name!r} does not exist", form)})
    return dumps({"error": f"Model {name} not found"})


# --- plain answers ------------------------------------------------------------------------------------


def plain_value(traits: Traits, route: str, value: JSON, native_finish: str) -> JSON:
    """A plain answer of TGI 3.3 in a persona's form; ``native_finish`` is how the generation ended."""
    if not isinstance(value, Mapping) or route not in {"chat", "completions"}:
        return value
    named = _named(traits, route, value, chunk=False)
    choices = [_choice(traits, choice, native_finish) for choice in _list(named.get("choices"))]
    return {**named, "choices": choices}


def _named(traits: Traits, route: str, value: Mapping[str, JSON], *, chunk: bool) -> dict[str, JSON]:
    named = dict(value)
    if "system_fingerprint" in named:
        named["system_fingerprint"] = f"{traits.version}-native"
    if route == "chat" and traits.chat_object is not None:
        named["object"] = traits.chat_object
    if traits.openai:
        named["id"] = f"{'chatcmpl' if route == 'chat' else 'cmpl'}-{value.get('created')}"
        named.pop("system_fingerprint", None)
    if traits.id_first:
        named = {**({"id": named["id"]} if "id" in named else {}), **named}
    if chunk and not traits.chunk_usage and named.get("usage", 0) is None:
        del named["usage"]
    return named


def _choice(traits: Traits, choice: JSON, native_finish: str) -> JSON:
    if not isinstance(choice, Mapping):
        return choice
    told = dict(choice)
    if traits.native_finish and told.get("finish_reason") == "stop":
        told["finish_reason"] = native_finish
    message = told.get("message")
    if isinstance(message, Mapping):
        calls = _list(message.get("tool_calls"))
        if calls and traits.tool_arguments == "object":
            told["message"] = {**message, "tool_calls": [_with_object(call) for call in calls]}
        if calls and traits.openai:
            ids = [{**call, "id": f"call_{n}"} for n, call in enumerate(calls) if isinstance(call, Mapping)]
            told["message"] = {
                "role": "assistant",
                "content": message.get("content") or None,
                "tool_calls": ids,
            }
            told["finish_reason"] = "tool_calls"
    if traits.openai and told.get("finish_reason") in {"eos_token", "stop_sequence"}:
        told["finish_reason"] = "stop"
    return told


def _with_object(call: JSON) -> JSON:
    """A call with its arguments as an object, as TGI had them before 3.0."""
    if not isinstance(call, Mapping):
        return call
    function = call.get("function")
    if not isinstance(function, Mapping):
        return call
    text = function.get("arguments")
    arguments: JSON = json.loads(text) if isinstance(text, str) else text
    return {**call, "function": {**function, "arguments": arguments}}


# --- streams ------------------------------------------------------------------------------------------


def stream_frames(traits: Traits, route: str, frames: Sequence[str], raw_tokens: Sequence[str]) -> list[str]:
    """The data of a stream of TGI 3.3 in a persona's form.

    ``raw_tokens`` are the model's tokens, for the personas that stream a call as raw text.
    """
    values = [frame for frame in frames if frame != DONE]
    openai_route = route in {"chat", "completions"}
    told = list(_told(traits, route, values, raw_tokens))
    ends = openai_route and traits.done and DONE in frames
    return [*told, *([DONE] if ends else [])]


def _told(traits: Traits, route: str, frames: Sequence[str], raw_tokens: Sequence[str]) -> Iterator[str]:
    pending = list(raw_tokens)
    first = True
    for frame in frames:
        value: JSON = json.loads(frame)
        if not isinstance(value, Mapping):
            yield frame
        elif "error" in value:
            yield dumps(_error_event(traits, value))
        elif route not in {"chat", "completions"}:
            yield dumps(_native_event(traits, value))
        elif traits.single_tool_call and _is_call(value):
            yield from (dumps(chunk) for chunk in _raw_call(traits, route, value, pending))
            pending = []
        else:
            yield from (dumps(chunk) for chunk in _chunks(traits, route, value, first=first))
        first = False


def _error_event(traits: Traits, value: Mapping[str, JSON]) -> JSON:
    error = value.get("error")
    if traits.openai and isinstance(error, Mapping):
        return {"error": openai_error(str(error.get("message")), ErrorForm(500))}
    return value


def _native_event(traits: Traits, value: Mapping[str, JSON]) -> JSON:
    details = value.get("details")
    if traits.input_length or not isinstance(details, Mapping):
        return value
    return {**value, "details": {name: item for name, item in details.items() if name != "input_length"}}


def _is_call(value: Mapping[str, JSON]) -> bool:
    return any("tool_calls" in _delta(choice) for choice in _list(value.get("choices")))


def _raw_call(traits: Traits, route: str, value: Mapping[str, JSON], tokens: Sequence[str]) -> Iterator[JSON]:
    """One chunk a token of the model's text, none of them named; the last one finishes."""
    named = _named(traits, route, value, chunk=True)
    for index, token in enumerate(tokens):
        last = index == len(tokens) - 1
        function: JSON = {"name": None, "arguments": token}
        call: JSON = {"index": 0, "id": "", "type": "function", "function": function}
        reason = ("eos_token" if traits.native_finish else "stop") if last else None
        delta: JSON = {"role": "assistant", "tool_calls": call}
        yield {
            **named,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}],
        }


def _chunks(traits: Traits, route: str, value: Mapping[str, JSON], *, first: bool) -> Iterator[JSON]:
    named = _named(traits, route, value, chunk=True)
    choices = _list(named.get("choices"))
    if not choices or route != "chat":
        yield {**named, "choices": [_choice(traits, choice, "eos_token") for choice in choices]}
        return
    choice = choices[0] if isinstance(choices[0], Mapping) else {}
    if traits.openai:
        yield from _openai_chunks(named, choice, first=first)
        return
    ended = choice.get("finish_reason") == "stop"
    told = dict(choice)
    if ended and traits.native_finish:
        told["finish_reason"] = "eos_token"
    if ended and traits.end_token_text:
        told["delta"] = {**_delta(choice), "content": "</s>"}
    yield {**named, "choices": [told]}


def _openai_chunks(named: dict[str, JSON], choice: Mapping[str, JSON], *, first: bool) -> Iterator[JSON]:
    """The role in a chunk of its own first, the finish in one of its own last."""
    rest = {name: item for name, item in choice.items() if name not in {"delta", "finish_reason"}}
    delta = {name: item for name, item in _delta(choice).items() if name != "role"}
    reason = choice.get("finish_reason")
    if first:
        opening: JSON = {"role": "assistant", "content": ""}
        yield {**named, "choices": [{**rest, "delta": opening, "logprobs": None, "finish_reason": None}]}
    if delta.get("content") != "":
        yield {**named, "choices": [{**rest, "delta": delta, "finish_reason": None}]}
    if reason is not None:
        finish = "stop" if reason == "stop_sequence" else reason
        yield {**named, "choices": [{**rest, "delta": {}, "finish_reason": finish}]}


def _delta(choice: JSON) -> Mapping[str, JSON]:
    delta = choice.get("delta") if isinstance(choice, Mapping) else None
    return delta if isinstance(delta, Mapping) else {}


def _list(value: JSON) -> Sequence[JSON]:
    return value if isinstance(value, list | tuple) else ()


# --- single values of TGI 3.3 ---------------------------------------------------------------------------


def plain_told(traits: Traits, value: Mapping[str, JSON], status: int) -> JSON:
    """The JSON of a plain answer or an error of TGI 3.3 as the persona gives it; what is its own stays.

    Raises ``ValueError`` where the arguments of a call are no JSON and the persona has them as an object.
    """
    error = value.get("error")
    if traits.openai and isinstance(error, str):
        return {"error": openai_error(error, ErrorForm(status))}
    route = _route_of(value)
    return value if route is None else plain_value(traits, route, value, "eos_token")


def event_told(traits: Traits, value: Mapping[str, JSON]) -> JSON | None:
    """The JSON of an event of TGI 3.3 as the persona gives it; None: it takes several events for it.

    What is in the persona's own form stays as it is.
    """
    if "error" in value:
        error = value["error"]
        own = isinstance(error, Mapping) and "param" in error
        return value if own else _error_event(traits, value)
    if "token" in value:
        return _native_event(traits, value)
    route = _route_of(value)
    if route is None or (traits.openai and _is_own_chunk(value)):
        return value
    if traits.single_tool_call and _is_call(value):
        deltas = map(_delta, _list(value["choices"]))
        return None if any(isinstance(delta.get("tool_calls"), list) for delta in deltas) else value
    told = list(_chunks(traits, route, value, first=False))
    return told[0] if len(told) == 1 else None


def _is_own_chunk(value: Mapping[str, JSON]) -> bool:
    """Whether a chunk of OpenAI's form is the role alone, or the finish alone."""
    deltas = [_delta(choice) for choice in _list(value.get("choices"))]
    return all(set(delta) <= {"role"} or not delta.get("content", True) for delta in deltas)


def _route_of(value: Mapping[str, JSON]) -> Literal["chat", "completions"] | None:
    """The route whose answers and chunks look so; None: it is no answer of OpenAI's form."""
    choices = [choice for choice in _list(value.get("choices")) if isinstance(choice, Mapping)]
    if not choices:
        return None
    return "completions" if "text" in choices[0] else "chat"


def info_value(traits: Traits, value: Mapping[str, JSON]) -> JSON:
    """``/info`` as the persona's version tells it."""
    if traits.version.startswith("1."):
        return {
            "model_id": value["model_id"],
            "model_sha": None,
            "model_dtype": "torch.float16",
            "model_device_type": "cuda",
            "model_pipeline_tag": "text-generation",
            "max_concurrent_requests": value["max_concurrent_requests"],
            "max_best_of": value["max_best_of"],
            "max_stop_sequences": value["max_stop_sequences"],
            "max_input_length": value["max_input_tokens"],
            "max_total_tokens": value["max_total_tokens"],
            "waiting_served_ratio": 1.2,
            "max_batch_total_tokens": 32_000,
            "max_waiting_tokens": 20,
            "validation_workers": value["validation_workers"],
            "version": traits.version,
            "sha": None,
            "docker_label": None,
        }
    return {**value, "version": traits.version}
