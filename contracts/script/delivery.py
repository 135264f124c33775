"""How the bytes of an answer are written: splits, waits, holds, interim answers, and wrong endings.

Part of the script (:mod:`tgi_conformance.contracts.script`, which gives these names too). Times are
milliseconds, positions are byte offsets into the *payload* of an answer (the body before chunked framing).
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Wait before the byte at ``before`` goes out."""

    before: int
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Wait until the gate of that name is released (each release lets ``count`` holds pass).

    Where: before the head, before the byte ``byte`` or the event ``event`` (counted from 0), or before the
    end (last chunk).
    """

    gate: str
    before: Literal["head", "end"] | None = None
    byte: int | None = None
    event: int | None = None

    def __post_init__(self) -> None:
        """Refuse a hold at two places or none."""
        if sum(place is not None for place in (self.before, self.byte, self.event)) != 1:
            raise ValueError("a hold has exactly one of before, byte, event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """End the answer wrongly.

    Where: after ``byte`` payload bytes, after ``event`` events or after ``head_byte`` bytes of the head;
    ``at`` for places that are no offset: "head" (after the head), "request" (the request was read, nothing
    is answered), "accept" (as soon as the connection is there).
    ``fin`` closes, ``rst`` resets, ``stall`` says nothing more until the client goes or the space ends,
    ``half-close`` shuts the write side only, ``no-last-chunk`` ends the body without its last chunk and
    closes. ``endless`` never ends: what follows the place is sent again and again until the client goes or
    the space ends.
    """

    ending: Literal["fin", "rst", "stall", "half-close", "no-last-chunk", "endless"]
    byte: int | None = None
    event: int | None = None
    head_byte: int | None = None
    at: Literal["head", "request", "accept"] | None = None

    def __post_init__(self) -> None:
        """Refuse a fault at two places or none."""
        places = (self.byte, self.event, self.head_byte, self.at)
        if sum(place is not None for place in places) != 1:
            raise ValueError("a fault has exactly one of byte, event, head_byte, at")
        if self.ending == "endless" and self.byte is None and self.event is None:
            raise ValueError("an endless answer needs the byte or event from which on it repeats")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interim:
    """An interim answer (1xx) before the real one: 100, 102, 103 or any other but 101."""

    status: int = 103
    #: Names and values go out as given (latin-1).
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a status that is no interim answer; 101 would end HTTP on the connection."""
        if not 100 <= self.status < 200 or self.status == 101:
            raise ValueError(f"{self.status} is no interim status: 100 to 199 without 101")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A slow writer: ``bytes`` of the payload at a time, ``every_ms`` apart."""

    bytes: int
    every_ms: float
    #: Write the head like that too.
    head: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How the bytes of an answer are written."""

    #: Sent in this order as soon as the request is read, before ``delay_ms`` and holds.
    interim: tuple[Interim, ...] = ()
    #: Wait before the head.
    delay_ms: float = 0.0
    #: Where writes are cut: "events" (one write a frame), "whole", "bytes" (one write a byte) or offsets.
    #: Each part is a chunk and a write of its own.
    splits: Literal["events", "whole", "bytes"] | tuple[int, ...] = "events"
    #: Wait between events.
    event_gap_ms: float = 0.0
    pace: Pace | None = None
    pauses: tuple[Pause, ...] = ()
    holds: tuple[Hold, ...] = ()
    fault: Fault | None = None
    #: Close the connection after the answer: "announced" with a connection header, "silent" without.
    close: Literal["announced", "silent"] | None = None
