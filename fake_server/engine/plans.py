"""What a plan is made of: writes, waits, gates and the end. Values only, no socket and no clock.

A plan is what one request gets on its connection, byte for byte.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tgi_conformance.fake_server.engine.answers import Growth

#: ``reset-stream`` is HTTP/2's alone; ``more`` is no end yet: a plan that grows has it until its last step is
#: known.
Ending: TypeAlias = Literal[
    "keep", "close", "fin", "rst", "stall", "half-close", "endless", "linger", "reset-stream", "more"
]


@dataclass(frozen=True, slots=True)
class Http2Head:
    """The head of an HTTP/2 answer as fields; ``cut``: only so many bytes of its frame go out.

    Without a status they are trailers, which end the stream.
    """

    status: int | None
    fields: tuple[tuple[str, str], ...] = ()
    cut: int | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes handed to the socket in one call; ``interim``: no answer has begun with them.

    In a plan for HTTP/1 the bytes are what the wire carries. In one for HTTP/2 they are payload of the
    stream, and a head goes before them as ``head``; without any head in the plan they are no HTTP.
    """

    data: bytes
    interim: bool = False
    head: Http2Head | None = None
    #: What of the answer's body is in it, where the answer is kept.
    kept: bytes | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds of silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Gate:
    """Silence until the gate of that name lets one hold pass."""

    name: str


Step: TypeAlias = Write | Wait | Gate


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """What goes out whenever an answer that has begun has been silent for so many seconds."""

    seconds: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done for one request, in order, and how it ends.

    ``keep`` leaves the connection to the next request, ``close`` closes after a whole answer; the
    other endings are faults.
    """

    steps: tuple[Step, ...]
    ending: Ending = "keep"
    status: int | None = None
    #: Whether the script ended the answer wrongly (also with an ending that looks like a close).
    faulty: bool = False
    #: What is done again and again after the steps (ending ``endless``); begins with a wait.
    repeat: tuple[Step, ...] = ()
    keep_alive: KeepAlive | None = None
    #: The answer comes from elsewhere: further steps follow as its parts arrive.
    grows: Growth | None = None

    @property
    def size(self) -> int:
        """Bytes of its writes."""
        return sum(len(step.data) for step in self.steps if isinstance(step, Write))
