"""What TGI says of itself: ``/info``, ``/v1/models``, and the routes it has with their methods."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Server

VERSION: Final = "3.3.6-dev0"
SHA: Final = "db931fcf42da018a3657580c64bf2720f167f9ab"
FINGERPRINT: Final = f"{VERSION}-native"

RouteKind = Literal[
    "generate",
    "generate_stream",
    "compat",
    "chat",
    "completions",
    "invocations",
    "vertex",
    "tokenize",
    "chat_tokenize",
    "info",
    "health",
    "models",
    "metrics",
    "docs",
    "docs_page",
    "openapi",
]


@dataclass(frozen=True, slots=True)
class Route:
    """One path: what a POST and a GET to it reach; ``None`` where the method is not allowed.

    ``allow`` is the header of a 405 exactly as the router writes it.
    """

    post: RouteKind | None
    get: RouteKind | None
    allow: str

    def serves(self, method: str) -> RouteKind | None:
        """What a method reaches."""
        if method == "POST":
            return self.post
        return self.get if method in {"GET", "HEAD"} else None


_POST: Final = "POST"
_GET: Final = "GET,HEAD"

ROUTES: Final = MappingProxyType(
    {
        "/": Route("compat", "health", "POST,GET,HEAD"),
        "/generate": Route("generate", None, _POST),
        "/generate_stream": Route("generate_stream", None, _POST),
        "/v1/chat/completions": Route("chat", None, _POST),
        "/v1/completions": Route("completions", None, _POST),
        "/invocations": Route("invocations", None, _POST),
        "/vertex": Route("vertex", None, _POST),
        "/tokenize": Route("tokenize", None, _POST),
        "/chat_tokenize": Route("chat_tokenize", None, _POST),
        "/metrics": Route(None, "metrics", _GET),
        "/docs": Route(None, "docs", _GET),
        "/docs/": Route(None, "docs_page", _GET),
        "/api-doc/openapi.json": Route(None, "openapi", _GET),
        "/info": Route(None, "info", _GET),
        "/health": Route(None, "health", _GET),
        "/ping": Route(None, "health", _GET),
        "/v1/models": Route(None, "models", _GET),
    }
)

#: Routes that want the key when one is set. POST / is among them, GET / is not; any method of the
#: others is (a 405 there needs the key first). POST /chat_tokenize is not (measured).
PROTECTED: Final = frozenset(
    {
        "/generate",
        "/generate_stream",
        "/v1/chat/completions",
        "/v1/completions",
        "/invocations",
        "/vertex",
        "/tokenize",
    }
)


def wants_key(path: str, method: str) -> bool:
    """Whether TGI asks for the key on this path and method."""
    if method == "OPTIONS":
        return False
    return path in PROTECTED or (path == "/" and method == "POST")


def info(server: Server) -> dict[str, JSON]:
    """The body of ``GET /info``."""
    return {
        "model_id": server.model_id,
        "model_sha": None,
        "model_pipeline_tag": None,
        "max_concurrent_requests": server.max_concurrent_requests,
        "max_best_of": server.max_best_of,
        "max_stop_sequences": server.max_stop_sequences,
        "max_input_tokens": server.max_input_tokens,
        "max_total_tokens": server.max_total_tokens,
        "validation_workers": 2,
        "max_client_batch_size": server.max_client_batch_size,
        "router": "text-generation-router",
        "version": VERSION,
        "sha": SHA,
        "docker_label": None,
    }


def models(server: Server) -> JSON:
    """The body of ``GET /v1/models``."""
    model: JSON = {"id": server.model_id, "object": "model", "created": 0, "owned_by": server.model_id}
    return {"object": "list", "data": [model]}
