"""Evidence of one case, ready for a page: pictures of the wire, outcomes, values cut to a readable length.

``Evidence.spaces`` holds ``{"script": Script, "journal": Journal}`` and ``Evidence.calls`` holds
``{"call": what, "outcome": Outcome}``, each in JSON form; other members are shown as they are. What does not
have this form (an older file, a foreign one) is shown as plain JSON: evidence is never hidden for its form.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from markupsafe import Markup

from tgi_conformance.contracts.codec import DecodeError, from_json, to_json
from tgi_conformance.contracts.fault import WHOSE
from tgi_conformance.contracts.journal import Exchange, Journal, reply_label
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import ExceptionLink, Outcome
from tgi_conformance.contracts.script import Script
from tgi_conformance.contracts.verdict import Evidence
from tgi_conformance.reports.html.wire.answers import answer_of
from tgi_conformance.reports.html.wire.drawing import svg
from tgi_conformance.reports.html.wire.lanes import Picture, picture
from tgi_conformance.reports.html.wire.octets import bytes_matter, hexdump
from tgi_conformance.reports.readable import Shown, clip, frame_lines, pretty_bytes, pretty_json

MOST_SPACES: Final = 6
MOST_CALLS: Final = 12
MOST_EXCHANGES: Final = 40
MOST_PIECES: Final = 80
#: A script is what one replays: it is shown longer than other values.
_LONGEST_SCRIPT: Final = 12_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A request or an answer: head and body as text, and as bytes where the text would hide some."""

    head: Shown
    body: Shown
    dump: Shown | None = None
    #: Where it comes from if not from the wire, or what is missing of it.
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeView:
    """A request and its answer; ``at`` is milliseconds after the space's first moment."""

    exchange: Exchange
    at: float
    request: MessageView
    answer: MessageView

    @property
    def line(self) -> str:
        """``POST /generate`` as in the request line."""
        return f"{self.exchange.method} {self.exchange.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceView:
    """One space: what the server was told to do and what it saw."""

    script: Shown | None
    wire: Picture = field(default_factory=Picture)
    exchanges: tuple[ExchangeView, ...] = ()
    more_exchanges: int = 0
    connections: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    #: The journal, or other members, as JSON where they have no known form.
    other: Shown | None = None

    @property
    def drawing(self) -> Markup:
        """The picture of the wire."""
        return svg(self.wire)


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceView:
    """One item of a stream; ``at`` is milliseconds after the call was entered."""

    number: int
    at: float | None
    text: Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """One exception of a chain; ``whose`` says where it is the adapter's own."""

    relation: str
    type: str
    message: Shown
    whose: str = ""
    frames: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """One call and what the backend said."""

    what: str
    ending: str = ""
    took_ms: float | None = None
    #: Name and value of what was said, in reading order.
    facts: tuple[tuple[str, Shown], ...] = ()
    pieces: tuple[PieceView, ...] = ()
    more_pieces: int = 0
    exceptions: tuple[LinkView, ...] = ()
    other: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    """All of one case's evidence."""

    spaces: tuple[SpaceView, ...]
    more_spaces: int
    calls: tuple[CallView, ...]
    more_calls: int
    longrepr: Shown | None
    output: Shown | None


def evidence_view(evidence: Evidence, expected: str = "") -> EvidenceView:
    """Make the view; ``expected``, the verdict's text, says what the picture marks as a breach. Pure."""
    outcomes = tuple(_outcomes(evidence.calls))
    return EvidenceView(
        spaces=tuple(_space(space, outcomes, expected) for space in evidence.spaces[:MOST_SPACES]),
        more_spaces=max(0, len(evidence.spaces) - MOST_SPACES),
        calls=tuple(_call(call) for call in evidence.calls[:MOST_CALLS]),
        more_calls=max(0, len(evidence.calls) - MOST_CALLS),
        longrepr=clip(evidence.longrepr) if evidence.longrepr.strip() else None,
        output=clip(evidence.output) if evidence.output.strip() else None,
    )


def _outcomes(calls: Sequence[JSON]) -> Iterator[tuple[str, Outcome]]:
    for call in calls:
        if isinstance(call, Mapping):
            with suppress(DecodeError):  # shown as JSON in its place
                yield str(call.get("call", "call")), from_json(Outcome, call.get("outcome"))


