"""The call shapes: one per kind of generation call, with the wire forms that the recordings show for it.

What a backend is fed is cut from recorded exchanges (``contracts/examples``); only texts and counts change.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Event, EventStream, Generation, Reply, data, done, status
from tgi_conformance.contracts.wire_examples import wire_example

Method = Literal["generate", "chat", "completions"]
#: A decoded JSON object that is about to be changed.
Draft = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy(Reply):
    """A healthy answer of which nothing but its health matters: a real server may answer in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of generation call, and how TGI answers it."""

    name: str
    method: Method
    capability: str
    #: The routes that a plain and a streaming call of this shape may use.
    plain_paths: tuple[str, ...]
    stream_paths: tuple[str, ...]
    #: TGI's name of the length limit.
    limit: str
    #: The recorded answer that plain bodies are cut from.
    plain_example: str
    _plain: Callable[[Draft, str, str, tuple[int, int] | None], JSON]
    _token: Callable[[str, int], JSON]
    _last: Callable[[str, int, str, str], JSON]
    _error: Callable[[str, str], JSON]
    #: Whether a stream ends with ``[DONE]``.
    ends_with_done: bool

    def arguments(self, prompt: str) -> dict[str, object]:
        """The adapter's arguments for a prompt."""
        if self.method == "chat":
            return {"messages": [{"role": "user", "content": prompt}]}
        return {"prompt": prompt}

    def prompt_of(self, body: JSON) -> str:
        """The prompt that a request body carries (the last message's content for chat)."""
        draft = cast("Draft", body)
        if self.method == "chat":
            return str(draft["messages"][-1]["content"])
        return str(draft["inputs"] if self.method == "generate" else draft["prompt"])

    def parameters_of(self, body: JSON) -> Mapping[str, JSON]:
        """The object of a request body that holds the generation parameters."""
        draft = cast("Draft", body)
        if self.method == "generate":
            return cast("Mapping[str, JSON]", draft.get("parameters") or {})
        return {key: value for key, value in draft.items() if key not in ("messages", "prompt")}

    def body(self, text: str, *, finish: str = "length", usage: tuple[int, int] | None = None) -> JSON:
        """The JSON of a plain answer."""
        return self._plain(
            copy.deepcopy(cast("Draft", wire_example(self.plain_example).json)), text, finish, usage
        )

    def plain(self, text: str, *, finish: str = "length", usage: tuple[int, int] | None = None) -> Reply:
        """A healthy plain answer, spelled out."""
        return status(200, json=self.body(text, finish=finish, usage=usage), root_array=True)

    def events(self, tokens: Sequence[str], *, finish: str = "length") -> tuple[Event, ...]:
        """The frames of a healthy stream of these tokens, the end marks included."""
        *head, last = tokens
        frames = [data(self._token(token, at)) for at, token in enumerate(head)]
        frames.append(data(self._last(last, len(head), finish, "".join(tokens))))
        return (*frames, done()) if self.ends_with_done else tuple(frames)

    def open_events(self, tokens: Sequence[str]) -> tuple[Event, ...]:
        """Frames of these tokens with no end mark after them."""
        return tuple(data(self._token(token, at)) for at, token in enumerate(tokens))

    def stream(self, tokens: Sequence[str], *, finish: str = "length", **fields: object) -> Reply:
        """A healthy stream, spelled out frame by frame."""
        return self.frames(*self.events(tokens, finish=finish), **fields)

    def frames(self, *events: Event, **fields: object) -> Reply:
        """A stream of any frames."""
        return Reply(stream=EventStream(events=events, **fields))  # type: ignore[arg-type]

    def error_event(self, message: str, error_type: str = "generation") -> Event:
        """An error inside a stream, as TGI reports it on this route."""
        return data(self._error(message, error_type))

    def error_frames(self, message: str, error_type: str = "generation") -> tuple[Event, ...]:
        """The error and what TGI sends after it."""
        event = self.error_event(message, error_type)
        return (event, done()) if self.ends_with_done else (event,)

    def reply(self, text: str, *, streaming: bool) -> Reply:
        """A healthy answer of either form; a stream gets a token a word."""
        made = self.stream(words(text)) if streaming else self.plain(text)
        return Healthy(response=made.response, stream=made.stream)


def words(text: str) -> tuple[str, ...]:
    """Cut a text into tokens as TGI's do: a blank leads each word; never empty."""
    parts = text.split(" ")
    return tuple(piece for piece in (parts[0], *(f" {part}" for part in parts[1:])) if piece) or ("",)


def _event(name: str, at: int) -> Draft:
    return copy.deepcopy(cast("Draft", wire_example(name).events[at]))


