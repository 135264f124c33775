"""What a case's server says beyond its script: failures last, what is unscripted is refused. Pure.

A client may retry by itself and have no setting that switches it off. If one scripted 503 were followed by
the server's usual echo, such a client would get an answer where the case waits for its error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from tgi_conformance.contracts.journal import GENERATION_ROUTES
from tgi_conformance.contracts.script import Reply, When, status
from tgi_conformance.suites.harness.oracles import marks_fault

#: What a generation request gets that no reply of the script is for. 400: no client retries it (RETRY-03).
UNSCRIPTED: Final = status(
    400, json={"error": "no reply of this case's script is for this request", "error_type": "unscripted"}
)
_EMPTY: Final = 204


def lasting(replies: Sequence[Reply]) -> Iterator[Reply]:
    """The replies, where each failure answers for as long as the client comes.

    Unless a later reply may be meant for the request that comes next: then the case says how often it fails.
    """
    for index, reply in enumerate(replies):
        followed = any(_may_share(reply.when, later.when) for later in replies[index + 1 :])
        least, most = reply.requests
        lasts = most is not None and not followed and is_failure(reply)
        yield replace(reply, requests=(least, None)) if lasts else reply


def is_failure(reply: Reply) -> bool:
    """Whether a reply plainly is no answer: a status, a broken delivery, no HTTP, an error in a 200."""
    if reply.delivery.fault is not None or reply.raw is not None or marks_fault(reply):
        return True
    if reply.tgi is not None:
        return reply.tgi.error is not None
    head = reply.response or reply.stream
    return head is not None and (head.status // 100 != 2 or head.status == _EMPTY)


def _may_share(one: When, other: When) -> bool:
    """Whether one request may meet both conditions."""
    paths = _paths(one), _paths(other)
    same = all(
        mine is None or theirs is None or mine == theirs
        for mine, theirs in (
            (one.key, other.key),
            (one.origin, other.origin),
            (_method(one), _method(other)),
            (one.contains, other.contains),
        )
    )
    return same and (None in paths or bool(set(paths[0] or ()) & set(paths[1] or ())))


def _is_default(when: When) -> bool:
    """Whether it is for generation requests alone: neither path nor method is named."""
    return when.path is None and when.method is None


def _method(when: When) -> str | None:
    return "POST" if _is_default(when) else when.method


def _paths(when: When) -> frozenset[str] | None:
    if _is_default(when):
        return GENERATION_ROUTES
    if when.path is None:
        return None
    return frozenset((when.path,) if isinstance(when.path, str) else when.path)
