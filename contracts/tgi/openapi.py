"""``/api-doc/openapi.json``: the routes and the schemas of this project as one OpenAPI 3.1 document.

Made from the JSON schemas under ``schemas/tgi``, which were held against recordings, not from TGI's own
document, which differs from what TGI does on the wire.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Final, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.registry import URN, schema
from tgi_conformance.contracts.tgi.info import VERSION

_COMPONENTS: Final = "#/components/schemas/"

#: Path -> method -> (summary, request schema, answer schema or media type, stream event schema).
_OPERATIONS: Final[Mapping[str, Mapping[str, tuple[str, str, str, str]]]] = {
    "/": {
        "get": ("Health", "", "", ""),
        "post": ("Generate, or stream", "compat-request", "compat-response", "native-token-event"),
    },
    "/generate": {"post": ("Generate", "generate-request", "generate-response", "")},
    "/generate_stream": {"post": ("Stream tokens", "generate-stream-request", "", "native-token-event")},
    "/v1/chat/completions": {"post": ("Chat", "chat-request", "chat-completion", "chat-chunk")},
    "/v1/completions": {"post": ("Complete", "completion-request", "completion", "completion-chunk")},
    "/v1/models": {"get": ("The served model", "", "models", "")},
    "/tokenize": {"post": ("Tokenize", "tokenize-request", "tokenize-response", "")},
    "/chat_tokenize": {
        "post": (
            "Apply the chat template and tokenize",
            "chat-tokenize-request",
            "chat-tokenize-response",
            "",
        )
    },
    "/invocations": {"post": ("SageMaker", "sagemaker-request", "", "")},
    "/vertex": {"post": ("Vertex", "vertex-request", "vertex-response", "")},
    "/info": {"get": ("The server's settings", "", "info", "")},
    "/health": {"get": ("Health", "", "", "")},
    "/ping": {"get": ("Health", "", "", "")},
    "/metrics": {"get": ("Prometheus metrics", "", "text/plain", "")},
}

#: Statuses that a generation route answers with an error body of its own.
_ERRORS: Final = ("422", "424", "429", "500")
_TEXT_ERRORS: Final = {"400": "Not JSON", "413": "Too large", "415": "Not application/json"}


@cache
def openapi_text() -> str:
    """The document as JSON text."""
    return json.dumps(openapi(), ensure_ascii=False, separators=(",", ":"))


def openapi() -> JSON:
    """The document."""
    used: dict[str, JSON] = {}
    paths: dict[str, JSON] = {
        path: {method: _operation(path, method, *row, used) for method, row in methods.items()}
        for path, methods in _OPERATIONS.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Text Generation Inference, as imitated",
            "version": VERSION,
            "description": "What the fake TGI server of tgi-conformance accepts and answers.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(used.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    path: str, method: str, summary: str, request: str, answer: str, event: str, used: dict[str, JSON]
) -> JSON:
    responses: dict[str, JSON] = {"200": _ok(answer, event, used)}
    operation: dict[str, JSON] = {"summary": summary, "operationId": _id(path, method)}
    if request:
        operation["requestBody"] = {"required": True, "content": {"application/json": _ref(request, used)}}
        error: JSON = {
            "description": "An error",
            "content": {"application/json": _ref("error-response", used)},
        }
        responses.update(dict.fromkeys(_ERRORS, error))
        responses["401"] = {"description": "The key is missing or wrong"}
        responses.update(
            {
                status: {"description": text, "content": {"text/plain": {"schema": {"type": "string"}}}}
                for status, text in _TEXT_ERRORS.items()
            }
        )
        responses["422"] = {
            "description": "The body does not fit, or a value is refused",
            "content": {
                "application/json": _ref("error-response", used),
                "text/plain": {"schema": {"type": "string"}},
            },
        }
        operation["security"] = [{}, {"key": []}]
    operation["responses"] = responses
    return operation


def _id(path: str, method: str) -> str:
    return f"{method}_{path.strip('/').replace('/', '_') or 'root'}"


def _ok(answer: str, event: str, used: dict[str, JSON]) -> JSON:
    content: dict[str, JSON] = {}
    if "/" in answer:
        content[answer] = {"schema": {"type": "string"}}
    elif answer:
        content["application/json"] = _ref(answer, used)
    if event:
        error = "native-error-event" if event.startswith("native") else "openai-error-event"
        every: list[JSON] = [_ref(name, used)["schema"] for name in (event, error)]
        content["text/event-stream"] = {"schema": {"description": "Each event's data", "anyOf": every}}
    return {"description": "An answer", "content": content} if content else {"description": "An answer"}


def _ref(name: str, used: dict[str, JSON]) -> dict[str, JSON]:
    _take(name, used)
    return {"schema": {"$ref": _COMPONENTS + name}}


def _take(name: str, used: dict[str, JSON]) -> None:
    """Put a schema, and all that it refers to, among the components."""
    if name in used:
        return
    used[name] = None
    document = {key: value for key, value in schema(f"tgi/{name}").items() if key not in {"$id", "$schema"}}
    used[name] = _relinked(cast("JSON", document), name, used)


def _relinked(value: JSON, inside: str, used: dict[str, JSON]) -> JSON:
    if isinstance(value, Mapping):
        return {
            key: _linked(item, inside, used)
            if key == "$ref" and isinstance(item, str)
            else _relinked(item, inside, used)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_relinked(item, inside, used) for item in value]
    return value


def _linked(reference: str, inside: str, used: dict[str, JSON]) -> str:
    document, _, pointer = reference.partition("#")
    name = document.removeprefix(f"{URN}tgi:") if document else inside
    _take(name, used)
    return _COMPONENTS + name + pointer
