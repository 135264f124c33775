"""The words in which a clause says what it needs: adapter methods, observables, stimuli.

Each word is ``thing.field``. Things that are dataclasses of the contracts lend their own fields, so that a
word cannot outlive its field; the rest is listed here. A word of :data:`GAPS` does not exist yet: a clause
may need it, and the documentation says so.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tgi_conformance.contracts import script
from tgi_conformance.contracts.adapter import (
    METHODS,
    Answer,
    Defaults,
    Description,
    ErrorInfo,
    Piece,
    RetryPolicy,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tgi_conformance.contracts.journal import Connection, Exchange, Journal
from tgi_conformance.contracts.outcome import ExceptionLink, Outcome

__all__ = ["BESIDE", "FIELDS", "GAPS", "METHODS", "SCRIPT", "Gap"]


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """Something that a clause needs and the house does not have; ``arrives`` says with what it comes."""

    what: str
    arrives: str


GAPS: Final[Mapping[str, Gap]] = MappingProxyType(
    {
        "kit.budget": Gap("counters of requests and tokens used up", "runs against a real endpoint"),
        "script.proxy": Gap("a fault proxy: answers come from upstream", "runs against a real endpoint"),
    }
)
"""Needed words that do not exist yet."""

_OBSERVED: Final[Mapping[str, type]] = {
    "outcome": Outcome,
    "answer": Answer,
    "pieces": Piece,
    "usage": Usage,
    "tool_call": ToolCall,
    "tool_call_delta": ToolCallDelta,
    "logprob": TokenLogprob,
    "error": ErrorInfo,
    "exception": ExceptionLink,
    "exchange": Exchange,
    "connection": Connection,
    "journal": Journal,
    "description": Description,
    "retry": RetryPolicy,
    "defaults": Defaults,
}

#: What a journal works out of its exchanges.
_JOURNAL: Final = ("generations", "gaps", "most_open")
#: The names that statistics speak (docs/adapter-contract.md).
_STATS: Final = (
    "total_requests",
    "successful_requests",
    "failed_requests",
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "endpoints_count",
    "current_requests",
    "queue_size",
)
#: What a census counts (docs/adapter-protocol.md).
_CENSUS: Final = (
    "threads",
    "tasks",
    "descriptors",
    "sockets",
    "connects",
    "lookups",
    "outside",
    "tick_gap",
    "logs",
    "logs_dropped",
    "warnings",
    "open_calls",
    "memory",
)
#: What is seen of the backend's process: all it printed, how long its end took, and the memory that it takes.
_PROCESS: Final = ("output", "exit", "memory")
#: What the kit says at the end of a run.
_VERDICT: Final = ("ruling",)
#: What is seen of the kit's own process: where it connected to (census tells the backend's).
_KIT: Final = ("connects",)

_STIMULI: Final[Mapping[str, type]] = {
    "script": script.Script,
    "server": script.Server,
    "reply": script.Reply,
    "when": script.When,
    "tgi": script.Generation,
    "response": script.Response,
    "body": script.Body,
    "stream": script.EventStream,
    "event": script.Event,
    "encoding": script.Encoding,
    "delivery": script.Delivery,
    "pause": script.Pause,
    "hold": script.Hold,
    "fault": script.Fault,
}

BESIDE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "op.read": "the driver pulls pieces one by one",
        "op.leave": "the driver leaves a stream: close, drop, throw",
        "op.cancel": "the driver takes a call back: cancel, interrupt",
        "op.census": "the driver asks what lives in the backend's process",
        "op.loop": "the driver asks for a fresh event loop",
        "op.release": "a held reply is let go while the case runs",
        "op.overlap": "several calls are under way at one time",
        "beside.space": "a second server, an origin of its own",
        "beside.process": "a fresh process of the backend, with variables of the case's choice",
        "beside.black-hole": "a port that accepts no connection and refuses none",
        "persona.tgi-1.4": "a server that imitates TGI 1.4",
        "persona.tgi-2": "a server that imitates TGI 2.x",
        "persona.openai": "a server that imitates a bare proxy of OpenAI's form",
        "persona.hosted-router": "a server that imitates Hugging Face's router",
        "beside.any": "every case of the run: the oracle looks at all of them",
    }
)
"""Stimuli that no script holds: what the driver does, and servers beside the fake one."""


def _words(things: Mapping[str, type]) -> set[str]:
    return {f"{thing}.{field.name}" for thing, kind in things.items() for field in dataclasses.fields(kind)}


def _listed(thing: str, names: tuple[str, ...]) -> set[str]:
    return {f"{thing}.{name}" for name in names}


_GAP_STIMULI: Final = frozenset(word for word in GAPS if word.startswith("script."))

FIELDS: Final[frozenset[str]] = frozenset(
    _words(_OBSERVED)
    | _listed("journal", _JOURNAL)
    | _listed("stats", _STATS)
    | _listed("census", _CENSUS)
    | _listed("process", _PROCESS)
    | _listed("verdict", _VERDICT)
    | _listed("kit", _KIT)
    | (set(GAPS) - _GAP_STIMULI)
)
"""Observables: outcome, journal, census, statistics, declaration."""

SCRIPT: Final[frozenset[str]] = frozenset(_words(_STIMULI) | {"raw.base64"} | set(BESIDE) | _GAP_STIMULI)
"""Stimuli: fields of a script as in its JSON form, and what stands beside it."""
