"""Whole answers of the three kinds of call, read from a 200. Pure.

Unknown fields are ignored and optional ones may be missing; what makes an answer an answer must be
there. A 200 that is no answer raises: ``RemoteError`` (or ``OverloadedError``) for an error
object, ``ProtocolError`` for anything else. Text is returned exactly as it came.
"""

from collections.abc import Mapping
from typing import Final, Literal

from tgi_conformance.backends.reference import json_values, logprobs
from tgi_conformance.backends.reference.answers import Answer, Usage
from tgi_conformance.backends.reference.errors import EXCERPT_LIMIT, ProtocolError
from tgi_conformance.backends.reference.failures import is_error_object, remote_error
from tgi_conformance.backends.reference.json_values import (
    JSON,
    as_count,
    as_list,
    as_object,
    as_text,
)
from tgi_conformance.backends.reference.tool_calls import tool_calls

Kind = Literal["generate", "chat", "completions"]

_OK: Final = 200
_PROMPT_HEADER: Final = "x-prompt-tokens"
_GENERATED_HEADER: Final = "x-generated-tokens"


def parse_answer(kind: Kind, body: bytes, headers: Mapping[str, str], request_id: str) -> Answer:
    """Return the answer in the body of a 200."""
    try:
        value = json_values.decode(body)
    except ValueError as error:
        reason = str(error)
    else:
        if is_error_object(value):
            raise remote_error(value, status=_OK, raw=body.decode("utf-8", "replace"))
        answer = _READERS[kind](value, headers, request_id)
        if answer is not None:
            return answer
        reason = "it lacks the fields of an answer"
    excerpt = body[: 4 * EXCERPT_LIMIT].decode("utf-8", "replace")[:EXCERPT_LIMIT]
    raise ProtocolError(
        f"a 200 whose body is no {kind} answer ({reason}): {excerpt or 'empty'}",
        status=_OK,
        excerpt=excerpt,
    )


def usage_from(usage: JSON, details: JSON = None, headers: Mapping[str, str] | None = None) -> Usage:
    """Return the token counts from the first place that states each.

    OpenAI's ``usage``, then native ``details`` (``input_length`` on streams), then the headers.
    """
    stated, detail, lines = as_object(usage), as_object(details), headers or {}
    prompt = (stated.get("prompt_tokens"), detail.get("input_length"), _figure(lines, _PROMPT_HEADER))
    generated = (
        stated.get("completion_tokens"),
        detail.get("generated_tokens"),
        _figure(lines, _GENERATED_HEADER),
    )
    return Usage(_first_count(prompt), _first_count(generated))


def _first_count(places: tuple[JSON, ...]) -> int | None:
    return next((count for count in map(as_count, places) if count is not None), None)


def _figure(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(2**64)) else None


def _native(value: JSON, headers: Mapping[str, str], request_id: str) -> Answer | None:
    """Read an object (``/generate``) or a list of one (``/``)."""
    entries = value if isinstance(value, list) else [value]
    texts = [as_text(as_object(entry).get("generated_text")) for entry in entries]
    if not texts or None in texts:
        return None
    details = as_object(entries[0]).get("details")
    return Answer(
        text=texts[0] or "",
        texts=tuple(text or "" for text in texts),
        finish_reason=as_text(as_object(details).get("finish_reason")),
        usage=usage_from(None, details, headers),
        request_id=request_id,
        logprobs=logprobs.native_tokens(details),
        prompt_logprobs=logprobs.native_prompt(details),
        raw=value,
    )


def _chat(value: JSON, headers: Mapping[str, str], request_id: str) -> Answer | None:
    choices = _by_index(value)
    message = choices[0].get("message") if choices else None
    if not isinstance(message, dict):
        return None
    reason = as_text(choices[0].get("finish_reason"))
    calls = message.get("tool_calls")
    content = message.get("content")
    if not calls and not isinstance(content, str):
        return None
    messages = [as_object(choice.get("message")) for choice in choices]
    return Answer(
        text=as_text(content) or "",
        texts=tuple(as_text(each.get("content")) or "" for each in messages),
        finish_reason=reason,
        usage=usage_from(as_object(value).get("usage"), None, headers),
        tool_calls=tool_calls(calls, finish_reason=reason) if calls else (),
        request_id=request_id,
        logprobs=logprobs.chat_tokens(choices[0]),
        raw=value,
    )


def _completions(value: JSON, headers: Mapping[str, str], request_id: str) -> Answer | None:
    choices = _by_index(value)
    texts = [as_text(choice.get("text")) for choice in choices]
    if not texts or None in texts:
        return None
    return Answer(
        text=texts[0] or "",
        texts=tuple(text or "" for text in texts),
        finish_reason=as_text(choices[0].get("finish_reason")),
        usage=usage_from(as_object(value).get("usage"), None, headers),
        request_id=request_id,
        raw=value,
    )


def _by_index(value: JSON) -> list[dict[str, JSON]]:
    """Return the choices by their ``index``: TGI lists them as they are done."""
    choices = [as_object(choice) for choice in as_list(as_object(value).get("choices"))]
    places = [as_count(choice.get("index")) for choice in choices]
    ranked = zip((i if p is None else p for i, p in enumerate(places)), choices, strict=True)
    return [choice for _, choice in sorted(ranked, key=lambda pair: pair[0])]


_READERS: Final = {"generate": _native, "chat": _chat, "completions": _completions}
