"""The headers of TGI's answers, in the order that hyper writes them (measured, router 3.3.6-dev0).

Framing headers (content-length, transfer-encoding, connection) and date are the writer's.
"""

from dataclasses import dataclass
from typing import Final

Headers = tuple[tuple[str, str], ...]

JSON_TYPE: Final = ("content-type", "application/json")
TEXT_TYPE: Final = ("content-type", "text/plain; charset=utf-8")
STREAM_TYPE: Final = ("content-type", "text/event-stream")

_VARY: Final = ("vary", "origin, access-control-request-method, access-control-request-headers")
ALLOW_ORIGIN: Final = ("access-control-allow-origin", "*")

#: On every ordinary answer, also where the request named no Origin.
CORS: Final[Headers] = (_VARY, ALLOW_ORIGIN)

#: On the answer to any OPTIONS.
PREFLIGHT: Final[Headers] = (
    ALLOW_ORIGIN,
    _VARY,
    ("access-control-allow-methods", "GET,POST"),
    ("access-control-allow-headers", "content-type"),
)

COMPUTE_TYPE: Final = "gpu+optimized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the x- headers of a plain 200 say: tokens, characters, milliseconds."""

    characters: int
    prompt_tokens: int
    generated_tokens: int
    total_ms: int = 0


def plain(measured: Measured, *, compute_time: bool = True) -> Headers:
    """Headers of a plain 200; ``/v1/completions`` lacks x-compute-time."""
    milliseconds = str(measured.total_ms)
    per_token = str(measured.total_ms // max(measured.generated_tokens, 1))
    seconds = (("x-compute-time", f"{measured.total_ms / 1000 + 0.000417:.9f}"),) if compute_time else ()
    return (
        JSON_TYPE,
        ("x-compute-type", COMPUTE_TYPE),
        *seconds,
        ("x-compute-characters", str(measured.characters)),
        ("x-total-time", milliseconds),
        ("x-validation-time", "0"),
        ("x-queue-time", "0"),
        ("x-inference-time", milliseconds),
        ("x-time-per-token", per_token),
        ("x-prompt-tokens", str(measured.prompt_tokens)),
        ("x-generated-tokens", str(measured.generated_tokens)),
        *CORS,
    )


def stream(characters: int) -> Headers:
    """Headers of an event stream."""
    return (
        STREAM_TYPE,
        ("cache-control", "no-cache"),
        ("x-compute-type", COMPUTE_TYPE),
        ("x-compute-characters", str(characters)),
        ("x-accel-buffering", "no"),
        *CORS,
    )


def json_error() -> Headers:
    """Headers of an error with a JSON body, and of the routes that generate nothing."""
    return (JSON_TYPE, *CORS)


def text_error() -> Headers:
    """Headers of an error in plain text (the body was refused)."""
    return (TEXT_TYPE, *CORS)
