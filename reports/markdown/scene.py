"""Of the evidence of a case, what shows its failure: a call, the requests that it made, the answers. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.codec import DecodeError, from_json
from tgi_conformance.contracts.journal import Exchange, Journal
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.verdict import Evidence, Verdict

#: What tells the prompts of a case apart.
_PROMPT: Final = re.compile(r"\[[A-Z]+-\d\d/[^\]]*:\d+\]")
#: Prompts begin with the label of the call, where a case makes several.
_LABEL: Final = re.compile(r"\(['\"](.{1,80}?) \[")
#: So many characters of a message tell it from others.
_TELLING: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What shows the failure; parts that the evidence does not have are None or empty."""

    call: str = ""
    outcome: Outcome | None = None
    #: The requests of the call, in order.
    exchanges: tuple[Exchange, ...] = ()


def scene_of(verdict: Verdict, evidence: Evidence) -> Scene:
    """Choose the call that failed, as far as that can be told, and what it sent."""
    journals = [*_journals(evidence.spaces)]
    calls = [*_calls(evidence.calls)]
    if not calls:
        last = next((journal for journal in reversed(journals) if journal.exchanges), Journal())
        return Scene(exchanges=last.exchanges)
    call, outcome = _failed(calls, verdict)
    return Scene(call=call, outcome=outcome, exchanges=tuple(_sent_by(call, outcome, journals)))


def _sent_by(call: str, outcome: Outcome, journals: Sequence[Journal]) -> list[Exchange]:
    """The requests that came while the call ran: those with its prompt, where any has it."""
    came = [exchange for journal in journals for exchange in journal if _within(exchange, outcome)]
    named = _PROMPT.search(call)
    own = [exchange for exchange in came if named is not None and named[0].encode() in exchange.body]
    return sorted(own or came, key=lambda exchange: exchange.first_byte_at)


def _failed(calls: Sequence[tuple[str, Outcome]], verdict: Verdict) -> tuple[str, Outcome]:
    """The call that the verdict speaks of; where several may be meant, the last."""
    ordered = sorted(calls, key=lambda pair: pair[1].entered_at or 0.0)
    return max(reversed(ordered), key=lambda pair: _likeness(pair[0], pair[1], verdict))


def _likeness(call: str, outcome: Outcome, verdict: Verdict) -> tuple[bool, bool, bool, bool]:
    """How much of a call the verdict names: its label, its exception, that it generates at all."""
    found = _LABEL.search(call)
    both = f"{verdict.expected} {verdict.observed}"
    labelled = found is not None and bool(re.search(rf"(?<![\w-]){re.escape(found[1])}(?![\w-])", both))
    raised = outcome.exception[0] if outcome.exception else None
    said = raised is not None and bool(raised.message) and raised.message[:_TELLING] in verdict.observed
    typed = raised is not None and (raised.type == verdict.sign.exception or raised.type in verdict.observed)
    return labelled, said, typed, "(" in call


def _within(exchange: Exchange, outcome: Outcome) -> bool:
    begun = outcome.entered_at or 0.0
    over = outcome.ended_at if outcome.ended_at is not None else float("inf")
    return begun <= exchange.first_byte_at <= over


def _journals(spaces: Sequence[JSON]) -> Iterator[Journal]:
    for space in spaces:
        try:
            yield from_json(Journal, space.get("journal") if isinstance(space, dict) else None)
        except DecodeError:  # of another version of the kit: the rest is shown
            continue


def _calls(calls: Sequence[JSON]) -> Iterator[tuple[str, Outcome]]:
    for call in calls:
        try:
            given = call if isinstance(call, dict) else {}
            yield str(given.get("call", "")), from_json(Outcome, given.get("outcome"))
        except DecodeError:
            continue
