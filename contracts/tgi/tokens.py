"""The toy tokenizer that prompts are counted and ``/tokenize`` answers with.

Frequent words are one token with the blank before them, special tokens and signs one each, other
words come in pieces of three characters. Not a real model's tokens; TGI's rules only need a count
that grows with the text.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tgi_conformance.contracts.json_texts import HOLE, between_holes, dumps, encodable, quoted
from tgi_conformance.contracts.json_types import JSON

START: Final = "<s>"
EOS: Final = "</s>"
START_ID: Final = 1
EOS_ID: Final = 2

_FREQUENT: Final = (
    "a", "about", "all", "an", "and", "are", "as", "at", "be", "but", "by", "can", "deep", "describe",
    "do", "explain", "for", "from", "function", "get", "given", "has", "have", "hello", "how", "i", "in",
    "is", "it", "learning", "like", "list", "machine", "many", "model", "more", "networks", "neural",
    "no", "not", "of", "on", "one", "or", "please", "say", "subset", "tell", "that", "the", "there",
    "they", "this", "to", "token", "tokens", "type", "use", "uses", "was", "we", "what", "which", "who",
    "why", "will", "with", "write", "you", "your", "layers", "image", "string", "name",
)  # fmt: skip
_SPECIAL: Final = r"</?\|?\w+\|?>"
_SIGN: Final = r"\s?[^\w\s]|\s"
_TOKEN: Final = re.compile(
    rf"{_SPECIAL}|\s?(?:" + "|".join(_FREQUENT) + rf")\b|\s?\w{{1,3}}|{_SIGN}", re.IGNORECASE
)
#: A text cut where tokens must end: no token reaches over the end of a word.
_SECTION: Final = re.compile(rf"{_SPECIAL}|\s?\w+|{_SIGN}")
#: Longer texts are not kept in the cache.
_CACHED_LENGTH: Final = 4096
#: Words that are remembered with their count, and the longest of them.
_CACHED_SECTIONS: Final = 8192
_CACHED_SECTION: Final = 32
#: What is beyond is counted as words of three characters: megabytes would stop the server for seconds.
_EXACT_LENGTH: Final = 32_768
_WORD_LENGTH: Final = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """One token of a text; ``start`` and ``stop`` are offsets in characters."""

    id: int
    text: str
    start: int
    stop: int

    def json(self) -> dict[str, JSON]:
        """The form of ``/tokenize``."""
        return {"id": self.id, "text": self.text, "start": self.start, "stop": self.stop}


def token_id(text: str) -> int:
    """A number for a token's text; the same text has the same number."""
    fixed = {START: START_ID, EOS: EOS_ID}.get(text)
    return fixed or zlib.crc32(text.encode("utf-8", "surrogatepass")) % 31_000 + 3


def count_tokens(text: str, *, special: bool = True) -> int:
    """How many tokens a text has; ``special`` adds the one for the start of text."""
    counted = _counted(text) if len(text) <= _CACHED_LENGTH else _count_long(text)
    return counted + (1 if special else 0)


class _SectionCounts(dict[str, int]):
    """How many tokens a section is, for those met lately; asked in C where it is known."""

    def __missing__(self, section: str) -> int:
        counted = _count_exactly(section)
        if len(section) <= _CACHED_SECTION:
            if len(self) >= _CACHED_SECTIONS:
                self.clear()
            self[section] = counted
        return counted


def _count_exactly(text: str) -> int:
    return sum(1 for _ in _TOKEN.finditer(text))


_SECTION_COUNTS: Final = _SectionCounts()


def _count(text: str) -> int:
    return sum(map(_SECTION_COUNTS.__getitem__, _SECTION.findall(text)))


_counted: Final = lru_cache(maxsize=512)(_count)
#: One request counts its prompt several times.
_counted_beginning: Final = lru_cache(maxsize=8)(_count)


def _count_long(text: str) -> int:
    return _counted_beginning(text[:_EXACT_LENGTH]) + max(len(text) - _EXACT_LENGTH, 0) // _WORD_LENGTH


def tokenize(text: str, *, special: bool = True) -> tuple[Piece, ...]:
    """The tokens of a text, as many as are counted; the one for the start of text, if asked for, is empty."""
    start = (Piece(START_ID, "", 0, 0),) if special else ()
    pieces = (
        Piece(token_id(text[start:stop]), text[start:stop], start, stop) for start, stop in _spans(text)
    )
    return (*start, *pieces)


def tokens_text(text: str, *, special: bool = True) -> str:
    """The JSON text of the same tokens, in the form of ``/tokenize``: megabytes have very many."""
    if not encodable(text):
        return dumps([piece.json() for piece in tokenize(text, special=special)])
    *_, before_stop, end = _PIECE
    known = _PieceTexts()
    pieces = [f"{known[text[start:stop]]}{start}{before_stop}{stop}{end}" for start, stop in _spans(text)]
    first = [dumps(Piece(START_ID, "", 0, 0).json())] if special else []
    return f"[{','.join(first + pieces)}]"


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where tokens begin and end. What is beyond the exact part is cut as it is counted."""
    last = (0, 0)
    for match in _TOKEN.finditer(text[:_EXACT_LENGTH]):
        if last[1]:
            yield last
        last = match.span()
    whole = range(_EXACT_LENGTH, len(text) - _WORD_LENGTH + 1, _WORD_LENGTH)
    for start in whole:
        yield last
        last = (start, start + _WORD_LENGTH)
    if text:
        yield (last[0], len(text))


class _PieceTexts(dict[str, str]):
    """The JSON text of a piece up to its ``start``."""

    def __missing__(self, piece: str) -> str:
        start, before_text, before_start, *_ = _PIECE
        made = f"{start}{token_id(piece)}{before_text}{quoted(piece)}{before_start}"
        if len(self) < _CACHED_SECTIONS:
            self[piece] = made
        return made


_PIECE: Final = between_holes(dict.fromkeys(Piece(0, "", 0, 0).json(), HOLE), 4) or ()
