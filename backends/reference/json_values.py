"""JSON in and out: one place for how bodies are encoded, read and asked for a field."""

import json
from collections.abc import Mapping
from typing import TypeAlias

from tgi_conformance.backends.reference.errors import InvalidArgumentError

JSON: TypeAlias = "None | bool | int | float | str | list[JSON] | dict[str, JSON]"


def encode(body: Mapping[str, object]) -> bytes:
    """Return ``body`` as strict JSON in UTF-8.

    Raises ``InvalidArgumentError`` for what JSON or UTF-8 cannot hold: NaN, infinities, lone
    surrogates, bytes, cycles.
    """
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        reason = f"a lone surrogate (U+{ord(error.object[error.start]):04X}) has no UTF-8 form"
    except (TypeError, ValueError, RecursionError) as error:
        reason = str(error)
    raise InvalidArgumentError(f"the request cannot be sent as JSON: {reason}")


def decode(body: bytes) -> JSON:
    """Return the JSON value in ``body``, read as UTF-8 whatever charset a header claims.

    Raises ``ValueError`` if it is none. NaN and infinities are not JSON (RFC 8259, 6).
    """
    try:
        value: JSON = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _refuse_constant(token: str) -> JSON:
    raise ValueError(f"{token} is not JSON")


def as_object(value: JSON) -> dict[str, JSON]:
    """Return ``value`` if it is an object, else an empty one: for optional parts of answers."""
    return value if isinstance(value, dict) else {}


def as_list(value: JSON) -> list[JSON]:
    """Return ``value`` if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: JSON) -> str | None:
    """Return ``value`` if it is a string."""
    return value if isinstance(value, str) else None


def as_count(value: JSON) -> int | None:
    """Return ``value`` if it is a whole number, 0 or more."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None
