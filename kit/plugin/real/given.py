"""The real endpoints that options and environment name: addresses, keys, bounds.

``TGI_ENDPOINT`` with ``HF_API_KEY`` is the first; ``HF_API_KEY_1`` the second, at ``TGI_ENDPOINT_1`` where
that is set, else at the same address. Keys leave the environment for the egress, and nothing else has them.
"""

import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tgi_conformance.fake_server.egress.budget import MAX_REQUESTS, MAX_TOKENS
from tgi_conformance.fake_server.egress.endpoints import Orders, RealEndpoint, header_of
from tgi_conformance.fake_server.forwarding.reaching import parts_of
from tgi_conformance.plugin.options import ENDPOINT_VARIABLE as ENDPOINT

KEY: Final = "HF_API_KEY"
_NUMBERED: Final = re.compile(r"_([1-9][0-9]*)$")
CONCURRENCY: Final = 4


class Asked(Protocol):
    """The options of a run against a real endpoint."""

    tgi_endpoint: str | None
    tgi_cacert: str | None
    tgi_header: Sequence[str] | None
    tgi_max_requests: int | None
    tgi_max_tokens: int | None
    tgi_real_concurrency: int | None
    tgi_dry_run: bool


class RealProblem(ValueError):
    """Something about the real endpoint that cannot be followed: says which, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What is known of the real endpoints before anything is asked of them."""

    orders: Orders
    #: The first address, fit to be shown.
    shown: str


def read_given(asked: Asked, environment: Mapping[str, str], token: str) -> Given:
    """Read them; raises :class:`RealProblem`, which shows no key and no password."""
    first = asked.tgi_endpoint or environment[ENDPOINT]
    source = "--tgi-endpoint" if asked.tgi_endpoint else ENDPOINT
    try:
        parts_of(first, source)
        endpoints = tuple(_endpoints(first, environment))
        headers = tuple(header_of(text) for text in asked.tgi_header or ())
        cacert = None if asked.tgi_cacert is None else _file(asked.tgi_cacert)
    except ValueError as problem:
        raise RealProblem(str(problem)) from None
    orders = Orders(
        token=token,
        endpoints=endpoints,
        headers=headers,
        cacert=cacert,
        max_requests=_bound(asked.tgi_max_requests, "--max-requests", MAX_REQUESTS),
        max_tokens=_bound(asked.tgi_max_tokens, "--max-tokens", MAX_TOKENS),
        concurrency=_bound(asked.tgi_real_concurrency, "--real-concurrency", CONCURRENCY),
        dry_run=asked.tgi_dry_run,
    )
    return Given(orders=orders, shown=first)


def _endpoints(first: str, environment: Mapping[str, str]) -> Sequence[RealEndpoint]:
    """One an API key; without any, one without a key."""
    numbers = sorted(number for name in environment if (number := _number(name, KEY)) is not None)
    stray = sorted(number for name in environment if (number := _number(name, ENDPOINT)) is not None)
    if unknown := [number for number in stray if number and number not in numbers]:
        raise RealProblem(f"{ENDPOINT}_{unknown[0]} is set, but {KEY}_{unknown[0]} is not: set the key too")
    made = []
    for number in numbers or [0]:
        url = environment.get(f"{ENDPOINT}_{number}", first) if number else first
        parts_of(url, f"{ENDPOINT}_{number}" if number else ENDPOINT)
        made.append(RealEndpoint(url=url, key=environment.get(f"{KEY}_{number}" if number else KEY, "")))
    return made


def _number(name: str, stem: str) -> int | None:
    if name == stem:
        return 0
    match = _NUMBERED.fullmatch(name.removeprefix(stem)) if name.startswith(stem) else None
    return int(match[1]) if match else None


def _file(path: str) -> Path:
    if not Path(path).is_file():
        raise RealProblem(f"--cacert {path}: there is no such file")
    return Path(path).absolute()


def _bound(given: int | None, option: str, default: int) -> int:
    if given is not None and given < 1:
        raise RealProblem(f"{option} {given}: a number from 1 up is needed")
    return default if given is None else given


def take_keys(environment: MutableMapping[str, str]) -> None:
    """Take the real keys and addresses out of the environment, for the egress has them now."""
    stems = (KEY, ENDPOINT)
    for name in [name for name in environment if any(_number(name, stem) is not None for stem in stems)]:
        del environment[name]
