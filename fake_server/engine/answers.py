"""An HTTP answer as it was decided on, and what its layout has to know of the request."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tgi_conformance.contracts.script import Delivery, Fault, Forward


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer before it is cut into writes.

    ``parts`` are the frames of a stream, or the body of a plain answer as one part.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    parts: tuple[bytes, ...] = ()
    reason: str | None = None
    framing: Literal["content-length", "chunked", "close"] = "content-length"
    #: A content-length that lies.
    content_length: int | None = None
    streamed: bool = False
    #: Fields after a chunked body.
    trailers: tuple[tuple[str, str], ...] = ()


#: An answer, one that is still to come from elsewhere, bytes that stand in place of a whole one, or a fault
#: that lets none begin.
Said: TypeAlias = Answer | Forward | bytes | Fault


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the writer has to know of the request."""

    date: str
    head_only: bool = False
    #: The client wants the connection closed, or speaks HTTP/1.0.
    close: bool = False
    http_1_0: bool = False
    #: The client of HTTP/1.0 asked for the connection to be kept.
    asked_to_keep: bool = False
    http_2: bool = False


@dataclass(frozen=True, slots=True)
class Growth:
    """What an answer that comes from elsewhere is laid out by, as its parts arrive."""

    exchange: Exchange
    delivery: Delivery
