"""Answers of TGI 2 in the form of 3.3, where 2.4.1 was measured to give the same in another form. Pure."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

from tgi_conformance.check.asked import Answered


def as_3_3(answered: Answered) -> Answered:
    """The answer as TGI 3.3 would give it; one without such a difference as it is."""
    if answered.streamed:
        return _stream(answered)
    if not isinstance(answered.value, dict) or b'"tool_calls"' not in answered.body:
        return answered
    value: dict[str, Any] = deepcopy(answered.value)
    for function in _functions(value):
        # Arguments are an object.
        if isinstance(function.get("arguments"), dict):
            function["arguments"] = json.dumps(function["arguments"])
    return replace(answered, body=json.dumps(value).encode())


def _functions(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for choice in value.get("choices") or ():
        for call in (choice.get("message") or {}).get("tool_calls") or ():
            yield call.get("function") or {}


def _stream(answered: Answered) -> Answered:
    if b'"chat.completion.chunk"' not in answered.body:
        return answered
    lines = [line for event in answered.events for line in _lines(event.data)]
    return replace(answered, body="".join(f"data: {line}\n\n" for line in lines).encode())


def _lines(data: str) -> Iterator[str]:
    try:
        value = json.loads(data)
    except ValueError:
        yield data
        return
    if not isinstance(value, dict):
        yield data
        return
    for choice in value.get("choices") or ():
        delta = choice.get("delta") or {}
        # A piece of a call stands alone, not in a list.
        if isinstance(delta.get("tool_calls"), dict):
            delta["tool_calls"] = [delta["tool_calls"]]
    usage = value.get("usage")
    if usage is None or not value.get("choices"):
        yield json.dumps(value)
        return
    # The counts stand in the last piece, not in an event of their own behind it.
    yield json.dumps(value | {"usage": None})
    yield json.dumps(value | {"choices": []})
