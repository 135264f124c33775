"""Requests from the domains: each parameter's values one at a time, bodies that are none, pages. Pure."""

import json
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final

from tgi_conformance.check.asked import Asked
from tgi_conformance.check.domains import BODIES, CHAT, COMPLETIONS, CONTENT_TYPES, LENGTH, NATIVE, Values
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.tgi.info import ROUTES

_PROMPT: Final = "What is Deep Learning?"
_MESSAGES: Final[JSON] = [{"role": "user", "content": _PROMPT}]
#: Routes that answer a GET, and that cost nothing.
_PAGES: Final = ("/info", "/health", "/ping", "/v1/models", "/metrics", "/")
_TOOL: Final[JSON] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string", "enum": ["Bern"]}},
            "required": ["place"],
        },
    },
}
_CHOICES: Final[tuple[JSON, ...]] = (
    "auto",
    "required",
    {"type": "function", "function": {"name": "weather"}},
)
#: Values that are wrong on their own: of two, the server has to tell the one that its order puts first.
_WRONG: Final[Mapping[str, JSON]] = {
    "temperature": -1.0,
    "top_p": 1.5,
    "top_k": 0,
    "repetition_penalty": -1.0,
    "frequency_penalty": 3.0,
    "max_new_tokens": 0,
}


def every_request() -> Iterator[Asked]:
    """All requests, those that cost nothing first."""
    yield from _pages()
    yield from _odd_bodies()
    yield from _native("/generate")
    yield from _native("/generate_stream")
    yield from _native("/", stream=True)
    yield from _openai("/v1/chat/completions", {"messages": _MESSAGES}, CHAT)
    yield from _openai("/v1/completions", {"prompt": _PROMPT}, COMPLETIONS)
    yield from _repeated()
    yield from _tools()
    yield from _orders()


def _asked(name: str, path: str, body: JSON) -> Asked:
    return Asked(name=name, path=path, body=json.dumps(body).encode())


def _pages() -> Iterator[Asked]:
    for path in _PAGES:
        yield Asked(name=f"GET {path}", method="GET", path=path, content_type=None)
        yield Asked(name=f"HEAD {path}", method="HEAD", path=path, content_type=None)
    yield Asked(name="a path that TGI does not have", method="GET", path="/no-such-route", content_type=None)
    for path, route in ROUTES.items():
        if route.post is None and path in _PAGES:
            yield Asked(name=f"POST {path}", path=path, body=b"{}")
        elif route.get is None:
            yield Asked(name=f"GET {path}", method="GET", path=path, content_type=None)


def _odd_bodies() -> Iterator[Asked]:
    for path in ("/generate", "/generate_stream", "/v1/chat/completions", "/v1/completions", "/tokenize"):
        for name, body in BODIES.items():
            yield Asked(name=name, path=path, body=body)
    for content_type in CONTENT_TYPES:
        body = json.dumps({"inputs": _PROMPT, "parameters": {"max_new_tokens": 1}}).encode()
        name = f"content type {content_type}"
        yield Asked(name=name, path="/generate", body=body, content_type=content_type)


def _native(path: str, *, stream: bool = False) -> Iterator[Asked]:
    base: dict[str, JSON] = {"max_new_tokens": LENGTH, "details": True}
    more: dict[str, JSON] = {"stream": True} if stream else {}
    yield _asked("as plain as can be", path, {"inputs": _PROMPT, "parameters": base, **more})
    for name, value in _each(NATIVE):
        parameters = base | {name: value}
        if name == "best_of":
            parameters |= {"do_sample": True}
        yield _asked(f"{name}={_short(value)}", path, {"inputs": _PROMPT, "parameters": parameters, **more})
    for inputs in ("", " ", 7, None):
        yield _asked(f"inputs={_short(inputs)}", path, {"inputs": inputs, "parameters": base, **more})


def _openai(path: str, base: Mapping[str, JSON], values: Values) -> Iterator[Asked]:
    whole: dict[str, JSON] = {"model": "tgi", "max_tokens": LENGTH, **base}
    for streams in (False, True):
        form: dict[str, JSON] = {"stream": True} if streams else {}
        words = ", streamed" if streams else ""
        yield _asked(f"as plain as can be{words}", path, whole | form)
        for name, value in _each(values):
            yield _asked(f"{name}={_short(value)}{words}", path, whole | form | {name: value})


def _repeated() -> Iterator[Asked]:
    """Requests that are made twice: the same seed has to give the same text."""
    parameters: JSON = {"max_new_tokens": LENGTH, "do_sample": True, "seed": 7, "details": True}
    for _ in range(2):
        yield _asked("seed=7 again", "/generate", {"inputs": _PROMPT, "parameters": parameters})


def _tools() -> Iterator[Asked]:
    base: dict[str, JSON] = {"model": "tgi", "messages": _MESSAGES, "tools": [_TOOL], "max_tokens": 64}
    for choice in _CHOICES:
        for streams in (False, True):
            form: dict[str, JSON] = {"stream": True} if streams else {}
            name = f"tool_choice={_short(choice)}{', streamed' if streams else ''}"
            yield _asked(name, "/v1/chat/completions", {**base, **form, "tool_choice": choice})


def _orders() -> Iterator[Asked]:
    for one, other in combinations(_WRONG, 2):
        parameters = {"max_new_tokens": LENGTH, one: _WRONG[one], other: _WRONG[other]}
        yield _asked(f"{one} and {other} wrong", "/generate", {"inputs": _PROMPT, "parameters": parameters})


def _each(values: Values) -> Iterator[tuple[str, JSON]]:
    for name, several in values.items():
        for value in several:
            yield name, value


def _short(value: JSON) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
