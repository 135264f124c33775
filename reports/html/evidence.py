"""Evidence of one case, made ready for a page: timelines, outcomes, and values cut to a readable length.

``Evidence.spaces`` holds ``{"script": Script, "journal": Journal}`` and ``Evidence.calls`` holds
``{"call": what, "outcome": Outcome}``, each in JSON form; other members are shown as they are. What does not
have this form (an older file, a foreign one) is shown as plain JSON: evidence is never hidden for its form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from tgi_conformance.contracts.codec import DecodeError, from_json, to_json
from tgi_conformance.contracts.fault import WHOSE
from tgi_conformance.contracts.journal import Journal, reply_label
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import ExceptionLink, Outcome
from tgi_conformance.contracts.verdict import Evidence
from tgi_conformance.reports.html.timeline import Row, timeline
from tgi_conformance.reports.readable import Shown, clip, frame_lines, pretty_bytes, pretty_json

MOST_SPACES: Final = 6
MOST_CALLS: Final = 12
MOST_EXCHANGES: Final = 40
MOST_PIECES: Final = 80
#: A script is what one replays: it is shown longer than other values.
_LONGEST_SCRIPT: Final = 12_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeView:
    """One row of a timeline with what was sent."""

    row: Row
    head: Shown
    body: Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceView:
    """One space: what the server was told to do and what it saw."""

    script: Shown | None
    exchanges: tuple[ExchangeView, ...] = ()
    more_exchanges: int = 0
    length_ms: float = 0.0
    connections: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    #: The journal, or other members, as JSON where they have no known form.
    other: Shown | None = None


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

    @property
    def size(self) -> int:
        """About how many characters it takes on a page."""
        return _size(self)


def evidence_view(evidence: Evidence) -> EvidenceView:
    """Make the view; pure."""
    return EvidenceView(
        spaces=tuple(_space(space) for space in evidence.spaces[:MOST_SPACES]),
        more_spaces=max(0, len(evidence.spaces) - MOST_SPACES),
        calls=tuple(_call(call) for call in evidence.calls[:MOST_CALLS]),
        more_calls=max(0, len(evidence.calls) - MOST_CALLS),
        longrepr=clip(evidence.longrepr) if evidence.longrepr.strip() else None,
        output=clip(evidence.output) if evidence.output.strip() else None,
    )


def _space(space: JSON) -> SpaceView:
    if not isinstance(space, Mapping):
        return SpaceView(script=None, other=pretty_json(space))
    script = pretty_json(space["script"], _LONGEST_SCRIPT) if "script" in space else None
    rest = {name: value for name, value in space.items() if name not in ("script", "journal")}
    try:
        journal = from_json(Journal, space.get("journal", {}))
    except DecodeError:
        return SpaceView(script=script, other=pretty_json({**rest, "journal": space["journal"]}))
    line = timeline(journal)
    return SpaceView(
        script=script,
        exchanges=tuple(_exchange(row) for row in line.rows[:MOST_EXCHANGES]),
        more_exchanges=max(0, len(line.rows) - MOST_EXCHANGES),
        length_ms=round(line.length, 1),
        connections=_connections(journal),
        unmet=tuple(_unmet(journal)),
        notes=journal.notes,
        other=pretty_json(rest) if rest else None,
    )


def _exchange(row: Row) -> ExchangeView:
    head = row.exchange.head.decode("latin-1")
    return ExchangeView(
        row=row, head=clip(head.replace("\r\n", "\n").rstrip("\n")), body=pretty_bytes(row.exchange.body)
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


def _size(value: object) -> int:
    if isinstance(value, Shown):
        return len(value.text) + 80
    if isinstance(value, tuple):
        return sum(_size(item) for item in value)
    if isinstance(value, EvidenceView | SpaceView | CallView | LinkView | ExchangeView | PieceView):
        return 400 + sum(_size(getattr(value, name)) for name in value.__slots__)
    return 0
