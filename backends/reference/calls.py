"""A call, prepared: arguments checked, body encoded, ready to be sent as often as need be."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from tgi_conformance.backends.reference.errors import InvalidArgumentError
from tgi_conformance.backends.reference.json_values import encode
from tgi_conformance.backends.reference.messages import Message
from tgi_conformance.backends.reference.own_headers import checked_headers
from tgi_conformance.backends.reference.request_bodies import (
    Body,
    chat_body,
    completions_body,
    native_body,
)
from tgi_conformance.backends.reference.responses import Kind
from tgi_conformance.backends.reference.settings import EndpointSettings, check_seconds
from tgi_conformance.backends.reference.transport import Outgoing

KINDS: Final[tuple[Kind, ...]] = ("generate", "chat", "completions")
CHAT_ROUTE: Final = "/v1/chat/completions"
COMPLETIONS_ROUTE: Final = "/v1/completions"
NATIVE_STREAM_ROUTE: Final = "/generate_stream"


@dataclass(frozen=True, slots=True)
class Call:
    """One call. ``deadline`` is seconds from its start; ``choices``, the texts it asks for."""

    kind: Kind
    outgoing: Outgoing
    choices: int = 1
    deadline: float | None = None

    @property
    def request_id(self) -> str:
        """The caller's id, or the one made for it."""
        return self.outgoing.request_id


def prepare(
    kind: Kind,
    subject: str | Sequence[object],
    settings: EndpointSettings,
    *,
    request_id: str | None = None,
    stream: bool = False,
    deadline: float | None = None,
    headers: Mapping[str, str] | None = None,
    parameters: Mapping[str, object],
) -> Call:
    """Return the call for a prompt or for messages.

    Raises ``InvalidArgumentError`` for what cannot be sent. What the settings are later does not
    matter: a call keeps the key, the URL and the body that it was made with.
    """
    request_id = str(uuid.uuid4()) if request_id is None else _checked_id(request_id)
    if deadline is not None:
        check_seconds("deadline", deadline)
    route, body = _route_and_body(kind, subject, settings, stream=stream, parameters=parameters)
    prompts = body.get("prompt")
    return Call(
        kind=kind,
        outgoing=Outgoing(settings, route, encode(body), request_id, stream, checked_headers(headers)),
        choices=len(prompts) if isinstance(prompts, list) and _all_text(prompts) else 1,
        deadline=deadline,
    )


def _route_and_body(
    kind: Kind,
    subject: str | Sequence[object],
    settings: EndpointSettings,
    *,
    stream: bool,
    parameters: Mapping[str, object],
) -> tuple[str, Body]:
    if kind == "generate":
        route: str = settings.native_route
        body = native_body(subject, parameters=parameters, route=route, stream=stream)
        return (NATIVE_STREAM_ROUTE if stream and route != "/" else route), body
    others = dict(parameters)
    named = others.pop("model", None)
    model = named if isinstance(named, str) else settings.model
    if kind == "completions":
        return COMPLETIONS_ROUTE, completions_body(subject, parameters=others, model=model, stream=stream)
    messages = cast("Sequence[Message]", subject)
    return CHAT_ROUTE, chat_body(messages, parameters=others, model=model, stream=stream)


def _all_text(prompts: list[object]) -> bool:
    return bool(prompts) and all(isinstance(prompt, str) for prompt in prompts)


def _checked_id(request_id: str) -> str:
    usable = isinstance(request_id, str) and request_id.isascii() and request_id.isprintable()
    if not usable or not request_id or request_id.strip() != request_id:
        raise InvalidArgumentError(
            "request_id must be printable ASCII without line ends and without blanks at its ends"
        )
    return request_id
