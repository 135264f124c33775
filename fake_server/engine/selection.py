"""Which reply of a script serves a request. Pure but for the counts, which only grow."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol

from tgi_conformance.contracts.journal import GENERATION_ROUTES, ReplyUse
from tgi_conformance.contracts.script import HeaderMatch, Reply, When
from tgi_conformance.fake_server.http.parsing import Request


class ReplySource(Protocol):
    """Where the replies of a space come from."""

    def extend(self, replies: Iterable[Reply]) -> None:
        """Append replies."""

    def take(self, request: Request, path: str, *, key: str, origin: str) -> tuple[str, Reply] | None:
        """The reply for a request, by name; None where none is for it."""

    def could_serve(self, request: Request, path: str, *, key: str, origin: str) -> bool:
        """Whether a reply may be for a request of which only the head is known yet."""

    def repeatable(self, request: Request, path: str, *, key: str, origin: str) -> "Chosen | None":
        """The reply for every request with this head; None where a body or a use more may change that."""

    def take_at_accept(self, origin: str) -> tuple[str, Reply] | None:
        """The reply for a new connection."""

    def uses(self) -> tuple[ReplyUse, ...]:
        """How often each reply was asked for."""


class Chosen(NamedTuple):
    """The reply that serves every request with one head, whatever its body, from now on.

    Until replies are added; ``reply`` None: none is for it. ``use`` counts a use.
    """

    name: str | None
    reply: Reply | None
    use: Callable[[], object]


class Replies:
    """The replies of one space in order, with how often each was asked for."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self._replies: list[Reply] = []
        self._names: list[str] = []
        self._uses: list[int] = []
        self.extend(replies)

    def extend(self, replies: Iterable[Reply]) -> None:
        """Append replies; an unnamed one is called by its number."""
        for reply in replies:
            self._names.append(reply.name or str(len(self._replies)))
            self._replies.append(reply)
            self._uses.append(0)

    def take(self, request: Request, path: str, *, key: str, origin: str) -> tuple[str, Reply] | None:
        """The reply for a request, counted as used; None where none is for it.

        ``path`` is the request's path below the mount. A reply that names neither path nor method
        is for POSTs to generation routes only.
        """
        generation = request.method == "POST" and path in GENERATION_ROUTES
        for index, reply in enumerate(self._replies):
            if self._used_up(index) or _at_accept(reply):
                continue
            if not generation and reply.when.path is None and reply.when.method is None:
                continue
            if matches(reply.when, request, path, key=key, origin=origin):
                return self._use(index)
        return None

    def could_serve(self, request: Request, path: str, *, key: str, origin: str) -> bool:
        """Whether a reply may be for a request of which only the head is known yet."""
        generation = request.method == "POST" and path in GENERATION_ROUTES
        for index, reply in enumerate(self._replies):
            named = generation or reply.when.path is not None or reply.when.method is not None
            head_only = replace(reply.when, contains=None)
            if self._used_up(index) or _at_accept(reply) or not named:
                continue
            if matches(head_only, request, path, key=key, origin=origin):
                return True
        return False

    def repeatable(self, request: Request, path: str, *, key: str, origin: str) -> Chosen | None:
        """The reply for every request with this head; None where a body or a use more may change that."""
        generation = request.method == "POST" and path in GENERATION_ROUTES
        for index, reply in enumerate(self._replies):
            named = generation or reply.when.path is not None or reply.when.method is not None
            head_only = replace(reply.when, contains=None)
            if self._used_up(index) or _at_accept(reply) or not named:
                continue
            if matches(head_only, request, path, key=key, origin=origin):
                if reply.when.contains is not None or reply.requests[1] is not None:
                    return None
                return Chosen(self._names[index], reply, partial(self._use, index))
        return Chosen(None, None, _uncounted)

    def take_at_accept(self, origin: str) -> tuple[str, Reply] | None:
        """The reply for a new connection: the next one in order for that origin, if it faults at accept."""
        for index, reply in enumerate(self._replies):
            if self._used_up(index) or reply.when.origin not in {None, origin}:
                continue
            return self._use(index) if _at_accept(reply) else None
        return None

    def uses(self) -> tuple[ReplyUse, ...]:
        """How often each reply was asked for, against what it expected."""
        rows = zip(self._names, self._replies, self._uses, strict=True)
        return tuple(
            ReplyUse(reply=name, requests=used, at_least=reply.requests[0], at_most=reply.requests[1])
            for name, reply, used in rows
        )

    def _used_up(self, index: int) -> bool:
        most = self._replies[index].requests[1]
        return most is not None and self._uses[index] >= most

    def _use(self, index: int) -> tuple[str, Reply]:
        self._uses[index] += 1
        return self._names[index], self._replies[index]


def _uncounted() -> None:
    """Count nothing: no reply is used."""


def _at_accept(reply: Reply) -> bool:
    fault = reply.delivery.fault
    return fault is not None and fault.at == "accept"


def matches(when: When, request: Request, path: str, *, key: str, origin: str) -> bool:
    """Whether all conditions hold."""
    paths = (when.path,) if isinstance(when.path, str) else when.path
    return (
        (paths is None or path in paths)
        and when.method in {None, request.method}
        and when.key in {None, key}
        and when.origin in {None, origin}
        and (not when.headers or all(header_matches(each, request.headers) for each in when.headers))
        and (when.contains is None or body_contains(request.body, when.contains))
    )


def header_matches(match: HeaderMatch, headers: Iterable[tuple[str, str]]) -> bool:
    """Whether the request's headers are as a condition wants one of them."""
    wanted = match.name.lower()
    values = [value for name, value in headers if name.lower() == wanted]
    if match.value is not None:
        return match.value in values
    if match.contains is not None:
        return any(match.contains in value for value in values)
    return bool(values) is not match.absent


def body_contains(body: bytes, text: str) -> bool:
    """Whether a body holds a text: as it is, or in any string of it where it is JSON."""
    decoded = body.decode("utf-8", "replace")
    if text in decoded:
        return True
    try:
        value = json.loads(decoded)
    except (ValueError, RecursionError):
        return False
    return any(text in string for string in _strings(value))


def _strings(value: object) -> Iterator[str]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
