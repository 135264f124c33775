"""What TGI answers to a request, by the rules of ``contracts.tgi``. Pure."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from tgi_conformance.check.asked import Asked
from tgi_conformance.contracts.script import Server
from tgi_conformance.contracts.targets import path_of
from tgi_conformance.contracts.tgi.errors import TGIError
from tgi_conformance.contracts.tgi.info import ROUTES
from tgi_conformance.contracts.tgi.info import RouteKind as AnyKind
from tgi_conformance.contracts.tgi.requests.asked import GenerationRequest, RouteKind, request_of
from tgi_conformance.contracts.tgi.requests.decoding import BodyError, decode
from tgi_conformance.contracts.tgi.requests.validation import before_permits, refusal, validate

_GENERATES: Final[dict[AnyKind, RouteKind]] = {
    "generate": "generate",
    "generate_stream": "generate_stream",
    "compat": "compat",
    "chat": "chat",
    "completions": "completions",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One of TGI's pages."""

    kind: AnyKind
    #: A HEAD: no body.
    head_only: bool = False


@dataclass(frozen=True, slots=True)
class Empty:
    """A status without a body: 404, 405."""

    status: int
    allow: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """An error; ``streamed``: as an event of a stream that began with 200."""

    error: TGIError
    streamed: bool = False
    openai: bool = False


@dataclass(frozen=True, slots=True)
class Tokenized:
    """The tokens of a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Generated:
    """A generation."""

    request: GenerationRequest


Expected: TypeAlias = Page | Empty | Refused | Tokenized | Generated


def expected(asked: Asked, server: Server) -> Expected | None:
    """What TGI answers; None: nothing is said of such requests here (the routes that wrap others)."""
    path = path_of(asked.path)
    route = ROUTES.get(path)
    if route is None:
        return Empty(404)
    kind = route.serves(asked.method)
    if kind is None:
        return Empty(405, route.allow)
    if asked.method != "POST":
        return Page(kind, head_only=asked.method == "HEAD")
    body = asked.body or b""
    if kind == "tokenize":
        return _tokenized(body, asked.content_type)
    generates = _GENERATES.get(kind)
    if generates is None:
        return None
    try:
        request = request_of(generates, decode(generates, body, asked.content_type))
    except BodyError as refused:
        return Refused(refused.error)
    error = refusal(request, server) or before_permits(request, server) or validate(request, server)
    if error is None:
        return Generated(request)
    openai = generates in {"chat", "completions"}
    return Refused(error, streamed=request.stream and error.in_stream, openai=openai)


def _tokenized(body: bytes, content_type: str | None) -> Refused | Tokenized:
    try:
        inputs = decode("generate", body, content_type)["inputs"]
    except BodyError as refused:
        return Refused(refused.error)
    return Tokenized(inputs if isinstance(inputs, str) else "")
