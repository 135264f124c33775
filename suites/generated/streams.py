"""Hypothesis generators of streams: their encodings, their splits, and what they say.

All shrink towards the plain case: TGI's own encoding, one write, tokens and an end.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, Literal, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Event, Pause, Persona
from tgi_conformance.contracts.sse import BOM
from tgi_conformance.contracts.tgi.personas import PERSONAS, stream_frames
from tgi_conformance.contracts.unset import Unset
from tgi_conformance.suites.generated.texts import token_lists
from tgi_conformance.suites.shapes.calls import Shape

T = TypeVar("T")

#: Where a cut hurts: ``data:``, line ends, characters of several bytes.
_TENDER: Final = re.compile(rb"data:|[\r\n]+|[\x80-\xff]+")
LineEnd = Literal["\n", "\r", "\r\n"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the frames of one stream become bytes; each choice is taken frame by frame, in a circle.

    The defaults are TGI's own bytes.
    """

    line_ends: tuple[LineEnd, ...] = ("\n",)
    blanks: tuple[bool, ...] = (True,)
    #: Whether characters outside ASCII go out as backslash-u escapes.
    ascii: bool = False
    bom: bool = False
    #: Lines before a frame's data: comments and fields that say nothing to a client.
    before: tuple[tuple[str, ...], ...] = ((),)
    #: Whether JSON is spread over several data lines.
    spread: tuple[bool, ...] = (False,)

    def frames(self, events: Sequence[Event]) -> tuple[bytes, ...]:
        """The bytes of each frame."""
        frames = [self._frame(event, at) for at, event in enumerate(events)]
        return (BOM + frames[0], *frames[1:]) if self.bom and frames else tuple(frames)

    def stream(self, events: Sequence[Event]) -> bytes:
        """The bytes of the whole stream."""
        return b"".join(self.frames(events))

    def _frame(self, event: Event, at: int) -> bytes:
        end = self.line_ends[at % len(self.line_ends)]
        # [DONE] keeps its blank: reading it without one is STREAM-09's.
        colon = ": " if event.done or self.blanks[at % len(self.blanks)] else ":"
        lines = list(self.before[at % len(self.before)])
        lines += [f"data{colon}{line}" for line in self._data(event, at)]
        return "".join(f"{line}{end}" for line in (*lines, "")).encode()

    def _data(self, event: Event, at: int) -> list[str]:
        if event.done:
            return ["[DONE]"]
        if event.json is Unset.UNSET:
            raise ValueError("only JSON and [DONE] frames have an encoding of their own")
        if self.spread[at % len(self.spread)]:
            return json.dumps(event.json, ensure_ascii=self.ascii, indent=1).split("\n")
        return [json.dumps(event.json, ensure_ascii=self.ascii, separators=(",", ":"))]


#: Lines that an event-stream parser passes over.
COMMENT_LINES: Final = (":", ": ping", ":x", ":data: no")
FIELD_LINES: Final = ("id: 7", "id", "retry: 10", "retry: soon", "x-unknown: 1", "nonsense")


def encodings(
    *,
    line_ends: bool = False,
    blanks: bool = False,
    comments: bool = False,
    fields: bool = False,
    spread: bool = False,
) -> SearchStrategy[Encoding]:
    """Encodings of a stream that vary in what is asked for, and are TGI's own in the rest (g_sse)."""
    passed_over = (*(COMMENT_LINES if comments else ()), *(FIELD_LINES if fields else ()))
    lines = st.lists(st.sampled_from(passed_over), max_size=2).map(tuple) if passed_over else st.just(())
    return st.builds(
        Encoding,
        line_ends=_circle(("\n", "\r\n", "\r") if line_ends else ("\n",)),
        blanks=_circle((True, False) if blanks else (True,)),
        bom=st.sampled_from([False, True] if fields else [False]),
        before=st.lists(lines, min_size=1, max_size=3).map(tuple),
        spread=_circle((False, True) if spread else (False,)),
    )


def _circle(values: Sequence[T]) -> SearchStrategy[tuple[T, ...]]:
    """One to three values, taken in turn by the frames of a stream."""
    return st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple)


@st.composite
def splits(draw: st.DrawFn, content: bytes) -> tuple[int, ...] | Literal["bytes"]:
    """Where a stream's bytes are cut into writes (g_splits): anywhere, at tender places, at each byte."""
    kind = draw(st.sampled_from(["few", "tender", "few", "tender", "few", "tender", "bytes"]))
    tender = tender_places(content)
    if kind == "bytes" or len(content) < 2:
        return "bytes"
    places = st.sampled_from(tender) if kind == "tender" and tender else st.integers(1, len(content) - 1)
    return tuple(sorted(draw(st.sets(places, min_size=1, max_size=6))))


def tender_places(content: bytes) -> tuple[int, ...]:
    """Offsets inside a UTF-8 sequence, a line end, a blank line or the word ``data:``."""
    spans = (match.span() for match in _TENDER.finditer(content))
    places = {at for start, end in spans for at in range(start, end + 1)}
    return tuple(sorted(at for at in places if 0 < at < len(content)))


def utf8_places(content: bytes) -> tuple[int, ...]:
    """Offsets inside a UTF-8 sequence."""
    return tuple(at for at in range(1, len(content)) if content[at] & 0xC0 == 0x80)


