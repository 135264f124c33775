"""What a Python adapter says of a client whose source was read: the values of its template. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tgi_conformance.cli.doctor_description import PARAMETERS
from tgi_conformance.cli.init.surface import METHODS, ClientClass, Method, Surface
from tgi_conformance.contracts.adapter import SETTINGS

#: What constructors call the address and the key.
_URLS: Final = ("base_url", "url", "endpoint_url", "endpoint", "api_base", "server_url", "host")
_KEYS: Final = ("api_key", "token", "key", "auth_token", "access_token", "bearer_token", "bearer")
#: Settings that mean something else in a client's constructor, or need more than to be passed on.
_NOT_PASSED: Final = frozenset({"model", "headers"})
#: Adapter's method -> what it takes, its capability, and where an answer and a piece have their text.
_CALLS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "generate": ("prompt", "native", "generated_text", "token.text"),
    "chat": ("messages", "chat", "choices[0].message.content", 'choices[0].delta.content or ""'),
}
#: What a method that takes any keyword surely hands on: each client has them.
_EVERYDAY: Final[Mapping[str, tuple[str, ...]]] = {
    "generate": ("max_new_tokens", "temperature"),
    "chat": ("max_tokens", "temperature"),
}
#: Setting -> the capability that it stands for.
_OF_SETTINGS: Final = {"max_retries": "retry", "timeout": "timeout"}
_MORE: Final = ("stream", "retry", "timeout", "close", "tools", "async")
#: What is written where nothing of a client could be read.
_ASSUMED: Final = ClientClass(name="Client", methods={"generate": Method(name="generate", takes_all=True)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One method of the adapter."""

    wanted: str
    subject: str
    capability: str
    #: The client's method, and the one that gives a stream of it; empty: none.
    method: str
    stream: str
    parameters: tuple[str, ...]
    #: Where an answer has its text, and a piece of a stream.
    text: str
    piece: str


def openai_values() -> dict[str, object]:
    """The values of ``openai.py.jinja``: the interface of that package is known."""
    return {
        "capabilities": ("chat", "stream", "keys", "retry", "timeout", "close"),
        "more": ("completions", "tools", "logprobs", "img", "async"),
    }


def python_values(surface: Surface, module: str) -> dict[str, object]:
    """The values of ``native.py.jinja``, beside those that every template has."""
    client = surface.client or _ASSUMED
    calls = tuple(calls_of(client)) or tuple(calls_of(_ASSUMED))
    settings = tuple(name for name in SETTINGS if name in client.made_with and name not in _NOT_PASSED)
    capabilities = tuple(_capabilities(client, calls, settings))
    return {
        "client": {"name": client.name, "module": client.module or module},
        "guessed": surface.client is None or not tuple(calls_of(client)),
        "calls": calls,
        "settings": settings,
        "constructor": constructor(client, passes_settings=bool(settings)),
        "by_headers": _by_headers(client),
        "closes": "close" in client.methods,
        "capabilities": capabilities,
        "more": tuple(name for name in _MORE if name not in capabilities),
        "status": surface.status,
    }


def calls_of(client: ClientClass) -> Iterator[Call]:
    """The adapter's methods that a client can serve."""
    for wanted in METHODS:
        method = client.serving(wanted)
        if method is None:
            continue
        subject, capability, text, piece = _CALLS[wanted]
        apart = client.stream_of(method)
        stream = apart.name if apart is not None else method.name if "stream" in method.parameters else ""
        yield Call(
            wanted=wanted,
            subject=subject,
            capability=capability,
            method=method.name,
            stream=stream,
            parameters=_parameters(wanted, method),
            text=text,
            piece=piece,
        )


def constructor(client: ClientClass, *, passes_settings: bool) -> tuple[str, ...]:
    """The arguments that a client is made with: by the constructor's names, or by position where it has none.

    A constructor that has parameters, but none for a key, gets no key.
    """
    made = client.made_with
    url = next((f"{name}=base_url" for name in _URLS if name in made), "base_url")
    key = next((f"{name}=api_key" for name in _KEYS if name in made), "" if made else "api_key")
    if _by_headers(client):
        key = "headers=headers"
    return tuple(filter(None, (url, key, "**settings" if passes_settings else "")))


def _by_headers(client: ClientClass) -> bool:
    """Whether a client has no parameter for a key, but one for headers."""
    return "headers" in client.made_with and not set(_KEYS) & set(client.made_with)


def _parameters(wanted: str, method: Method) -> tuple[str, ...]:
    surely = _EVERYDAY[wanted] if method.takes_all else ()
    return tuple(sorted(PARAMETERS[wanted] & {*method.parameters, *surely}))


def _capabilities(client: ClientClass, calls: tuple[Call, ...], settings: tuple[str, ...]) -> Iterator[str]:
    yield from (call.capability for call in calls)
    if all(call.stream for call in calls):  # the claim is for every call
        yield "stream"
    yield "keys"
    yield from (_OF_SETTINGS[name] for name in settings if name in _OF_SETTINGS)
    if "close" in client.methods:
        yield "close"
