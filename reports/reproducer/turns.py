"""From the evidence of a space to what is to be played again: turn by turn, bytes, waits, endings. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from tgi_conformance.contracts.journal import Exchange, Journal, KeptAnswer, WireStep
from tgi_conformance.contracts.script import Reply, Script

#: Bytes are one write, a number is seconds of silence, None waits for the client to leave.
Step: TypeAlias = bytes | float | None
#: What a reply (None: the server without one) would say to a request that was not made in the case.
Plan: TypeAlias = Callable[[Script, Reply | None, Exchange], KeptAnswer]

#: Canaries are as long as the Hub's keys; so is what stands for one, or lengths in heads would be wrong.
_KEY_LENGTH: Final = 37
_ALIAS: Final = re.compile(rb"key:([A-Z?])")
#: An address of the run, which is gone.
_ADDRESS: Final = re.compile(rb"https?://(?:127\.0\.0\.1|localhost|\[::1\]):\d+")
#: Shorter than this a wait at a gate was no wait.
_LEAST_WAIT: Final = 0.005
#: Ends of a plan, as the reproducer calls them.
_ENDS: Final = {"": "keep", "linger": "half-close"}


class CannotPlayError(ValueError):
    """A case that the reproducer does not play: why, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one request gets."""

    method: str
    path: str
    steps: tuple[Step, ...]
    end: str = "keep"
    #: Steps that are done again and again at the end.
    repeat: tuple[Step, ...] = ()
    #: Text that the request's body has to hold.
    needs: str = ""
    #: No request of the case came so far: a right client would have made it.
    unseen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """All that the server's side of a case does."""

    turns: tuple[Turn, ...] = ()
    #: How the first connections end, as soon as they are there.
    accepts: tuple[str, ...] = ()
    mount: str = ""


def play_of(script: Script, journal: Journal, plan: Plan) -> Play:
    """What the server did, and would have done for a right client; raises :class:`CannotPlayError`."""
    _refuse(script, journal)
    came = [exchange for exchange in journal.exchanges if not exchange.late]
    turns = [_turn(script, exchange, plan) for exchange in came if not _at_accept(_served(script, exchange))]
    turns += _unseen(script, journal, came, plan)
    accepts = tuple(_accepts(script, journal))
    if not turns and not accepts:
        raise CannotPlayError("the client sent nothing in this case, so there is nothing that the server did")
    return Play(turns=tuple(turns), accepts=accepts, mount=script.mount)


