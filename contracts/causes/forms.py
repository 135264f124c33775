"""Kinds of stimuli in the form of answers and chunks: finish reasons, tool calls, log probabilities. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from tgi_conformance.contracts.json_types import JSON

#: The finish reasons that TGI 3 sends on its native routes, and on OpenAI's.
_NATIVE: Final = frozenset({"length", "eos_token", "stop_sequence"})
_REASONS: Final = _NATIVE | {"stop", "tool_calls"}
#: What TGI sends on any of its routes, at the levels that are looked at.
_KNOWN: Final = frozenset(
    {"object", "id", "created", "model", "system_fingerprint", "choices", "usage", "generated_text"}
    | {"index", "message", "delta", "logprobs", "finish_reason", "text", "token", "top_tokens"}
    | {"details", "error", "error_type"}
)


def kinds_of_form(values: Sequence[Mapping[str, JSON]], *, whole: bool = True) -> Iterator[str]:
    """What is unusual in an answer, or in the chunks of a stream; ``whole``: that has come to its end."""
    choices = [choice for value in values for choice in _tables(value.get("choices"))]
    yield from _finish(values, choices, whole=whole)
    yield from _tools(choices)
    yield from _rest(values, choices)


def _finish(
    values: Sequence[Mapping[str, JSON]], choices: Sequence[Mapping[str, JSON]], *, whole: bool
) -> Iterator[str]:
    details = [value["details"] for value in values if isinstance(value.get("details"), Mapping)]
    given = [(one.get("finish_reason"), _REASONS) for one in choices]
    given += [(one.get("finish_reason"), _NATIVE) for one in details if isinstance(one, Mapping)]
    # In a stream all chunks but the last have none.
    if whole and given and all(reason is None for reason, _ in given):
        yield "finish-reason-null"
    elif any(reason is not None and reason not in known for reason, known in given):
        yield "finish-reason-new"


def _tools(choices: Sequence[Mapping[str, JSON]]) -> Iterator[str]:
    said = [
        part for choice in choices for name in ("message", "delta") for part in _tables([choice.get(name)])
    ]
    given = [part["tool_calls"] for part in said if "tool_calls" in part]
    if any(isinstance(calls, Mapping) for calls in given):
        yield "tool-calls-object"
    if given and not any(given):
        yield "tool-calls-empty"
    if any(given):
        yield "tool-calls"
        calls = [call for one in given for call in _tables(one if isinstance(one, list) else [one])]
        fragments = any(isinstance(choice.get("delta"), Mapping) for choice in choices)
        yield from _calls(calls, fragments=fragments)


def _calls(calls: Sequence[Mapping[str, JSON]], *, fragments: bool) -> Iterator[str]:
    if fragments and any(not isinstance(call.get("index"), int) for call in calls):
        yield "tool-call-index"
    if len({json.dumps(call.get("index")) for call in calls}) > 1 or (not fragments and len(calls) > 1):
        yield "tool-calls-interleaved"
    if not fragments and any(not call.get("id") or not isinstance(call["id"], str) for call in calls):
        yield "tool-call-id"
    arguments = [function.get("arguments") for call in calls for function in _tables([call.get("function")])]
    if any(isinstance(one, Mapping) for one in arguments):
        yield "arguments-object"
    if not fragments and any(isinstance(one, str) and not _is_json(one) for one in arguments):
        yield "arguments-broken"


def _rest(values: Sequence[Mapping[str, JSON]], choices: Sequence[Mapping[str, JSON]]) -> Iterator[str]:
    if len({json.dumps(choice.get("index")) for choice in choices}) > 1:
        yield "several-choices"
    if any(choice.get("logprobs") for choice in choices):
        yield "logprobs"
    if choices and all("logprobs" not in choice for choice in choices):
        yield "no-logprobs"
    tokens = [token for value in values for token in _tables([value.get("token")])]
    if any(token.get("special") for token in tokens):
        yield "special-token"
    if any(set(table) - _KNOWN for table in (*values, *choices)):
        yield "unknown-fields"


def _tables(values: JSON) -> list[Mapping[str, JSON]]:
    """Those of a list that are objects; of anything else none."""
    items: Iterable[JSON] = values if isinstance(values, list) else ()
    return [item for item in items if isinstance(item, Mapping)]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
