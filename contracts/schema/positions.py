"""Where things stand in a JSON text, and what serde_json says of a text that is none.

For the error path only: good bodies are read with the standard library. The messages and columns are
serde_json's (measured where recorded, else from its documented errors).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isinf
from typing import Final

_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: Final = (b"null", b"true", b"false")
_ESCAPES: Final = b'"\\/bfnrt'
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{4}")
_PLAIN: Final = re.compile(rb'[^"\\\x00-\x1f]+')
_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_TEXT: Final = rb'"(?:[^"\\]++|\\.)*+"'
_SCALAR: Final = re.compile(_TEXT + rb"|[^\s,\]}]+", re.DOTALL)
_TOKENS: Final = re.compile(_TEXT + rb"|[\[\]{}]", re.DOTALL)
#: Runs of plain items and members, each with its comma: what long lists and objects are made of.
_SIMPLE: Final = rb"(?:-?(?:0|[1-9][0-9]{0,299})(?:\.[0-9]+)?|null|true|false)"
_ASCII: Final = rb'"[^"\\\x00-\x1f\x80-\xff]*+"'
_COMMA: Final = rb"[ \t\n\r]*+,[ \t\n\r]*+"
_ITEMS: Final = re.compile(rb"(?:" + _SIMPLE + _COMMA + rb"(?!\]))++")
_MEMBERS: Final = re.compile(
    rb"(?:"
    + _ASCII
    + rb"[ \t\n\r]*+:[ \t\n\r]*+(?:"
    + _SIMPLE
    + rb"|"
    + _ASCII
    + rb")"
    + _COMMA
    + rb'(?="))++'
)
MAX_DEPTH: Final = 127
"""Containers inside one another that serde_json reads."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets of a value's first byte and of the byte after it."""

    start: int
    end: int


class SyntaxProblem(ValueError):
    """A text that is no JSON; ``column_offset`` counts the bytes up to and with the offender."""

    def __init__(self, message: str, offset: int, path: Path) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.path = path


def place(text: bytes, offset: int) -> str:
    """An offset as serde_json writes it: ``line L column C``, both counted in bytes."""
    before = text[:offset]
    line = before.count(b"\n") + 1
    column = offset - (before.rfind(b"\n") + 1)
    return f"line {line} column {column}"


