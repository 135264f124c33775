"""From what a server says to the exception it means. Pure; one table for each of its languages.

Statuses are HTTP's. Inside an answer with status 200 TGI reports errors in two forms, native
``{"error": text, "error_type": word}`` and OpenAI's ``{"error": {"message": text}}``. The second
always claims status 422, so its class is read from the text.
"""

from collections.abc import Sequence
from typing import Final

from tgi_conformance.backends.reference import json_values
from tgi_conformance.backends.reference.errors import (
    EXCERPT_LIMIT,
    AuthenticationError,
    BadRequestError,
    GenerationError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    ProtocolError,
    RateLimitError,
    RedirectError,
    RemoteError,
    ServerError,
    TGIError,
    ValidationError,
)
from tgi_conformance.backends.reference.json_values import JSON, as_text

BY_STATUS: Final[dict[int, type[TGIError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    413: PayloadTooLargeError,
    422: ValidationError,
    424: GenerationError,
    429: RateLimitError,
}
BY_HUNDRED: Final[dict[int, type[TGIError]]] = {
    2: ProtocolError,
    3: RedirectError,
    4: BadRequestError,
    5: ServerError,
}
BY_ERROR_TYPE: Final[dict[tuple[int, str], type[TGIError]]] = {
    (429, "overloaded"): OverloadedError,
    (500, "incomplete_generation"): GenerationError,
    (500, "incomplete_generation_stream"): GenerationError,
}
LONGEST_ESTIMATE: Final = 10**9
OVERLOADED_TYPE: Final = "overloaded"
TYPE_BY_MESSAGE: Final = (
    ("Model is overloaded", OVERLOADED_TYPE),
    ("Input validation error", "validation"),
    ("Request failed during generation", "generation"),
    ("Incomplete generation stream", "incomplete_generation_stream"),
    ("Incomplete generation", "incomplete_generation"),
    ("Template error", "template_error"),
    ("Tool error", "tool_error"),
)
"""How TGI's own messages begin, and the error type that the native form names beside them."""


def status_error(status: int, body: bytes, *, retry_after: float | None = None) -> TGIError:
    """Return the error for an answer with ``status``.

    Takes any body: TGI's JSON, plain text, a proxy's HTML, nothing, or a part of one.
    """
    value = _json_or_none(body)
    message, error_type = reported(value)
    kind = BY_STATUS.get(status) or BY_HUNDRED.get(status // 100) or ProtocolError
    kind = BY_ERROR_TYPE.get((status, error_type or ""), kind)
    excerpt = body.decode("utf-8", "replace").strip()[:EXCERPT_LIMIT]
    said = message[:EXCERPT_LIMIT] if message else excerpt or "no body"
    error = kind(
        f"the server answered {status}: {said}",
        status=status,
        retry_after=retry_after,
        error_type=error_type,
        excerpt=excerpt,
    )
    estimate = value.get("estimated_time") if isinstance(value, dict) else None
    if isinstance(estimate, int | float) and not isinstance(estimate, bool) and estimate >= 0:
        error.estimated_time = float(min(estimate, LONGEST_ESTIMATE))
    return error


def remote_error(value: JSON, *, status: int, raw: str = "") -> TGIError:
    """Return the error that an error object or event inside a 200 stands for."""
    message, error_type = reported(value)
    said = (message or raw or "an error event without a message")[:EXCERPT_LIMIT]
    kind = OverloadedError if error_type == OVERLOADED_TYPE else RemoteError
    return kind(
        f"the server reported an error: {said}",
        status=status,
        error_type=error_type,
        excerpt=(raw or said)[:EXCERPT_LIMIT],
    )


def is_error_object(value: JSON) -> bool:
    """Tell whether a JSON object is an error report."""
    return isinstance(value, dict) and value.get("error") not in (None, False)


def reported(value: JSON) -> tuple[str | None, str | None]:
    """Return message and error type from an error body of any shape."""
    if not isinstance(value, dict):
        return None, None
    inner = value.get("error")
    fields = inner if isinstance(inner, dict) else value
    message = _first_text((as_text(inner), as_text(fields.get("message")), as_text(value.get("detail"))))
    if message is None and inner not in (None, {}, []):
        message = str(inner)
    error_type = as_text(fields.get("error_type")) or as_text(value.get("error_type"))
    return message, error_type or _type_of(message)


def _first_text(candidates: Sequence[str | None]) -> str | None:
    return next((text for text in candidates if text), None)


def _type_of(message: str | None) -> str | None:
    if message is None:
        return None
    return next((kind for start, kind in TYPE_BY_MESSAGE if message.startswith(start)), None)


def _json_or_none(body: bytes) -> JSON:
    try:
        return json_values.decode(body)
    except ValueError:
        return None