def _space(space: JSON, calls: Sequence[tuple[str, Outcome]], expected: str) -> SpaceView:
    if not isinstance(space, Mapping):
        return SpaceView(script=None, other=pretty_json(space))
    script = pretty_json(space["script"], _LONGEST_SCRIPT) if "script" in space else None
    rest = {name: value for name, value in space.items() if name not in ("script", "journal")}
    try:
        journal = from_json(Journal, space.get("journal", {}))
    except DecodeError:
        return SpaceView(script=script, other=pretty_json({**rest, "journal": space["journal"]}))
    played = _script(space.get("script"))
    return SpaceView(
        script=script,
        wire=picture(journal, played, calls, expected),
        exchanges=tuple(_exchanges(journal, played)),
        more_exchanges=max(0, len(journal.exchanges) - MOST_EXCHANGES),
        connections=_connections(journal),
        unmet=tuple(_unmet(journal)),
        notes=journal.notes,
        other=pretty_json(rest) if rest else None,
    )


def _script(value: JSON) -> Script | None:
    try:
        return from_json(Script, value)
    except (DecodeError, ValueError):
        return None  # shown as JSON all the same


def _exchanges(journal: Journal, script: Script | None) -> Iterator[ExchangeView]:
    if not journal.exchanges:
        return
    start = min(exchange.first_byte_at or exchange.received_at for exchange in journal.exchanges)
    for exchange in journal.exchanges[:MOST_EXCHANGES]:
        answer = answer_of(script, exchange)
        begun = exchange.first_byte_at or exchange.received_at
        yield ExchangeView(
            exchange=exchange,
            at=round((begun - start) * 1000, 1),
            request=_message(exchange.head.decode("latin-1"), exchange.body),
            answer=_message(answer.head, answer.body, answer.note),
        )


def _message(head: str, body: bytes, note: str = "") -> MessageView:
    return MessageView(
        head=clip(head.replace("\r\n", "\n").rstrip("\n")),
        body=pretty_bytes(body),
        dump=hexdump(body) if body and bytes_matter(body) else None,
        note=note,
    )


def _connections(journal: Journal) -> tuple[str, ...]:
    shown = journal.connections[:MOST_EXCHANGES]
    return tuple(
        f"#{c.id}: {c.requests} request{'' if c.requests == 1 else 's'}, "
        + (f"closed ({c.closed_by or 'by whom is unknown'})" if c.closed_at is not None else "left open")
        for c in shown
    )


def _unmet(journal: Journal) -> Sequence[str]:
    return [
        f"{reply_label(use.reply)}: {use.requests} request{'' if use.requests == 1 else 's'}, "
        f"wanted at least {use.at_least}" + ("" if use.at_most is None else f" and at most {use.at_most}")
        for use in journal.unmet
    ]


def _call(call: JSON) -> CallView:
    if not isinstance(call, Mapping):
        return CallView(what="call", other=pretty_json(call))
    what = str(call.get("call", call.get("method", "call")))
    rest = {name: value for name, value in call.items() if name not in ("call", "outcome")}
    try:
        outcome = from_json(Outcome, call.get("outcome"))
    except DecodeError:
        return CallView(what=what, other=pretty_json({**rest, "outcome": call.get("outcome")}))
    entered = outcome.entered_at
    times = outcome.piece_times[: len(outcome.pieces)]
    pieces = tuple(
        PieceView(number=number, at=_since(entered, at), text=pretty_json(to_json(piece), 600))
        for number, (piece, at) in enumerate(zip_longest(outcome.pieces, times))
    )
    return CallView(
        what=what,
        ending=outcome.ending,
        took_ms=_since(entered, outcome.ended_at),
        facts=_facts(outcome),
        pieces=pieces[:MOST_PIECES],
        more_pieces=max(0, len(pieces) - MOST_PIECES),
        exceptions=tuple(map(_link, outcome.exception)),
        other=pretty_json(rest) if rest else None,
    )


def _link(link: ExceptionLink) -> LinkView:
    return LinkView(
        relation=link.relation,
        type=link.type,
        message=clip(link.message, 1500),
        whose=WHOSE.get(link.fault, ""),
        frames=frame_lines(link.frames) if link.frames else None,
    )


def _facts(outcome: Outcome) -> tuple[tuple[str, Shown], ...]:
    facts: list[tuple[str, Shown]] = []
    if outcome.answer is not None:
        facts.append(("answer", pretty_json(to_json(outcome.answer))))
    if outcome.pieces:
        facts.append(("text of the pieces", clip(outcome.text)))
    if outcome.error is not None:
        facts.append(("error", pretty_json(to_json(outcome.error))))
    if outcome.value is not None:
        facts.append(("value", pretty_json(outcome.value)))
    texts = (
        ("truth value", "" if outcome.truthy is None else str(outcome.truthy)),
        ("changed arguments", ", ".join(outcome.mutated)),
        ("warnings", "\n".join(outcome.warnings)),
        ("detail", outcome.detail),
    )
    return (*facts, *((name, clip(text)) for name, text in texts if text))


def _since(start: float | None, at: float | None) -> float | None:
    return None if start is None or at is None else round((at - start) * 1000, 1)
