"""Kinds of stimuli in a plain answer: its status, its headers, its body. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tgi_conformance.contracts.causes.forms import kinds_of_form
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script.replies import Body, Response
from tgi_conformance.contracts.unset import UNSET

_NOTHING: Final = object()
_OK: Final = 200
_FAILED: Final = 400
_MOVED: Final = range(300, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asked for, as far as it says which answers are right."""

    route: Literal["native", "chat", "completions", ""] = ""
    streamed: bool = False


def kinds_of_answer(response: Response, asked: Asked) -> Iterator[str]:
    """What is unusual in a plain answer to that request."""
    yield from _kinds_of_headers(response)
    if response.status in _MOVED:
        yield "redirect"
    elif response.status >= _FAILED:
        yield f"status-{response.status}"
        yield from _kinds_of_error(response.body)
    elif response.status == _OK and asked.streamed:
        yield "not-a-stream"
    elif response.status == _OK:
        yield from _kinds_of_success(response.body, asked)


def kinds_of_headers(headers: tuple[tuple[str, str], ...], content_type: str | None) -> Iterator[str]:
    """Unusual headers of an answer or a stream."""
    named = {name.lower(): value for name, value in headers}
    label = named.get("content-type", content_type) or ""
    if "set-cookie" in named:
        yield "cookie"
    if named.get("content-encoding", "identity") != "identity":
        yield "content-coding"
    charset = label.lower().partition("charset=")[2].strip('" ')
    if charset and charset not in ("utf-8", "utf8"):
        yield "charset"
    elif label != label.lower() or " ;" in label:
        yield "media-type-form"
    if "retry-after" in named:
        yield _of_retry_after([value for name, value in headers if name.lower() == "retry-after"])


def _kinds_of_headers(response: Response) -> Iterator[str]:
    if response.gzip:
        yield "content-coding"
    if response.trailers:
        yield "trailers"
    if response.content_length is not None:
        yield "length-lies"
    yield from kinds_of_headers(response.headers, response.body.content_type)


def _of_retry_after(values: list[str]) -> str:
    if len(values) == 1 and values[0].isascii() and values[0].isdecimal() and len(values[0]) < 10:
        return "retry-after"
    return "retry-after-date" if len(values) == 1 and values[0].endswith("GMT") else "retry-after-bad"


def _kinds_of_error(body: Body) -> Iterator[str]:
    value = _value(body)
    if value is _NOTHING:
        yield "error-html" if body.html is not None else "error-text" if body.text else "error-empty"
    elif not isinstance(value, Mapping):
        yield "error-no-object"
    elif not isinstance(value.get("error"), str):
        yield "error-odd"


def _kinds_of_success(body: Body, asked: Asked) -> Iterator[str]:
    value = _value(body)
    if value is _NOTHING:
        yield "not-json"
        return
    inner = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(inner, Mapping) and inner.get("error") is not None:
        yield "error-in-200"
    elif isinstance(inner, Mapping) and _holds_answer(inner, asked):
        if "error" in inner:
            yield "error-null"
        yield from kinds_of_form([inner])
    else:
        yield "no-answer-in-json"


def _holds_answer(value: Mapping[str, JSON], asked: Asked) -> bool:
    """Whether it is the answer of that route, or of one that generates nothing (models, info)."""
    if "generated_text" in value:
        if asked.route not in ("native", ""):
            return False
        return isinstance(value["generated_text"], str)
    if "choices" not in value:
        return "model_id" in value or "data" in value
    if asked.route == "native":
        return False
    choices = value["choices"]
    return isinstance(choices, list) and bool(choices) and all(map(_is_choice, choices))


def _is_choice(choice: JSON) -> bool:
    if not isinstance(choice, Mapping):
        return False
    message = choice.get("message")
    said = message if isinstance(message, Mapping) else choice
    return any(isinstance(said.get(name), str) for name in ("content", "text")) or bool(
        said.get("tool_calls")
    )


def _value(body: Body) -> object:
    """What the body says as JSON; ``_NOTHING`` where it is none."""
    if body.json is not UNSET:
        return body.json
    if body.base64 is not None or body.html is not None:
        return _NOTHING
    try:
        return json.loads(body.text or "")
    except ValueError:
        return _NOTHING
