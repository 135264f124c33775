"""What a JavaScript adapter says of a client: the values that its template is filled with. Pure."""

from collections.abc import Iterator
from typing import Final

from tgi_conformance.cli.init.python_adapter import Call
from tgi_conformance.cli.init.surface import ClientClass, Method, Surface

#: The package whose interface the template knows by name.
_OPENAI: Final = "openai"
_CHAT: Final = ("frequency_penalty", "max_tokens", "presence_penalty", "seed", "stop", "temperature", "top_p")
_CAPABILITIES: Final = ("chat", "stream", "keys", "retry", "timeout")
_MORE: Final = ("stream", "retry", "timeout", "close", "tools", "async", "cancel")
#: Names in JavaScript -> the adapter's method.
_NAMES: Final = {
    "generate": ("generate", "textGeneration", "generateText"),
    "chat": ("chat", "chatCompletion"),
}
_CALLS: Final = {
    "generate": ("prompt", "native", "generated_text", ("max_new_tokens", "temperature")),
    "chat": ("messages", "chat", "choices[0].message.content", ("max_tokens", "temperature")),
}
_ASSUMED: Final = ClientClass(name="Client", methods={"chat": Method(name="chat")})


def javascript_values(surface: Surface, module: str) -> dict[str, object]:
    """The values of ``javascript.mjs.jinja``, beside those that every template has."""
    if module == _OPENAI:
        return _openai()
    client = surface.client or _ASSUMED
    calls = tuple(_calls(client)) or tuple(_calls(_ASSUMED))
    capabilities = (*(call.capability for call in calls), "keys")
    return {
        "openai": False,
        "client": client.name,
        "statement": f'import {{ {client.name} }} from "{_from_adapter(module)}";',
        "guessed": surface.client is None or not tuple(_calls(client)),
        "calls": calls,
        "capabilities": capabilities,
        "more": tuple(name for name in _MORE if name not in capabilities),
        "status": surface.status or "status",
    }


def _openai() -> dict[str, object]:
    chat = Call(
        wanted="chat",
        subject="messages",
        capability="chat",
        method="chat",
        stream="chat",
        parameters=_CHAT,
        text="",
        piece="",
    )
    return {
        "openai": True,
        "client": "OpenAI",
        "statement": 'import OpenAI from "openai";',
        "guessed": False,
        "calls": (chat,),
        "capabilities": _CAPABILITIES,
        "more": tuple(name for name in _MORE if name not in _CAPABILITIES),
        "status": "status",
    }


def _from_adapter(module: str) -> str:
    """The specifier of an import: a file of the project is one folder above the adapter."""
    return f".{module}" if module.startswith("./") else module


def _calls(client: ClientClass) -> Iterator[Call]:
    for wanted, names in _NAMES.items():
        method = next((name for name in names if name in client.methods), None)
        if method is not None:
            subject, capability, text, parameters = _CALLS[wanted]
            yield Call(
                wanted=wanted,
                subject=subject,
                capability=capability,
                method=method,
                stream="",
                parameters=parameters,
                text=text,
                piece="",
            )
