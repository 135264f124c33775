"""Hypothesis generators of what TGI says and what callers say: texts, tokens, encodings, splits, parameters.

All shrink towards the plain case: one short token, TGI's own encoding, one write.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Event
from tgi_conformance.contracts.sse import BOM
from tgi_conformance.contracts.unset import Unset
from tgi_conformance.suites._shapes import Shape

T = TypeVar("T")

#: Fragments that clients have mistaken for something else: line ends that are none in an event stream, byte
#: order marks, stream syntax, markup of image prompts, right-to-left, combining and astral characters.
TRICKY: Final = (
    "\x00",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\n",
    "\r\n",
    "\t",
    "e\u0301",
    "\u05d0\u05d1",
    "é",
    "中",
    "✅",
    "\U0001f600",
    "data:",
    "data: [DONE]",
    "[DONE]",
    ":",
    "![](",
    "</s>",
    '"',
    "\\u0041",
    "\\",
    " ",
    "  ",
)
#: Where a cut hurts: ``data:``, line ends, characters of several bytes.
_TENDER: Final = re.compile(rb"data:|[\r\n]+|[\x80-\xff]+")
LineEnd = Literal["\n", "\r", "\r\n"]

_CHARACTERS: Final = st.characters(exclude_categories=["Cs"])


def texts(*, least: int = 0, most: int = 24) -> SearchStrategy[str]:
    """Texts of any characters but surrogates, weighted to those that clients trip over (g_text)."""
    part = st.one_of(st.text("abc ", max_size=4), st.sampled_from(TRICKY), st.text(_CHARACTERS, max_size=4))
    return (
        st.lists(part, max_size=8)
        .map(lambda parts: "".join(parts)[:most])
        .filter(lambda text: len(text) >= least)
    )


def token_lists(*, most: int = 6, plain: bool = False) -> SearchStrategy[tuple[str, ...]]:
    """Tokens of an answer, empty ones among them (g_tokens); ``plain``: printable ASCII only."""
    token = (
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6)
        if plain
        else st.one_of(st.text("abc ", max_size=4), st.sampled_from(TRICKY), texts(most=6))
    )
    return st.lists(token, min_size=1, max_size=most).map(tuple).filter(any)


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


# --- what callers ask for -------------------------------------------------------------------------------

#: Valid values of TGI's generation parameters by call method, from the router's rules (not its openapi.json,
#: which differs); falsy and edge values among them.
_SEEDS: Final = st.one_of(st.sampled_from([0, 1, 2**53 + 1, 2**64 - 1]), st.integers(0, 2**64 - 1))
_OPEN_UNIT: Final = st.sampled_from([0.01, 0.3, 0.5, 0.95, 0.999])
_PENALTY: Final = st.sampled_from([-2.0, -0.5, 0.0, 0.5, 2.0])
_STOPS: Final = st.lists(st.sampled_from(["\n", "###", "</s>", "中", "a b"]), max_size=4, unique=True)
_POSITIVE: Final = st.sampled_from([0.1, 0.7, 1.0, 1.2])
PARAMETERS: Final[Mapping[str, Mapping[str, SearchStrategy[JSON]]]] = {
    "generate": {
        "max_new_tokens": st.integers(1, 2048),
        "temperature": _POSITIVE,
        "top_p": _OPEN_UNIT,
        "top_k": st.sampled_from([1, 5, 50, 2**31 - 1]),
        "typical_p": _OPEN_UNIT,
        "repetition_penalty": _POSITIVE,
        "frequency_penalty": _PENALTY,
        "seed": _SEEDS,
        "stop": _STOPS,
        "truncate": st.integers(1, 1000),
        "watermark": st.booleans(),
        "do_sample": st.booleans(),
        "return_full_text": st.booleans(),
        "details": st.booleans(),
        "decoder_input_details": st.booleans(),
        "top_n_tokens": st.integers(0, 5),
    },
    "chat": {
        "max_tokens": st.integers(1, 2048),
        "temperature": st.sampled_from([0.0, 0.1, 0.7, 1.0, 2.0]),
        "top_p": _OPEN_UNIT,
        "seed": _SEEDS,
        "stop": _STOPS,
        "frequency_penalty": _PENALTY,
        "presence_penalty": st.sampled_from([-1.5, 0.0, 0.5, 2.0]),
        "logprobs": st.booleans(),
    },
    "completions": {
        "max_tokens": st.integers(1, 2048),
        "temperature": st.sampled_from([0.0, 0.1, 0.7, 1.0, 2.0]),
        "top_p": _OPEN_UNIT,
        "seed": _SEEDS,
        "stop": _STOPS,
        "frequency_penalty": _PENALTY,
        "repetition_penalty": _POSITIVE,
    },
}


def parameters(shape: Shape, offered: frozenset[str]) -> SearchStrategy[dict[str, JSON]]:
    """Valid parameters of one call, each left out or given, of those that the backend offers (g_params)."""
    domain = PARAMETERS[shape.method]
    return st.fixed_dictionaries({}, optional={name: domain[name] for name in sorted(offered & set(domain))})


def messages(*, most: int = 5) -> SearchStrategy[list[JSON]]:
    """Turns of a chat (g_messages): perhaps a system message, then user and assistant, the user last."""

    def chat(system: str | None, turns: list[tuple[str, str]], last: str) -> list[JSON]:
        said: list[JSON] = [] if system is None else [{"role": "system", "content": system}]
        for question, reply in turns:
            said.append({"role": "user", "content": question})
            said.append({"role": "assistant", "content": reply})
        return [*said, {"role": "user", "content": last}]

    content = texts(least=1)
    return st.builds(
        chat, st.none() | content, st.lists(st.tuples(content, content), max_size=most // 2), content
    )
