"""Healthy replies as answers of a real server, and whether that gave what the case needs. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from tgi_conformance.contracts.journal import Exchange, Journal, KeptAnswer
from tgi_conformance.contracts.script import Forward, Reply
from tgi_conformance.fake_server.egress.budget import USED_UP
from tgi_conformance.fake_server.forwarding.reaching import UNREACHABLE
from tgi_conformance.suites.shapes.calls import Healthy

#: How the reason of a case begins that the real endpoint did not decide.
SAID: Final = "the real endpoint said: "
#: What of an answer's text is quoted.
_QUOTED: Final = 120
#: Seconds of silence of the real server after which the client may have left because of them.
_SILENT: Final = 1.5


def forwarded_replies(replies: Iterable[Reply]) -> tuple[Reply, ...]:
    """The replies, where a real server answers in the place of each that is only to be healthy.

    Its delivery stays, so that a real answer is held, slowed down or cut where a scripted one would be.
    """
    return tuple(_forwarded(reply) if isinstance(reply, Healthy) else reply for reply in replies)


def _forwarded(reply: Reply) -> Reply:
    return Reply(
        name=reply.name,
        when=reply.when,
        requests=reply.requests,
        forward=Forward(),
        delivery=reply.delivery,
    )


def was_forwarded(journals: Sequence[Journal]) -> bool:
    """Whether any answer came from the real server."""
    return any(exchange.answer is not None for journal in journals for exchange in journal)


def trouble(journals: Sequence[Journal]) -> str:
    """What the real server said where the case needed a healthy answer; empty: nothing was wrong.

    Then the case shows nothing of the client, whatever came of it.
    """
    forwarded = (exchange for journal in journals for exchange in journal if exchange.answer is not None)
    return next((text for text in map(_trouble_of, forwarded) if text), "")


def is_used_up(said: str) -> bool:
    """Whether it is the run itself that sent nothing, so that no further try helps."""
    return said.startswith((USED_UP, "a dry run "))


def lost(said: str) -> Literal["", "unreachable", "used up"]:
    """What of it will not get better by waiting: nobody answers there, or nothing more may be asked."""
    if UNREACHABLE in said:
        return "unreachable"
    return "used up" if said.startswith(USED_UP) else ""


def _trouble_of(exchange: Exchange) -> str:
    answer = exchange.answer
    if answer is None:
        return ""
    if answer.upstream == "failed":
        return answer.problem or "nothing"
    if answer.upstream in {"fin", "rst"}:
        return f"an answer that broke off after {len(answer.body)} bytes ({answer.upstream})"
    silent = _silence(exchange, answer) if answer.upstream == "left" and answer.problem else 0.0
    if silent >= _SILENT:
        return f"nothing more for {silent:.1f} s, and then the client had left"
    if answer.status is not None and answer.status // 100 != 2:
        said = " ".join(answer.body.decode(errors="replace").split())[:_QUOTED]
        return f"{answer.status} {answer.reason}: {said}".rstrip(": ")
    return ""


def _silence(exchange: Exchange, answer: KeptAnswer) -> float:
    """How long the real server had said nothing when the client left."""
    if exchange.gone_at is None:
        return 0.0
    last = answer.parts[-1].at if answer.parts else exchange.reply_at or exchange.received_at
    return exchange.gone_at - last
