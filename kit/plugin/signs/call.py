"""The call that a failed assertion speaks of, and the replies that served it. Pure."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.causes.answers import Asked
from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.outcome import ExceptionLink, Frame
from tgi_conformance.contracts.script import Reply, Script
from tgi_conformance.suites.harness.expect import describe
from tgi_conformance.suites.harness.session import CallSeen, SpaceSeen

#: The mark by which each prompt of a case names its call, as ``[STREAM-12/chat-fin:3]``.
_MARK: Final = re.compile(r"\[[A-Z]+-\d\d/[^\]]+:\d+\]")
#: An exception as :func:`describe` tells it.
_RAISED: Final = re.compile(r"(?:error of kind \w+(?:, status \d+)?: |raised exception )([\w.]+)")
_PLACE: Final = re.compile(r" at (\S+:\d+ in [\w.<>]+)")
#: What a case calls a call, before what came of it: ``bom: stream of 3 pieces``.
_LABEL: Final = re.compile(r"([\w.+-]+): ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What played a part in a failure on the server's side."""

    script: Script
    replies: tuple[Reply, ...]
    asked: Asked


def call_told(observed: str, calls: Sequence[CallSeen]) -> CallSeen | None:
    """The call whose outcome the observed side tells of; None: it tells of no outcome."""
    places = [(observed.find(describe(seen.outcome)), seen) for seen in calls]
    first = min((place for place, _ in places if place >= 0), default=-1)
    told = [seen for place, seen in places if place == first >= 0]
    label = _LABEL.match(observed)
    named = [seen for seen in told if label and f"({label[1]!r}"[:-1] in seen.call]
    if named or told:
        return (named or told)[-1]
    raised = _RAISED.search(observed)
    same = [seen for seen in calls if raised and seen.outcome.exception[:1] and _type(seen) == raised[1]]
    return same[-1] if same else None


def last_raised(calls: Sequence[CallSeen]) -> CallSeen | None:
    """The last call that raised."""
    return next((seen for seen in reversed(calls) if seen.outcome.exception), None)


def raised_told(observed: str) -> tuple[str, str]:
    """Type and place of the exception that a text tells of; empty where it tells of none."""
    raised, place = _RAISED.search(observed), _PLACE.search(observed)
    return raised[1] if raised else "", place[1] if raised and place else ""


def served(seen: CallSeen | None, spaces: Sequence[SpaceSeen]) -> Served | None:
    """The script and the replies behind a call; of no call in particular, those of the space used last."""
    mark = _MARK.search(seen.call) if seen is not None else None
    for space in reversed(spaces):
        sent = [each for each in space.journal.generations if mark is None or _holds(each, mark[0])]
        if sent:
            return Served(
                script=space.script,
                replies=tuple(_replies(space.script, sent)),
                asked=_asked(sent[-1]),
            )
    return Served(script=spaces[-1].script, replies=(), asked=Asked()) if spaces else None


def frame_of(chain: Iterable[ExceptionLink]) -> Frame | None:
    """The innermost frame of the backend, of the first exception of a chain that has one."""
    links = (frame for link in chain for frame in link.frames if frame.owner == "backend")
    return next(links, None)


def _type(seen: CallSeen) -> str:
    return seen.outcome.exception[0].type


def _replies(script: Script, sent: Iterable[Exchange]) -> Iterable[Reply]:
    by_name = {reply.name or str(index): reply for index, reply in enumerate(script.replies)}
    names = dict.fromkeys(each.reply for each in sent)
    return [by_name[name] for name in names if name in by_name]


def _holds(exchange: Exchange, mark: str) -> bool:
    return json.dumps(mark)[1:-1].encode() in exchange.body or mark.encode() in exchange.body


def _asked(exchange: Exchange) -> Asked:
    path = exchange.path
    chat, completions = (path.endswith(f"/{word}") for word in ("chat/completions", "v1/completions"))
    return Asked(
        route="chat" if chat else "completions" if completions else "native",
        streamed=path.endswith("/generate_stream") or _says_stream(exchange.body),
    )


def _says_stream(content: bytes) -> bool:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and body.get("stream") is True