def _native_plain(body: Draft, text: str, finish: str, usage: tuple[int, int] | None) -> JSON:
    body["generated_text"] = text
    body["details"]["finish_reason"] = {"stop": "eos_token"}.get(finish, finish)
    if usage is not None:
        body["details"]["generated_tokens"] = usage[1]
        body["details"]["tokens"] = []
    return body


def _native_token(text: str, at: int) -> JSON:
    event = _event("gens-minimal", 0)
    event["index"] = at + 1
    event["token"]["text"] = text
    return event


def _native_last(text: str, at: int, finish: str, full: str) -> JSON:
    event = _event("gens-details-eos", -1)
    event["index"] = at + 1
    event["token"] |= {"text": text, "special": False}
    event["generated_text"] = full
    event["details"] |= {
        "finish_reason": {"stop": "eos_token"}.get(finish, finish),
        "generated_tokens": at + 1,
    }
    return event


def _native_error(message: str, error_type: str) -> JSON:
    return _event("fail-shard-error-mid-gens", -1) | {"error": message, "error_type": error_type}


def _chat_plain(body: Draft, text: str, finish: str, usage: tuple[int, int] | None) -> JSON:
    choice = body["choices"][0]
    choice["message"]["content"] = text
    choice["finish_reason"] = {"eos_token": "stop"}.get(finish, finish)
    _set_usage(body, usage)
    return body


def _chat_token(text: str, at: int) -> JSON:  # noqa: ARG001 - chunks carry no position
    event = _event("chat-stream-length", 0)
    event["choices"][0]["delta"]["content"] = text
    return event


def _chat_last(text: str, at: int, finish: str, full: str) -> JSON:  # noqa: ARG001
    event = _event("chat-stream-length", -1)
    event["choices"][0]["delta"]["content"] = text
    event["choices"][0]["finish_reason"] = {"eos_token": "stop"}.get(finish, finish)
    return event


def _openai_error(message: str, error_type: str) -> JSON:  # noqa: ARG001 - the type is not told there
    event = _event("over-429-chat-stream", 0)
    event["error"]["message"] = message
    return event


def _completions_plain(body: Draft, text: str, finish: str, usage: tuple[int, int] | None) -> JSON:
    body["choices"][0] |= {"text": text, "finish_reason": {"eos_token": "stop"}.get(finish, finish)}
    _set_usage(body, usage)
    return body


def _completions_token(text: str, at: int) -> JSON:  # noqa: ARG001
    event = _event("cmpl-stream-length", 0)
    event["choices"][0]["text"] = text
    return event


def _completions_last(text: str, at: int, finish: str, full: str) -> JSON:  # noqa: ARG001
    event = _event("cmpl-stream-length", -1)
    event["choices"][0] |= {"text": text, "finish_reason": finish}
    return event


def _set_usage(body: Draft, usage: tuple[int, int] | None) -> None:
    if usage is not None:
        prompt, completion = usage
        body["usage"] = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }


NATIVE: Final = Shape(
    name="native",
    method="generate",
    capability="native",
    plain_paths=("/generate", "/"),
    stream_paths=("/generate_stream", "/"),
    limit="max_new_tokens",
    plain_example="gen-details-length",
    _plain=_native_plain,
    _token=_native_token,
    _last=_native_last,
    _error=_native_error,
    ends_with_done=False,
)
CHAT: Final = Shape(
    name="chat",
    method="chat",
    capability="chat",
    plain_paths=("/v1/chat/completions",),
    stream_paths=("/v1/chat/completions",),
    limit="max_tokens",
    plain_example="chat-basic",
    _plain=_chat_plain,
    _token=_chat_token,
    _last=_chat_last,
    _error=_openai_error,
    ends_with_done=True,
)
COMPLETIONS: Final = Shape(
    name="completions",
    method="completions",
    capability="completions",
    plain_paths=("/v1/completions",),
    stream_paths=("/v1/completions",),
    limit="max_tokens",
    plain_example="cmpl-basic",
    _plain=_completions_plain,
    _token=_completions_token,
    _last=_completions_last,
    _error=_openai_error,
    ends_with_done=True,
)

#: By preference: a clause that binds any call is judged on the first of these that is claimed.
SHAPES: Final = (CHAT, NATIVE, COMPLETIONS)
SHAPE_BY_NAME: Final = {shape.name: shape for shape in SHAPES}


def healthy(**fields: object) -> Reply:
    """A TGI that answers any route in its own form, with the prompt as text."""
    return Healthy(tgi=Generation(echo=True, **fields))  # type: ignore[arg-type]