def path_text(path: Path) -> str:
    """A path as serde_path_to_error writes it: ``messages[0].content``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def locate(text: bytes, path: Path) -> Span:
    """Where the value at a path stands, or the innermost one on the way to it.

    The text has to begin with a JSON value, of any depth; of members with the same key the last counts.
    """
    at = _after_blank(text, 0)
    for step in path:
        inner = _inside(text, at, step)
        if inner is None:
            break
        at = inner
    return Span(at, _end_of(text, at))


def _inside(text: bytes, at: int, step: str | int) -> int | None:
    if text[at : at + 1] != b"{":
        return next((start for index, start in enumerate(_items(text, at)) if index == step), None)
    found = None
    for key, start in _members(text, at):
        if key == step:
            found = start
    return found


def _members(text: bytes, at: int) -> Iterator[tuple[str, int]]:
    """Keys of an object, and where their values start."""
    for start in _items(text, at):
        end = _end_of(text, start)
        value = _after_blank(text, _after_blank(text, end) + 1)
        yield json.loads(text[start:end]), value


def _items(text: bytes, at: int) -> Iterator[int]:
    """Where the items of a list, or the keys of an object, start."""
    closing = {b"{": b"}", b"[": b"]"}.get(text[at : at + 1])
    if closing is None:
        return
    pairs = closing == b"}"
    at = _after_blank(text, at + 1)
    while text[at : at + 1] != closing:
        yield at
        if pairs:
            at = _after_blank(text, _after_blank(text, _end_of(text, at)) + 1)
        at = _after_blank(text, _end_of(text, at))
        if text[at : at + 1] == b",":
            at = _after_blank(text, at + 1)


def _after_blank(text: bytes, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _end_of(text: bytes, at: int) -> int:
    if text[at : at + 1] not in {b"{", b"["}:
        found = _SCALAR.match(text, at)
        return at if found is None else found.end()
    depth = 0
    for token in _TOKENS.finditer(text, at):
        depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return len(text)


def scan(text: bytes) -> None:
    """Judge one JSON value; bytes after it are ignored. Raises :class:`SyntaxProblem`."""
    _Scanner(text).value(())


class _Scanner:
    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    def _peek(self) -> bytes:
        self._at = _after_blank(self._text, self._at)
        return self._text[self._at : self._at + 1]

    def _skip(self, run: "re.Pattern[bytes]") -> bytes:
        """Go past what is known to be good; returns it."""
        found = run.match(self._text, self._at)
        if found is None:
            return b""
        self._at = found.end()
        return found[0]

    def _eof(self, what: str, path: Path) -> SyntaxProblem:
        return SyntaxProblem(f"EOF while parsing {what}", len(self._text), path)

    def _here(self, message: str, path: Path) -> SyntaxProblem:
        return SyntaxProblem(message, self._at + 1, path)

    def value(self, path: Path) -> None:
        first = self._peek()
        if not first:
            raise self._eof("a value", path)
        if len(path) >= MAX_DEPTH and first in b"{[":
            raise self._here("recursion limit exceeded", path)
        if first == b"{":
            self._object(path)
        elif first == b"[":
            self._array(path)
        elif first == b'"':
            self._string(path)
        elif first in b"-0123456789":
            self._number(path)
        else:
            self._word(first, path)

    def _word(self, first: bytes, path: Path) -> None:
        word = next((word for word in _WORDS if word.startswith(first)), None)
        if word is None:
            raise self._here("expected value", path)
        for index, byte in enumerate(word):
            if self._at + index >= len(self._text):
                raise self._eof("a value", path)
            if self._text[self._at + index] != byte:
                raise SyntaxProblem("expected ident", self._at + index + 1, path)
        self._at += len(word)

    def _number(self, path: Path) -> None:
        match = _NUMBER.match(self._text, self._at)
        end = match.end() if match else self._at + 1
        follows = self._text[end : end + 1]
        if match is None or (follows and follows in b"0123456789.eE"):
            if end >= len(self._text):
                raise self._eof("a value", path)
            raise SyntaxProblem("invalid number", end + 1, path)
        if isinf(float(match[0])):
            raise SyntaxProblem("number out of range", end, path)
        self._at = end

    def _string(self, path: Path) -> str:
        start = self._at
        self._at += 1
        while True:
            byte = self._text[self._at : self._at + 1]
            if not byte:
                raise self._eof("a string", path)
            if byte == b'"':
                break
            if byte == b"\\":
                self._escape(path)
            elif byte < b" ":
                problem = "control character (\\u0000-\\u001F) found while parsing a string"
                raise self._here(problem, path)
            else:
                plain = _PLAIN.match(self._text, self._at)
                self._at = self._at + 1 if plain is None else plain.end()
        self._at += 1
        content = self._text[start + 1 : self._at - 1]
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise SyntaxProblem("invalid unicode code point", self._at, path) from None

    def _escape(self, path: Path) -> None:
        kind = self._text[self._at + 1 : self._at + 2]
        if not kind:
            raise self._eof("a string", path)
        if kind != b"u":
            if kind not in _ESCAPES:
                raise SyntaxProblem("invalid escape", self._at + 2, path)
            self._at += 2
            return
        code = self._hex(self._at + 2, path)
        self._at += 6
        if 0xDC00 <= code <= 0xDFFF:
            raise SyntaxProblem("lone leading surrogate in hex escape", self._at, path)
        if not 0xD800 <= code <= 0xDBFF:
            return
        if self._text[self._at : self._at + 2] != b"\\u":
            raise SyntaxProblem("unexpected end of hex escape", self._at + 1, path)
        low = self._hex(self._at + 2, path)
        self._at += 6
        if not 0xDC00 <= low <= 0xDFFF:
            raise SyntaxProblem("lone leading surrogate in hex escape", self._at, path)

    def _hex(self, at: int, path: Path) -> int:
        match = _HEX.match(self._text, at)
        if match is not None:
            return int(match[0], 16)
        if len(self._text) < at + 4:
            raise self._eof("a string", path)
        raise SyntaxProblem("invalid escape", at + 4, path)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while True:
            following = self._peek()
            if following == b"]" and index == 0:
                break
            index += self._skip(_ITEMS).count(b",")
            self.value((*path, index))
            index += 1
            following = self._peek()
            if not following:
                raise self._eof("a list", path)
            if following == b"]":
                break
            if following != b",":
                raise self._here("expected `,` or `]`", path)
            self._at += 1
            if self._peek() == b"]":
                raise self._here("trailing comma", path)
        self._at += 1

    def _object(self, path: Path) -> None:
        self._at += 1
        first = True
        while True:
            following = self._peek()
            if not following:
                raise self._eof("an object" if first else "a value", path)
            if following == b"}" and first:
                break
            if following != b'"':
                raise self._here("trailing comma" if following == b"}" else "key must be a string", path)
            self._skip(_MEMBERS)
            key = self._string(path)
            following = self._peek()
            if not following:
                raise self._eof("an object", path)
            if following != b":":
                raise self._here("expected `:`", path)
            self._at += 1
            self.value((*path, key))
            first = False
            following = self._peek()
            if not following:
                raise self._eof("an object", path)
            if following == b"}":
                break
            if following != b",":
                raise self._here("expected `,` or `}`", path)
            self._at += 1
        self._at += 1
