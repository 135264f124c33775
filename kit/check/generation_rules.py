"""What holds of every generation, whatever the model says: shape, counts, order, ends. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tgi_conformance.check.asked import DONE, Answered
from tgi_conformance.contracts.schema.registry import problems
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest

#: ``(rule, expected, observed)``
Broken = tuple[str, str, str]
_SCHEMAS: Final[Mapping[str, str]] = {
    "generate": "tgi/generate-response",
    "compat": "tgi/compat-response",
    "chat": "tgi/chat-completion",
    "completions": "tgi/completion",
}
_EVENT_SCHEMAS: Final[Mapping[str, str]] = {
    "generate_stream": "tgi/native-token-event",
    "compat": "tgi/native-token-event",
    "chat": "tgi/chat-chunk",
    "completions": "tgi/completion-chunk",
}
_NATIVE_ENDS: Final = frozenset({"length", "eos_token", "stop_sequence"})
_OPENAI_ENDS: Final = frozenset({"length", "stop", "eos_token", "stop_sequence", "tool_calls"})


def broken_rules(request: GenerationRequest, answered: Answered) -> Iterator[Broken]:
    """What is wrong with the answer to a request that TGI takes."""
    if request.stream:
        yield from _stream(request, answered)
    else:
        yield from _plain(request, answered)


# --- plain answers -----------------------------------------------------------------------------------------


def _plain(request: GenerationRequest, answered: Answered) -> Iterator[Broken]:
    if answered.media_type != "application/json":
        yield "content type", "application/json", answered.media_type
    schema = _SCHEMAS.get(request.route)
    if schema is not None:
        for problem in problems(schema, answered.value)[:1]:
            yield "schema", f"as the schema {schema} has it", problem
            return
    value: Any = answered.value
    body = value[0] if isinstance(value, list) and value else value
    if not isinstance(body, dict):
        yield "body", "a JSON object", answered.text
    elif request.route in {"chat", "completions"}:
        yield from _openai_plain(request, body)
    else:
        yield from _native_plain(request, body)


def _native_plain(request: GenerationRequest, body: dict[str, Any]) -> Iterator[Broken]:
    text, details = str(body.get("generated_text")), body.get("details")
    if request.details != (details is not None):
        yield "details", "details" if request.details else "no details", str(details)[:80]
    if request.return_full_text and not text.startswith(request.prompts[0]):
        yield "full text", f"a text that begins with {request.prompts[0]!r}", text[:80]
    if not isinstance(details, dict):
        return
    yield from _counts(request, details, len(details.get("tokens", ())))
    yield from _native_end(request, details.get("finish_reason"), details.get("generated_tokens"), text)
    if request.parameters.decoder_input_details and not details.get("prefill"):
        yield "prefill", "the tokens of the prompt", "none"
    if not request.parameters.decoder_input_details and details.get("prefill"):
        yield "prefill", "no tokens of the prompt", f"{len(details['prefill'])} tokens"
    others = details.get("best_of_sequences")
    wanted = (request.parameters.best_of or 1) - 1
    if len(others or ()) != max(wanted, 0):
        yield "best_of", f"{wanted} further sequences", f"{len(others or ())}"
    yield from _top_tokens(request, details.get("tokens", ()), details.get("top_tokens"))


def _top_tokens(request: GenerationRequest, tokens: Sequence[Any], top: Any) -> Iterator[Broken]:
    asked = request.parameters.top_n_tokens
    if asked and len(top or ()) != len(tokens):
        yield "top_n_tokens", f"a list for each of {len(tokens)} tokens", f"{len(top or ())}"


def _counts(request: GenerationRequest, details: Mapping[str, Any], tokens: int) -> Iterator[Broken]:
    generated, limit = details.get("generated_tokens"), request.parameters.max_new_tokens
    if generated != tokens:
        yield "token count", f"generated_tokens {tokens}, as many as there are tokens", str(generated)
    if limit is not None and isinstance(generated, int) and generated > limit:
        yield "length limit", f"at most {limit} tokens", str(generated)
    seed = request.parameters.seed
    if request.parameters.samples and seed is not None and details.get("seed") != seed:
        yield "seed", f"the seed {seed}", str(details.get("seed"))


def _native_end(request: GenerationRequest, reason: Any, generated: Any, text: str) -> Iterator[Broken]:
    limit, stops = request.parameters.max_new_tokens, request.parameters.stop
    if reason not in _NATIVE_ENDS:
        yield "finish reason", f"one of {', '.join(sorted(_NATIVE_ENDS))}", str(reason)
    elif reason == "length" and limit is not None and generated != limit:
        yield "finish reason", f"length at {limit} tokens", f"length at {generated}"
    elif reason != "length" and limit is not None and isinstance(generated, int) and generated > limit:
        yield "finish reason", "length", str(reason)
    elif reason == "stop_sequence" and not any(text.endswith(stop) for stop in stops):
        yield "stop sequence", f"a text that ends with one of {list(stops)}", text[-80:]


def _openai_plain(request: GenerationRequest, body: dict[str, Any]) -> Iterator[Broken]:
    wanted = "chat.completion" if request.route == "chat" else "text_completion"
    if body.get("object") != wanted:
        yield "object", wanted, str(body.get("object"))
    choices = body.get("choices") or ()
    if len(choices) != len(request.prompts):
        yield "choices", f"{len(request.prompts)}", f"{len(choices)}"
    for choice in choices:
        reason = choice.get("finish_reason")
        if reason not in _OPENAI_ENDS:
            yield "finish reason", f"one of {', '.join(sorted(_OPENAI_ENDS))}", str(reason)
    yield from usage(request, body.get("usage"), len(request.prompts))
    if request.route == "chat" and request.logprobs and not any(c.get("logprobs") for c in choices):
        yield "logprobs", "logprobs", "none"
    yield from calls(request, [choice.get("message", {}).get("tool_calls") for choice in choices])


def usage(request: GenerationRequest, told: Any, texts: int) -> Iterator[Broken]:
    """What is wrong with the counts of tokens of an answer with so many texts."""
    if not isinstance(told, dict):
        yield "usage", "the counts of tokens", str(told)
        return
    counts = [told.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    if not all(isinstance(count, int) for count in counts):
        yield "usage", "three counts", str(told)
        return
    prompt, completion, total = (int(str(count)) for count in counts)
    limit = request.parameters.max_new_tokens
    if prompt + completion != total:
        yield "usage", f"a total of {prompt + completion}", str(total)
    elif limit is not None and completion > limit * texts:
        yield "length limit", f"at most {limit * texts} tokens", str(completion)


def calls(request: GenerationRequest, made: Sequence[Any]) -> Iterator[Broken]:
    """What is wrong with the calls of tools that each choice makes."""
    for several in made:
        for call in several or ():
            function = call.get("function", {})
            known = {name for name, _ in request.tools}
            if function.get("name") not in known:
                yield "tool call", f"one of the tools {sorted(known)}", str(function.get("name"))
            elif request.forced_function not in {None, function.get("name")}:
                yield "tool call", f"the tool {request.forced_function}", str(function.get("name"))


# --- streams -----------------------------------------------------------------------------------------------


def _stream(request: GenerationRequest, answered: Answered) -> Iterator[Broken]:
    if not answered.streamed:
        yield "content type", "text/event-stream", answered.media_type
        return
    if "chunked" not in (answered.header("transfer-encoding") or ""):
        yield "framing", "transfer-encoding: chunked", str(answered.header("transfer-encoding"))
    frames = answered.frames
    schema = _EVENT_SCHEMAS[request.route]
    if not frames and not request.gives_tools:
        yield "events", "at least one event", answered.text or "none"
        return
    if not frames:  # the model wrote no call, and TGI says nothing of that (measured)
        return
    for number, frame in enumerate(frames):
        if isinstance(frame, dict) and "error" in frame:
            yield "events", f"event {number + 1} of a generation", str(frame)[:200]
            return
        wrong = ["no JSON"] if frame is None else problems(schema, frame)
        if wrong:
            yield "event schema", f"as the schema {schema} has it", wrong[0]
            return
    openai = request.route in {"chat", "completions"}
    yield from end_mark(answered, openai=openai)
    yield from _openai_events(request, frames) if openai else _native_events(request, frames)


def end_mark(answered: Answered, *, openai: bool) -> Iterator[Broken]:
    """What is wrong with the place of ``[DONE]``."""
    marks = [number for number, event in enumerate(answered.events) if event.data == DONE]
    if openai and marks != [len(answered.events) - 1]:
        yield "end mark", "[DONE] as the last event", f"[DONE] at {marks} of {len(answered.events)} events"
    if not openai and marks:
        yield "end mark", "no [DONE] on the native routes", f"[DONE] at {marks}"


def _native_events(request: GenerationRequest, frames: Sequence[Any]) -> Iterator[Broken]:
    *early, last = frames
    order = [frame.get("index") for frame in frames]
    if order != list(range(1, len(frames) + 1)):
        yield "index", f"1 to {len(frames)}", str(order)
    if any(frame.get("generated_text") is not None or frame.get("details") for frame in early):
        yield "last event", "text and details in the last event alone", "earlier ones have them"
    if last.get("generated_text") is None:
        yield "last event", "generated_text in the last event", "none"
        return
    text = "".join(f["token"]["text"] for f in frames if not f["token"].get("special"))
    whole = str(last["generated_text"])
    if not whole.strip().endswith(text.strip()) and text.strip():
        yield "stream text", f"the pieces joined, {text!r}, in generated_text", repr(whole)
    details = last.get("details")
    if isinstance(details, dict):
        yield from _counts(request, details, len(frames))
        yield from _native_end(request, details.get("finish_reason"), details.get("generated_tokens"), whole)


def _openai_events(request: GenerationRequest, frames: Sequence[Any]) -> Iterator[Broken]:
    wanted = "chat.completion.chunk" if request.route == "chat" else "text_completion"
    kinds = {frame.get("object") for frame in frames}
    if kinds != {wanted}:
        yield "object", wanted, ", ".join(sorted(map(str, kinds)))
    choices = [choice for frame in frames for choice in frame.get("choices") or ()]
    ends = [choice.get("finish_reason") for choice in choices if choice.get("finish_reason")]
    # Where tools were given TGI ends a stream without one (measured).
    if len(ends) != len(request.prompts) and not request.gives_tools:
        yield "finish reason", f"{len(request.prompts)} in the stream", str(ends)
    if stray := [end for end in ends if end not in _OPENAI_ENDS]:
        yield "finish reason", f"one of {', '.join(sorted(_OPENAI_ENDS))}", str(stray)
    if request.route == "chat" and choices and choices[0].get("delta", {}).get("role") != "assistant":
        yield "role", "assistant in the first piece", str(choices[0].get("delta"))
    usages = [frame["usage"] for frame in frames if frame.get("usage")]
    if request.include_usage and not usages:
        yield "usage", "the counts of tokens, as include_usage asks", "none"
    for last in usages[-1:]:
        yield from usage(request, last, len(request.prompts))