def _refuse(script: Script, journal: Journal) -> None:
    """Raise for what takes more than a short script."""
    every = [*script.replies, *([script.otherwise] if script.otherwise is not None else [])]
    reasons = {
        "its server speaks TLS, which needs a certificate": bool(script.tls),
        "its server has several addresses": len(script.origins) > 1,
        "its address is one where nobody listens": script.origins[0].startswith("refused:"),
        "its address is one of IPv6": script.origins[0].startswith("ipv6:"),
        "it uses HTTP/2": any(exchange.http_version == "2" for exchange in journal.exchanges),
        "what it answers depends on the key of a request": any(r.when.key is not None for r in every),
        "its server reads slowly, on purpose": script.reading is not None,
        "its server closes connections that are idle for a while": script.idle_ms is not None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise CannotPlayError(reason)


def _served(script: Script, exchange: Exchange) -> Reply | None:
    """The reply of the script that served a request; None: none of its own."""
    return next((r for name, r in _named(script) if name == exchange.reply), None)


def _named(script: Script) -> Iterator[tuple[str, Reply]]:
    return ((reply.name or str(index), reply) for index, reply in enumerate(script.replies))


def _at_accept(reply: Reply | None) -> bool:
    fault = reply.delivery.fault if reply is not None else None
    return fault is not None and fault.at == "accept"


def _accepts(script: Script, journal: Journal) -> Iterator[str]:
    counts = {use.reply: max(use.requests, use.at_least) for use in journal.replies}
    for name, reply in _named(script):
        fault = reply.delivery.fault
        if fault is not None and fault.at == "accept":
            yield from [fault.ending] * counts.get(name, reply.requests[0])


def _turn(script: Script, exchange: Exchange, plan: Plan) -> Turn:
    reply = _served(script, exchange)
    kept = plan(script, reply, exchange) if exchange.answer is None else exchange.answer
    return _turn_of(exchange, kept, reply, unseen=False)


def _turn_of(exchange: Exchange, kept: KeptAnswer, reply: Reply | None, *, unseen: bool) -> Turn:
    if kept.dropped_bytes:
        raise CannotPlayError(f"its answers are long: {kept.dropped_bytes} bytes of one were not kept")
    steps = tuple(_steps(kept.wire, exchange.received_at)) if kept.wire else tuple(_forwarded(kept))
    named = _ADDRESS.search(b"".join(step for step in steps if isinstance(step, bytes)))
    if named is not None:
        raise CannotPlayError(f"it sends the client on to {named[0].decode()}, an address of that run")
    return Turn(
        method=exchange.method,
        path=exchange.path,
        steps=steps,
        end=_ENDS.get(kept.ended, kept.ended),
        repeat=tuple(_steps(kept.repeat, 0.0)),
        needs=(reply.when.contains or "") if reply is not None else "",
        unseen=unseen,
    )


def _unseen(script: Script, journal: Journal, came: Sequence[Exchange], plan: Plan) -> Iterator[Turn]:
    """The replies that waited for a request which the client did not make."""
    # A reply that may have none, and had none, is what a client of another mind would get.
    missing = {use.reply: max(use.at_least, 1) - use.requests for use in journal.replies}
    for name, reply in _named(script):
        sent = (_below(script.mount, exchange) for exchange in reversed(came))
        asked = next((exchange for exchange in sent if _may_be_for(reply, exchange)), None)
        if asked is None or missing.get(name, 0) <= 0 or _at_accept(reply):
            continue
        turn = _turn_of(asked, plan(script, reply, asked), reply, unseen=True)
        yield from [turn] * missing[name]


def _below(mount: str, exchange: Exchange) -> Exchange:
    """The request as a right client makes it: to a path below the server's own."""
    inside = exchange.path == mount or exchange.path.startswith(f"{mount}/")
    return exchange if inside or not mount else replace(exchange, target=mount + exchange.target)


def _may_be_for(reply: Reply, exchange: Exchange) -> bool:
    paths = (reply.when.path,) if isinstance(reply.when.path, str) else reply.when.path
    return (paths is None or exchange.path in paths) and reply.when.method in {None, exchange.method}


def _steps(wire: Sequence[WireStep], since: float) -> Iterator[Step]:
    """The steps; a gate becomes the wait that it was."""
    for number, step in enumerate(wire):
        if step.gate:
            yield from _gate(wire[number + 1 :], since)
        elif step.data:
            yield _without_keys(step.data)
            since = step.at or since
        elif step.wait:
            yield round(step.wait, 3) or 0.001


def _gate(after: Sequence[WireStep], since: float) -> Iterator[Step]:
    following = next((step for step in after if step.data), None)
    if following is None or following.at is None:
        yield None
    elif (waited := following.at - since) > _LEAST_WAIT:
        yield round(waited, 2)


def _forwarded(kept: KeptAnswer) -> Iterator[Step]:
    """An answer that came from a real server, in the framing that its head names."""
    if kept.status is None:
        return
    head = [f"HTTP/1.1 {kept.status} {kept.reason}", *(f"{name}: {value}" for name, value in kept.headers)]
    yield _without_keys("\r\n".join([*head, "", ""]).encode("latin-1", "replace"))
    chunked = any(name.lower() == "transfer-encoding" for name, _ in kept.headers)
    since = kept.parts[0].at if kept.parts else 0.0
    for part in kept.parts:
        if part.at - since > _LEAST_WAIT:
            yield round(part.at - since, 2)
        since = part.at
        yield b"%X\r\n%b\r\n" % (len(part.content), part.content) if chunked else part.content
    if chunked and kept.upstream == "complete":
        yield b"0\r\n\r\n"


def _without_keys(data: bytes) -> bytes:
    """The bytes with a text of the same length in place of each key that the server repeated."""
    return _ALIAS.sub(lambda found: (b"key-%b-" % found[1]).ljust(_KEY_LENGTH, b"x"), data)
