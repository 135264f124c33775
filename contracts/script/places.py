"""Placeholders in header values of a script, as ``{origin:b}``: found, checked and filled in."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.script import Chaos, Concurrency, Limits, Reply, Script, TokenBucket

_ORIGIN: Final = re.compile(r"\{origin:([^{}]*)\}")
RETRY_AFTER: Final = "{retry-after}"

Headers = tuple[tuple[str, str], ...]


def origins_named(headers: Headers) -> Iterator[tuple[int, str]]:
    """Number of the header, and the origin that a placeholder in it names."""
    for number, (_, value) in enumerate(headers):
        for name in _ORIGIN.findall(value):
            yield number, name


def with_origins(reply: Reply, origins: Mapping[str, str]) -> Reply:
    """The reply with each ``{origin:NAME}`` replaced; ``origins`` maps a name to scheme, host and port."""
    return _with_values(reply, lambda value: _ORIGIN.sub(lambda found: origins[found[1]], value))


def with_retry_after(reply: Reply, seconds: int) -> Reply:
    """The reply with ``{retry-after}`` replaced."""
    return _with_values(reply, lambda value: value.replace(RETRY_AFTER, str(seconds)))


def script_with_origins(script: Script, origins: Mapping[str, str]) -> Script:
    """The script with the placeholders of all its replies replaced."""

    def filled(reply: Reply | None) -> Reply | None:
        return None if reply is None else with_origins(reply, origins)

    return replace(
        script,
        replies=tuple(with_origins(reply, origins) for reply in script.replies),
        otherwise=filled(script.otherwise),
        limits=_limits(script.limits, filled),
        chaos=_chaos(script.chaos, filled),
    )


def _limits(limits: Limits, filled: Callable[[Reply | None], Reply | None]) -> Limits:
    bucket: TokenBucket | None = limits.bucket
    concurrency: Concurrency | None = limits.concurrency
    return Limits(
        bucket=None if bucket is None else replace(bucket, reply=filled(bucket.reply)),
        concurrency=None if concurrency is None else replace(concurrency, reply=filled(concurrency.reply)),
    )


def _chaos(chaos: Chaos | None, filled: Callable[[Reply | None], Reply | None]) -> Chaos | None:
    if chaos is None:
        return None
    return replace(chaos, fates=tuple(replace(fate, reply=filled(fate.reply)) for fate in chaos.fates))


def _with_values(reply: Reply, change: Callable[[str], str]) -> Reply:
    """The same object where nothing is to be replaced: most scripts have no placeholder."""
    changes: dict[str, object] = {}
    if reply.response is not None:
        headers = _changed(reply.response.headers, change)
        if headers != reply.response.headers:
            changes["response"] = replace(reply.response, headers=headers)
    if reply.stream is not None:
        headers = _changed(reply.stream.headers, change)
        if headers != reply.stream.headers:
            changes["stream"] = replace(reply.stream, headers=headers)
    return replace(reply, **changes) if changes else reply  # type: ignore[arg-type]


def _changed(headers: Headers, change: Callable[[str], str]) -> Headers:
    return tuple((name, change(value)) if "{" in value else (name, value) for name, value in headers)
