"""What holds of an answer of any server that speaks OpenAI's API, whatever its model and its extras. Pure.

Servers differ in what they take and in what they add (measured on vLLM, SGLang and llama.cpp), so a refusal
is no breach where it is an error in JSON, and further members are none.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tgi_conformance.check.asked import Answered, Asked
from tgi_conformance.check.generation_rules import Broken, calls, end_mark, usage
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest

_ENDS: Final = frozenset({"length", "stop", "tool_calls", "function_call", "content_filter"})
_OBJECTS: Final[Mapping[tuple[str, bool], str]] = {
    ("chat", False): "chat.completion",
    ("chat", True): "chat.completion.chunk",
    ("completions", False): "text_completion",
    ("completions", True): "text_completion",
}


def broken(asked: Asked, request: GenerationRequest, answered: Answered) -> Iterator[Broken]:
    """What is wrong with the answer to a request for a generation."""
    if answered.problem:
        yield "answer", "a whole answer", answered.problem
    elif answered.status == 200:
        yield from _stream(asked, request, answered) if request.stream else _plain(asked, request, answered)
    elif not 400 <= answered.status < 500 or _is_plain(asked):
        yield "status", "200" if _is_plain(asked) else "200 or 4xx", f"{answered.status}: {answered.text}"
    else:
        yield from _refusal(answered)


def _is_plain(asked: Asked) -> bool:
    return asked.name.startswith("as plain as can be")


def _refusal(answered: Answered) -> Iterator[Broken]:
    value = answered.value
    told = value.get("error", value) if isinstance(value, dict) else None
    message = told.get("message") if isinstance(told, dict) else told
    if not isinstance(message, str) or not message:
        yield "error body", "JSON with a message, in error or beside it", answered.text or "no body"


def _plain(asked: Asked, request: GenerationRequest, answered: Answered) -> Iterator[Broken]:
    body = answered.value
    if not isinstance(body, dict):
        yield "body", "a JSON object", answered.text
        return
    yield from _object(request, [body])
    choices = [choice for choice in _list(body.get("choices")) if isinstance(choice, dict)]
    texts = _member(request)
    wanted = _choices(asked, request)
    if len(choices) != wanted:
        yield "choices", str(wanted), str(len(choices))
    for choice in choices:
        yield from _end(choice.get("finish_reason"))
        if texts not in choice:
            yield "choice", f"the member {texts}", str(sorted(choice))
    yield from usage(request, body.get("usage"), wanted)
    if request.route == "chat":
        yield from calls(request, [_dict(choice.get("message")).get("tool_calls") for choice in choices])


def _stream(asked: Asked, request: GenerationRequest, answered: Answered) -> Iterator[Broken]:
    if not answered.streamed:
        yield "content type", "text/event-stream", answered.media_type
        return
    frames = answered.frames
    for number, frame in enumerate(frames):
        if not isinstance(frame, dict) or "error" in frame:
            yield "events", f"event {number + 1} of a generation, in JSON", str(frame)[:200]
            return
    objects = [frame for frame in frames if isinstance(frame, dict)]
    yield from end_mark(answered, openai=True)
    yield from _object(request, objects)
    choices = [
        choice for frame in objects for choice in _list(frame.get("choices")) if isinstance(choice, dict)
    ]
    ends = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    wanted = _choices(asked, request)
    if len(ends) != wanted:
        yield "finish reason", f"{wanted} in the stream", str(ends)
    for end in ends:
        yield from _end(end)
    usages = [frame["usage"] for frame in objects if frame.get("usage")]
    if request.include_usage and not usages:
        yield "usage", "the counts of tokens, as include_usage asks", "none"
    for last in usages[-1:]:
        yield from usage(request, last, wanted)


def _object(request: GenerationRequest, values: list[dict[str, Any]]) -> Iterator[Broken]:
    wanted = _OBJECTS[request.route, request.stream]
    kinds = {str(value.get("object")) for value in values}
    if kinds - {wanted}:
        yield "object", wanted, ", ".join(sorted(kinds))


def _end(reason: Any) -> Iterator[Broken]:
    if reason not in _ENDS:
        yield "finish reason", f"one of {', '.join(sorted(_ENDS))}", str(reason)


def _member(request: GenerationRequest) -> str:
    return "message" if request.route == "chat" else "text"


def _choices(asked: Asked, request: GenerationRequest) -> int:
    """As many as are asked for; TGI alone takes no notice of ``n``."""
    value = asked.value
    several = value.get("n") if isinstance(value, dict) else None
    return len(request.prompts) * (several if isinstance(several, int) and several > 0 else 1)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
