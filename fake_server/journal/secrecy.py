"""Takes credentials out of what is shown or written: those a request carries, wherever else they stand."""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from tgi_conformance.contracts.redaction import redact_bytes, redact_text

Headers = Iterable[tuple[str, str]]

CREDENTIALS: Final = frozenset(
    {"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie", "set-cookie", "x-auth-token"}
)
_QUERY: Final = re.compile(r"key|token|secret|password", re.IGNORECASE)
#: What is shorter is taken out of its own place only: elsewhere it may be chance.
_LEAST: Final = 6


def credentials(headers: Headers, target: str = "", *, alias: str) -> dict[str, str]:
    """What a request shows as credentials, by names that begin with ``alias``."""
    found: list[str] = []
    for name, value in headers:
        if name.lower() in CREDENTIALS:
            found += _secrets_of(name.lower(), value)
    found += [value for name, value in parse_qsl(target.partition("?")[2]) if _QUERY.search(name)]
    distinct = [secret for secret in dict.fromkeys(found) if len(secret) >= _LEAST]
    return {alias if not number else f"{alias}{number + 1}": secret for number, secret in enumerate(distinct)}


def _secrets_of(name: str, value: str) -> list[str]:
    if name in {"cookie", "set-cookie"}:
        return [part.partition("=")[2].strip() for part in value.split(";")]
    return [value.partition(" ")[2].strip() or value.strip()]


def stripped_headers(headers: Headers, keys: Mapping[str, str], alias: str) -> tuple[tuple[str, str], ...]:
    """The headers without credentials; a credential's header keeps its scheme only."""
    return tuple((name, _stripped_value(name, value, keys, alias)) for name, value in headers)


def _stripped_value(name: str, value: str, keys: Mapping[str, str], alias: str) -> str:
    if name.lower() not in CREDENTIALS:
        return redact_text(value, keys)
    clean = redact_text(value, keys)
    if clean != value and name.lower() not in {"cookie", "set-cookie"}:
        return clean
    scheme, _, rest = value.partition(" ")
    return f"{scheme} key:{alias}" if rest and "=" not in scheme else f"key:{alias}"


def stripped_target(target: str, keys: Mapping[str, str]) -> str:
    """The target without credentials."""
    path, mark, query = target.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&"))
    clean = "&".join(
        f"{name}{equals}{'key:any' if value and _QUERY.search(name) else value}"
        for name, equals, value in pairs
    )
    return redact_text(f"{path}{mark}{clean}", keys)


__all__ = ["CREDENTIALS", "credentials", "redact_bytes", "redact_text", "stripped_headers", "stripped_target"]
