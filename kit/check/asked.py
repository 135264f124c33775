"""A request that a server is asked, and what it answered. Values only."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.sse import ServerSentEvent, SSEDecoder

JSON_TYPE: Final = "application/json"
DONE: Final = "[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request; ``name`` says what it tries, as ``temperature=0.0``."""

    name: str
    method: str = "POST"
    path: str
    body: bytes | None = None
    content_type: str | None = JSON_TYPE

    @property
    def value(self) -> JSON:
        """The body as JSON; None where it is none."""
        try:
            value: JSON = json.loads(self.body or b"")
        except ValueError:
            return None
        return value

    def curl(self, url: str) -> str:
        """The command that asks the same; the key is left to the environment."""
        words = ["curl", "-sS", "-i", "-X", self.method, f"{url.rstrip('/')}{self.path}"]
        words += ["-H", "Authorization: Bearer $HF_API_KEY"]
        if self.content_type is not None and self.body is not None:
            words += ["-H", f"Content-Type: {self.content_type}"]
        if self.body is not None:
            words += ["--data-binary", self.body.decode(errors="backslashreplace")]
        quoted = (f'"{word}"' if "$HF_API_KEY" in word else shlex.quote(word) for word in words)
        return " ".join(quoted)


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    #: Why nothing came back, or not all of it; empty: it is whole.
    problem: str = ""
    _first: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look headers up by name."""
        first: dict[str, str] = {}
        for name, value in self.headers:
            first.setdefault(name.lower(), value)
        object.__setattr__(self, "_first", first)

    def header(self, name: str) -> str | None:
        """The first value of a header, by its name in lower case."""
        return self._first.get(name)

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def streamed(self) -> bool:
        """Whether it is a stream of events."""
        return self.media_type == "text/event-stream"

    @cached_property
    def value(self) -> JSON:
        """The body as JSON; None where it is none."""
        try:
            value: JSON = json.loads(self.body)
        except ValueError:
            return None
        return value

    @cached_property
    def events(self) -> tuple[ServerSentEvent, ...]:
        """The events of a stream."""
        decoder = SSEDecoder()
        return (*decoder.feed(self.body), *decoder.close())

    @cached_property
    def frames(self) -> tuple[JSON, ...]:
        """The data of each event as JSON, ``[DONE]`` left out; None for data that is none."""
        return tuple(_json_of(event.data) for event in self.events if event.data != DONE)

    @property
    def text(self) -> str:
        """The beginning of the body, on one line."""
        return " ".join(self.body.decode(errors="replace").split())[:200]


def _json_of(text: str) -> JSON:
    try:
        value: JSON = json.loads(text)
    except ValueError:
        return None
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that an answer breaks."""

    route: str
    rule: str
    expected: str
    observed: str
    asked: Asked