def stratified(length: int, count: int, *, whole: bool = False) -> tuple[int, ...]:
    """Offsets spread evenly over ``range(length)``: ``count`` of them, or all."""
    if whole or length <= count:
        return tuple(range(length))
    return tuple(sorted({at * length // count for at in range(count)}))


def frame_ends(frames: Sequence[bytes]) -> tuple[int, ...]:
    """The offset just after each frame."""
    return tuple(accumulate(len(frame) for frame in frames))


@st.composite
def deliveries(draw: st.DrawFn, content: bytes) -> dict[str, object]:
    """How a stream's bytes are written: cut anywhere, with a short pause before some of the cuts."""
    cuts = draw(splits(content))
    if cuts == "bytes" or not cuts:
        return {"splits": cuts}
    paused = draw(st.lists(st.sampled_from(cuts), max_size=2, unique=True).map(sorted))
    return {"splits": cuts, "pauses": tuple(Pause(before=at, ms=2.0) for at in paused)}


# --- what a stream says ---------------------------------------------------------------------------------

#: Personas whose streams of a shape end as the MUST clauses know it; completions came with TGI 2.0, and the
#: chat streams of 1.4 end without ``[DONE]`` (STREAM-14, a SHOULD).
_PERSONAS: Final[Mapping[str, tuple[Persona, ...]]] = {
    "chat": ("tgi-3.3", "tgi-2", "openai-proxy", "hosted-router"),
    "native": ("tgi-3.3", "tgi-2", "tgi-1.4", "hosted-router"),
    "completions": ("tgi-3.3", "tgi-2", "openai-proxy", "hosted-router"),
}


def personas(shape: Shape) -> SearchStrategy[Persona]:
    """Server generations whose streams of this shape a client of TGI can read (g_persona)."""
    return st.sampled_from(_PERSONAS[shape.name])


#: Chunks of chat that carry no text, as deltas; TGI and servers of its form send all of them.
TEXTLESS: Final[Mapping[str, JSON]] = {
    "role-only": {"role": "assistant", "content": ""},
    "delta-empty": {},
    "content-null": {"role": "assistant", "content": None},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What one stream says, and what a right client makes of it."""

    shape: Shape
    tokens: tuple[str, ...]
    persona: Persona = "tgi-3.3"
    #: Before which token a chunk without text stands (chat alone), and which of TEXTLESS it is.
    textless: tuple[tuple[int, str], ...] = ()
    #: After how many tokens the server reports an error; None: it does not.
    error_at: int | None = None
    message: str = ""
    #: What the server sends behind its error, though nothing should be made of it.
    tail: tuple[Event, ...] = ()

    @property
    def heard(self) -> str:
        """The text that reaches the caller."""
        return "".join(self.tokens[: self.error_at])

    @property
    def events(self) -> tuple[Event, ...]:
        """The frames."""
        if self.error_at is not None:
            before = self.shape.open_events(self.tokens[: self.error_at])
            return (*before, self.shape.error_event(self.message), *self.tail)
        return self._in_their_form(self._with_textless(self.shape.events(self.tokens)))

    @property
    def encoding(self) -> "Encoding":
        """The persona's bytes: early TGI sent no blank after the colon, a proxy may send a comment first."""
        traits = PERSONAS[self.persona]
        before = () if traits.comment is None else ((f": {traits.comment}",), *((),) * len(self.tokens))
        return Encoding(blanks=(traits.blank,), before=before or ((),))

    def _with_textless(self, events: tuple[Event, ...]) -> list[Event]:
        told = list(events)
        for at, form in sorted(self.textless, reverse=True):
            (event,) = self.shape.open_events([""])
            draft: Any = event.json
            draft["choices"][0]["delta"] = TEXTLESS[form]
            told.insert(at, Event(json=draft))
        return told

    def _in_their_form(self, events: Sequence[Event]) -> tuple[Event, ...]:
        if self.persona == "tgi-3.3":
            return tuple(events)
        route = {"native": "generate_stream"}.get(self.shape.name, self.shape.name)
        frames = ["[DONE]" if event.done else json.dumps(event.json) for event in events]
        told = stream_frames(PERSONAS[self.persona], route, frames, self.tokens)
        return tuple(
            Event(done=True) if frame == "[DONE]" else Event(json=json.loads(frame)) for frame in told
        )


def tellings(shape: Shape, *, most: int = 6) -> SearchStrategy[Telling]:
    """Streams that end well, in the forms that servers give them (g_events)."""

    def telling(tokens: tuple[str, ...]) -> SearchStrategy[Telling]:
        places = st.tuples(st.integers(0, len(tokens) - 1), st.sampled_from(sorted(TEXTLESS)))
        textless = st.lists(places, max_size=2 if shape.name == "chat" else 0).map(tuple)
        return st.builds(
            Telling,
            shape=st.just(shape),
            tokens=st.just(tokens),
            persona=personas(shape),
            textless=textless,
        )

    return token_lists(plain=True, most=most).flatmap(telling)


def failing_tellings(shape: Shape, *, most: int = 6) -> SearchStrategy[Telling]:
    """Streams in which the server reports an error after k tokens, whatever it sends then (g_events)."""

    def telling(tokens: tuple[str, ...]) -> SearchStrategy[Telling]:
        tails = [(), shape.open_events([" more"]), shape.events([" the", " end"])]
        if shape.ends_with_done:
            tails.append((Event(done=True),))
        return st.builds(
            Telling,
            shape=st.just(shape),
            tokens=st.just(tokens),
            error_at=st.integers(0, len(tokens)),
            message=st.sampled_from(
                ["Request failed during generation", "Incomplete generation", "é \u2028 [DONE]"]
            ),
            tail=st.sampled_from(tails),
        )

    return token_lists(plain=True, most=most).flatmap(telling)
