"""Kinds of stimuli in how an answer was delivered, and in how its space was set up. Pure."""

from collections.abc import Iterator
from typing import Final

from tgi_conformance.contracts.script.delivery import Delivery, Fault
from tgi_conformance.contracts.script.replies import Reply
from tgi_conformance.contracts.script.whole import Script

_REFUSED: Final = "refused:"
_IPV6: Final = "ipv6:"


def kinds_of_space(script: Script) -> Iterator[str]:
    """What a space does that an ordinary server does not, whatever it answers."""
    if any(origin.startswith(_REFUSED) for origin in script.origins):
        yield "refused"
    if any(origin.startswith(_IPV6) for origin in script.origins):
        yield "ipv6"
    if script.tls:
        yield "alpn" if script.alpn else "tls"
    given = {
        "mount": script.mount,
        "rate-limit": script.limits.bucket or script.limits.concurrency,
        "random-faults": script.chaos,
        "slow-reader": script.reading,
        "idle-close": script.idle_ms is not None,
    }
    yield from (kind for kind, there in given.items() if there)


def kinds_of_delivery(reply: Reply) -> Iterator[str]:
    """How an answer was broken, split or dressed."""
    if reply.raw is not None:
        yield "malformed-http"
    if reply.delivery.fault is not None:
        yield _of_fault(reply.delivery.fault, reply)
    if reply.delivery.interim:
        yield "interim"
    if reply.delivery.close == "silent":
        yield "close-silent"
    if reply.stream is not None and _splits(reply.delivery):
        yield "split-writes"


def _of_fault(fault: Fault, reply: Reply) -> str:
    ending = fault.ending
    if fault.at in ("request", "accept"):
        return {"stall": "no-answer-stall", "rst": "no-answer-rst"}.get(ending, "no-answer-fin")
    if fault.head_byte is not None:
        return "head-cut"
    if ending in ("stall", "endless", "no-last-chunk"):
        return ending
    if ending == "rst":
        return "cut-rst"
    # A body that ends with the connection is whole by HTTP: what is missing is the mark of the stream's end.
    closes = reply.stream is not None and reply.stream.framing == "close"
    return "no-end-mark" if closes and ending == "fin" else "cut-fin"


def _splits(delivery: Delivery) -> bool:
    return delivery.splits == "bytes" or (isinstance(delivery.splits, tuple) and bool(delivery.splits))
