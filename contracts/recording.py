"""A recorded exchange, as ``serve --record`` writes it and ``serve --replay`` reads it: one JSON file each.

Credentials never get into one: whatever a request showed as a credential is ``key:any`` wherever it stood.
"""

from dataclasses import dataclass, field
from typing import Literal, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Bytes as text where they are UTF-8, else as base64."""

    text: str | None = None
    base64: bytes | None = None

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The readable form of these bytes."""
        try:
            return cls(text=content.decode("utf-8"))
        except UnicodeDecodeError:
            return cls(base64=content)

    @property
    def bytes(self) -> bytes:
        """The bytes themselves."""
        return self.base64 or b"" if self.text is None else self.text.encode("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """What a client asked."""

    method: str
    #: Path and query.
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Content = field(default_factory=Content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A chunk of the answer, or what one read of an answer without chunks gave."""

    content: Content
    #: Milliseconds since the part before, or since the head.
    after_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """What the upstream server answered."""

    status: int
    #: All but those that belong to the connection (connection, keep-alive).
    headers: tuple[tuple[str, str], ...] = ()
    #: Milliseconds from the request to the head.
    head_ms: float = 0.0
    parts: tuple[Part, ...] = ()
    #: ``fin`` and ``rst``: the upstream server broke off.
    ending: Literal["complete", "fin", "rst"] = "complete"
    #: The reason phrase; None: not recorded, or HTTP/2, which has none.
    reason: str | None = None
    #: How the end of the body was told; None: as the headers say.
    framing: Literal["content-length", "chunked", "close"] | None = None

    def header(self, name: str) -> str | None:
        """The first value of a header, by lower-case name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One exchange."""

    version: Literal[1] = 1
    request: RecordedRequest
    answer: RecordedAnswer
