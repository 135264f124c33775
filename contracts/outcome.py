"""The outcome of one call: what the backend said, and how the call ended."""

from dataclasses import dataclass
from typing import Literal

from tgi_conformance.contracts.adapter import Answer, ErrorInfo, Piece
from tgi_conformance.contracts.json_types import JSON

#: answer: a plain call returned. end: a stream ended by itself. error: an exception (``error`` says
#: which). left: the suite left the stream. crash: the child process ended. hang: silence past the
#: deadline. abandoned: given up by the suite, whose verdict was already decided. violation: the host
#: sent what the protocol does not allow. missing: the adapter has no such method.
Ending = Literal["answer", "end", "error", "left", "crash", "hang", "abandoned", "violation", "missing"]


#: Whose file a frame is in (:mod:`.fault`); library: neither the adapter's nor the backend's.
Owner = Literal["adapter", "backend", "library"]
#: How an exception began at its innermost frame. failed: a statement there failed. called: in a call of code
#: that has no frames (built in, native). delivered: it came while a coroutine or generator stood still.
#: raised: by a raise statement. translated: by one, in place of another exception. unknown: not told.
Beginning = Literal["unknown", "failed", "called", "delivered", "raised", "translated"]
#: adapter: a mistake of the adapter's own code. adapter-raise: the adapter raised it, and nothing before it.
#: unclear: nothing is said of it.
Fault = Literal["unclear", "adapter", "adapter-raise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where a function stood when an exception passed; ``file`` is relative, the language's own: ``lib/``."""

    file: str
    line: int = 0
    function: str = ""
    owner: Owner = "library"

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function or '?'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionLink:
    """One exception of a chain (the raised one first, then causes and contexts)."""

    type: str
    message: str = ""
    repr: str = ""
    args: tuple[str, ...] = ()
    #: "raised", "cause", "context" or "group".
    relation: str = "raised"
    #: The innermost first.
    frames: tuple[Frame, ...] = ()
    began: Beginning = "unknown"
    fault: Fault = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one call gave. Times are seconds of the machine's monotonic clock."""

    ending: Ending
    answer: Answer | None = None
    pieces: tuple[Piece, ...] = ()
    piece_times: tuple[float, ...] = ()
    error: ErrorInfo | None = None
    exception: tuple[ExceptionLink, ...] = ()
    #: The raw value of a method that is no generation call (statistics, probe, ids).
    value: JSON = None
    #: ``bool()`` of the raw value, taken in the backend's process.
    truthy: bool | None = None
    #: Names of arguments that the call changed (deep comparison).
    mutated: tuple[str, ...] = ()
    #: Warnings raised during the call, as "Category: text".
    warnings: tuple[str, ...] = ()
    entered_at: float | None = None
    ended_at: float | None = None
    #: Says more about a crash, hang or violation: exit code, line, rule.
    detail: str = ""
    #: The backend declares that it trims texts: white space around this one says nothing.
    trims: bool = False

    @property
    def returned(self) -> bool:
        """Whether the call ended without an error."""
        return self.ending in ("answer", "end", "left")

    @property
    def raised(self) -> bool:
        """Whether the call ended with an exception of the backend."""
        return self.ending == "error"

    @property
    def text(self) -> str:
        """The text of the answer, or of the pieces joined (special tokens marked as such left out)."""
        if self.answer is not None:
            return self.answer.text if isinstance(self.answer.text, str) else ""
        return "".join(p.text for p in self.pieces if isinstance(p.text, str) and p.special is not True)

    def says(self, text: str) -> bool:
        """Whether the text is this one."""
        return same_text(self.text, text, trims=self.trims)


def same_text(seen: str, text: str, *, trims: bool) -> bool:
    """Whether a text is the one that was sent: to the character, or but for white space around it."""
    return seen.strip() == text.strip() if trims else seen == text


def begins(seen: str, text: str, *, trims: bool) -> bool:
    """Whether a text begins with what was sent, likewise."""
    return seen.strip().startswith(text.strip()) if trims else seen.startswith(text)
