"""What a host says to the driver, one frozen type an event (docs/adapter-protocol.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from tgi_conformance.backends.host.protocol import PREFIX, WireError
from tgi_conformance.contracts.codec import DecodeError, from_json
from tgi_conformance.contracts.fault import NOTHING_KNOWN, AdapterCode
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.outcome import ExceptionLink
from tgi_conformance.contracts.outside import Fence, Outside
from tgi_conformance.contracts.schema.registry import URN, build_validator, describe, glance

SCHEMA: Final = "adapter-message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The adapter is ready."""

    id: int
    protocol: int
    language: str
    description: JSON
    implemented: tuple[str, ...]
    pid: int | None = None
    code: AdapterCode = NOTHING_KNOWN
    #: What keeps the backend on this machine.
    fence: Fence = "none"
    #: Whether a call may ask for a fresh event loop.
    fresh_loop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The adapter cannot be used."""

    id: int | None = None
    stage: str
    text: str
    exception: tuple[ExceptionLink, ...] = ()
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """The backend is called now; ``at``: seconds of the machine's monotonic clock, here and below."""

    id: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A plain call returned."""

    id: int
    value: JSON
    truthy: bool | None = None
    mutated: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The call returned a stream; its pieces wait to be read."""

    id: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceCame:
    """One piece of a stream."""

    id: int
    value: JSON
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A stream ended by itself."""

    id: int
    mutated: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A stream was left, as asked."""

    id: int
    mutated: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception of the backend; ``info``: what ``classify`` made of it; ``problem``: why nothing."""

    id: int
    info: JSON
    exception: tuple[ExceptionLink, ...]
    problem: str | None = None
    mutated: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The host cannot do what was asked, or cannot send what came of it; ends the call ``id``."""

    text: str
    at: float
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One log record of the backend's process; ``level`` as in Python's logging (20 is INFO)."""

    level: int
    logger: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What lives in the backend's process, without the host's own; lists: what came since the last census.

    ``None``: the host cannot tell (another language).
    """

    id: int
    at: float
    #: Names of threads beside the main one.
    threads: tuple[str, ...] | None = None
    #: Names of unfinished asyncio tasks.
    tasks: tuple[str, ...] | None = None
    descriptors: int | None = None
    #: Of the descriptors, those that are sockets.
    sockets: int | None = None
    #: Addresses connected to ("host:port"), each once.
    connects: tuple[str, ...] | None = None
    #: Names looked up, each once.
    lookups: tuple[str, ...] | None = None
    #: Attempts to reach beyond this machine.
    outside: tuple[Outside, ...] = ()
    #: Largest gap between ticks of the event loop, seconds (a tick is due each 0.02 s).
    tick_gap: float | None = None
    logs: tuple[LogRecord, ...] | None = None
    logs_dropped: int = 0
    warnings: tuple[str, ...] | None = None
    #: Calls of the driver that have not ended.
    open_calls: int | None = None
    #: Bytes that objects take after a collection; None where the process itself shows it (Python).
    memory: int | None = None


Event = Hello | Failed | Entered | Result | Stream | PieceCame | End | Left | Raised | Refused | Census

#: Event name on the wire -> type.
EVENTS: Final[dict[str, type[Event]]] = {
    "hello": Hello,
    "failed": Failed,
    "entered": Entered,
    "result": Result,
    "stream": Stream,
    "piece": PieceCame,
    "end": End,
    "left": Left,
    "error": Raised,
    "refused": Refused,
    "census": Census,
}


def _call_id(message: dict[str, Any]) -> int:
    value = message["id"]
    if type(value) is not int:
        raise WireError("id: an integer is needed")
    return value


def _at(message: dict[str, Any]) -> float:
    value = message["at"]
    if type(value) not in (float, int):
        raise WireError("at: a number is needed")
    return float(value)


def _hot_piece(message: dict[str, Any]) -> Event | None:
    if len(message) != 5:
        return None
    return PieceCame(id=_call_id(message), value=message["value"], at=_at(message))


def _hot_entered(message: dict[str, Any]) -> Event | None:
    return Entered(id=_call_id(message), at=_at(message)) if len(message) == 4 else None


#: Written out for speed; they take exactly the keys that the type has, or leave it to the general way.
_HOT: Final[dict[str, Callable[[dict[str, Any]], Event | None]]] = {
    "piece": _hot_piece,
    "entered": _hot_entered,
}
#: Types whose decoding checks all that the schema says; the others go through the schema too.
_COVERED: Final = frozenset({"entered", "result", "stream", "piece", "end", "left"})


def read_event(message: dict[str, Any]) -> Event:
    """Turn a message of the host into its event; raises :class:`WireError` with the rule that it breaks."""
    name = message.get("event")
    cls = EVENTS.get(name) if isinstance(name, str) else None
    if cls is None or not isinstance(name, str):
        raise WireError(f"event {name!r} is not one of {sorted(EVENTS)}")
    try:
        hot = _HOT.get(name)
        if hot is not None and (event := hot(message)) is not None:
            return event
        if name not in _COVERED:
            _check_schema(name, message)
        return from_json(cls, {key: item for key, item in message.items() if key not in ("tgic", "event")})
    except KeyError as error:
        raise WireError(f"{name}: the key {error} is missing") from error
    except DecodeError as error:
        raise WireError(f"{name}: {error}") from error


def _check_schema(name: str, message: dict[str, Any]) -> None:
    # A census follows each case: the validator's long way is for what does not fit.
    if glance(SCHEMA, name).fits(message):
        return
    error = next(_schema_of(name).iter_errors(message), None)
    if error is not None:
        raise WireError(f"{name}: {describe(error)} (schema {SCHEMA}#/$defs/{name})")


@cache
def _schema_of(name: str) -> Any:
    return build_validator({"$ref": f"{URN}{SCHEMA}#/$defs/{name}"})


__all__ = ["EVENTS", "PREFIX", "Census", "Event", "LogRecord", "read_event"]
