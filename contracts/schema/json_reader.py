"""A JSON text read as serde_json reads it: its leniencies, its errors, and the places that it names.

Source: serde_json 1.0.140 (``src/de.rs``, ``src/read.rs``) and serde_path_to_error 0.1.17, the versions in
the router's lock file. Held to the crates' own answers by ``tests/of_contracts/test_serde_answers.py``.
"""

import json
import re
from typing import Final, NoReturn, TypeAlias

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.serde_errors import UNKNOWN, Path, SerdeError

#: Containers inside one another that serde_json reads, and one: at this many it stops.
MOST_NESTED: Final = 128
_MOST_U64: Final = 2**64 - 1
_MOST_I32: Final = 2**31 - 1
#: The largest power of ten that is a float, which serde_json's table ends with.
_LARGEST_POWER: Final = 308

_SPACE: Final = re.compile(rb"[ \t\n\r]*+")
_DIGITS: Final = re.compile(rb"[0-9]*+")
_RUN: Final = re.compile(rb'[^"\\\x00-\x1f]*+')
_IGNORED_RUN: Final = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+')
_HEX: Final = re.compile(rb"[0-9A-Fa-f]{4}")
_ESCAPES: Final = {34: '"', 92: "\\", 47: "/", 98: "\b", 102: "\f", 110: "\n", 114: "\r", 116: "\t"}
#: Runs of plain items and members, each with its comma: what long lists and objects are made of.
_SIMPLE: Final = rb"(?:(?:0|-?[1-9][0-9]{0,17}+)(?:\.[0-9]++)?(?=[ \t\n\r,])|null|true|false)"
_ASCII: Final = rb'"[^"\\\x00-\x1f\x80-\xff]*+"'
_COMMA: Final = rb"[ \t\n\r]*+,[ \t\n\r]*+"
_ITEMS: Final = re.compile(rb"(?:(?:" + _SIMPLE + rb"|" + _ASCII + rb")" + _COMMA + rb'(?=["\-0-9ntf\[{]))++')
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


#: Lists in lists.
_OPENINGS: Final = re.compile(rb"\[(?:[ \t\n\r]*+\[)++")


class Pairs(tuple[tuple[str, "Content"], ...]):
    """The members of an object in order; a key may come twice."""

    __slots__ = ()


#: A value as it stands in the text, objects with every member.
Content: TypeAlias = None | bool | int | float | str | list["Content"] | Pairs


def plain(content: Content) -> JSON:
    """The same value as JSON has it: of members with the same key the last counts."""
    if isinstance(content, Pairs):
        return {key: plain(item) for key, item in content}
    return [plain(item) for item in content] if isinstance(content, list) else content


class JsonReader:
    """A place in a JSON text, and what can be read from there."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0
        self.room = MOST_NESTED

    def peek(self) -> bytes:
        """The next byte that is no blank; empty at the end."""
        found = _SPACE.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return self.text[self.at : self.at + 1]

    def fail(self, message: str) -> NoReturn:
        """Refuse the text at the byte that was read last."""
        raise SerdeError(message, self.at, syntax=True)

    def fail_here(self, message: str) -> NoReturn:
        """Refuse the text at the next byte."""
        raise SerdeError(message, min(self.at + 1, len(self.text)), syntax=True)

    def value_start(self) -> bytes:
        """The next byte, with which a value is to begin."""
        return self.peek() or self.fail_here("EOF while parsing a value")

    def word(self, word: bytes) -> None:
        """Go past ``null``, ``true`` or ``false``, whose first byte has been seen."""
        for expected in word:
            if self.at >= len(self.text):
                self.fail("EOF while parsing a value")
            self.at += 1
            if self.text[self.at - 1] != expected:
                self.fail("expected ident")

    def end(self) -> None:
        """Refuse what stands behind a value that is to be the whole text."""
        if self.peek():
            self.fail_here("trailing characters")

    # --- containers -----------------------------------------------------------------------------------

    def enter(self) -> None:
        """Go into a list or an object."""
        self.room -= 1
        if self.room == 0:
            self.fail_here("recursion limit exceeded")
        self.at += 1

    def has_item(self, *, first: bool) -> bool:
        """Whether a list has another item, which is then next."""
        following = self.peek() or self.fail_here("EOF while parsing a list")
        if following == b"]" or first:
            return following != b"]"
        if following != b",":
            self.fail_here("expected `,` or `]`")
        self.at += 1
        if self.value_start() == b"]":
            self.fail_here("trailing comma")
        return True

    def next_key(self, *, first: bool) -> str | None:
        """The next key of an object, or None at its end."""
        following = self.peek() or self.fail_here("EOF while parsing an object")
        if following == b"}":
            return None
        if not first:
            if following != b",":
                self.fail_here("expected `,` or `}`")
            self.at += 1
            following = self.value_start()
            if following == b"}":
                self.fail_here("trailing comma")
        return self.string() if following == b'"' else self.fail_here("key must be a string")

    def colon(self) -> None:
        """Go past the colon behind a key."""
        following = self.peek() or self.fail_here("EOF while parsing an object")
        if following != b":":
            self.fail_here("expected `:`")
        self.at += 1

    def leave_list(self) -> None:
        """Go out of a list; what is left in it is too much."""
        following = self.peek() or self.fail_here("EOF while parsing a list")
        if following == b",":
            self.at += 1
            self.fail_here("trailing comma" if self.peek() == b"]" else "trailing characters")
        if following != b"]":
            self.fail_here("trailing characters")
        self.at += 1

    def leave_object(self) -> None:
        """Go out of an object; what is left in it is too much."""
        following = self.peek() or self.fail_here("EOF while parsing an object")
        if following != b"}":
            self.fail_here("trailing comma" if following == b"," else "trailing characters")
        self.at += 1

    # --- strings --------------------------------------------------------------------------------------

    def string(self) -> str:
        """A string, from its opening quote on."""
        self.at += 1
        parts = []
        while True:
            found = _RUN.match(self.text, self.at)
            if found is not None:
                parts.append(found[0])
                self.at = found.end()
            following = self.text[self.at : self.at + 1] or self.fail("EOF while parsing a string")
            self.at += 1
            if following == b'"':
                break
            if following != b"\\":
                self.fail("control character (\\u0000-\\u001F) found while parsing a string")
            parts.append(self._escaped().encode())
        try:
            return b"".join(parts).decode()
        except UnicodeDecodeError:
            self.fail("invalid unicode code point")

    def _escaped(self) -> str:
        """The character of an escape, from behind the backslash on."""
        if self.at >= len(self.text):
            self.fail("EOF while parsing a string")
        kind = self.text[self.at]
        self.at += 1
        if kind != ord("u"):
            return _ESCAPES.get(kind) or self.fail("invalid escape")
        code = self._hex()
        if 0xDC00 <= code <= 0xDFFF:
            self.fail("lone leading surrogate in hex escape")
        if not 0xD800 <= code <= 0xDBFF:
            return chr(code)
        for expected in b"\\u":
            if self.at >= len(self.text):
                self.fail("EOF while parsing a string")
            self.at += 1
            if self.text[self.at - 1] != expected:
                self.fail("unexpected end of hex escape")
        low = self._hex()
        if not 0xDC00 <= low <= 0xDFFF:
            self.fail("lone leading surrogate in hex escape")
        return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))

    def _hex(self) -> int:
        if self.at + 4 > len(self.text):
            self.at = len(self.text)
            self.fail("EOF while parsing a string")
        found = _HEX.match(self.text, self.at)
        self.at += 4
        return self.fail("invalid escape") if found is None else int(found[0], 16)

    # --- numbers --------------------------------------------------------------------------------------

    def _digits(self) -> bytes:
        found = _DIGITS.match(self.text, self.at)
        if found is None:
            return b""
        self.at = found.end()
        return found[0]

    def _integer_digits(self) -> bytes:
        start = self.at
        digits = self._digits()
        if not digits:
            if self.at >= len(self.text):
                self.fail("EOF while parsing a value")
            self.at += 1
            self.fail("invalid number")
        if len(digits) > 1 and digits.startswith(b"0"):
            self.at = start + 1
            self.fail_here("invalid number")
        return digits

    def number(self) -> int | float:
        """A number: an integer of 64 bits, or a float (which ``-0`` is, too)."""
        positive = self.text[self.at : self.at + 1] != b"-"
        self.at += not positive
        digits = self._integer_digits()
        significand, taken = _taken(0, digits)
        exponent = len(digits) - taken
        following = self.text[self.at : self.at + 1]
        if following not in {b".", b"e", b"E"} and not exponent:
            if positive:
                return significand
            return -significand if 0 < significand <= 2**63 else -float(significand)
        if following == b".":
            self.at += 1
            digits = self._digits()
            if not digits:
                self.fail_here("invalid number" if self.at < len(self.text) else "EOF while parsing a value")
            significand, taken = _taken(significand, digits)
            exponent -= taken
            following = self.text[self.at : self.at + 1]
        if following in {b"e", b"E"}:
            exponent += self._exponent(zero=significand == 0)
        value = self._scaled(significand, exponent)
        return value if positive else -value

    def _exponent(self, *, zero: bool) -> int:
        self.at += 1
        sign = self.text[self.at : self.at + 1]
        self.at += sign in {b"+", b"-"}
        start = self.at
        digits = self._digits()
        if not digits:
            if self.at >= len(self.text):
                self.fail("EOF while parsing a value")
            self.at += 1
            self.fail("invalid number")
        value = 0
        for index, digit in enumerate(digits):
            value = value * 10 + digit - ord("0")
            if value > _MOST_I32:
                if not zero and sign != b"-":
                    self.at = start + index + 1
                    self.fail("number out of range")
                return -_MOST_I32
        return -value if sign == b"-" else value

    def _scaled(self, significand: int, exponent: int) -> float:
        """serde_json's own way from the digits to a float, which is not always the nearest."""
        value = float(significand)
        while abs(exponent) > _LARGEST_POWER:
            if value == 0:
                return value
            if exponent >= 0:
                self.fail("number out of range")
            value /= 1e308
            exponent += _LARGEST_POWER
        if exponent < 0:
            return value / float(f"1e{-exponent}")
        value *= float(f"1e{exponent}")
        return self.fail("number out of range") if value == float("inf") else value

    # --- whole values ---------------------------------------------------------------------------------

    def content(self, path: Path = ()) -> Content:
        """The next value, whatever it is."""
        try:
            first = self.value_start()
            if first == b"[":
                return self._list(path)
            if first == b"{":
                return self._object(path)
            return self._scalar(first)
        except SerdeError as error:
            error.at_path(path)
            raise

    def _scalar(self, first: bytes) -> Content:
        if first == b'"':
            return self.string()
        if first in b"-0123456789":
            return self.number()
        for word, value in ((b"null", None), (b"true", True), (b"false", False)):
            if word.startswith(first):
                self.word(word)
                return value
        return self.fail_here("expected value")

    def _list(self, path: Path) -> list[Content]:
        self.enter()
        found: list[Content] = []
        while self.has_item(first=not found):
            run = _ITEMS.match(self.text, self.at)
            if run is not None:
                self.at = run.end()
                found += json.loads(b"[" + run[0].rstrip(b", \t\r\n") + b"]")
            found.append(self.content((*path, len(found))))
        self.room += 1
        self.at += 1
        return found

    def _object(self, path: Path) -> Pairs:
        self.enter()
        self.peek()
        found: list[tuple[str, Content]] = []
        run = _MEMBERS.match(self.text, self.at)
        if run is not None:
            self.at = run.end()
            found += json.loads(b"{" + run[0].rstrip(b", \t\r\n") + b"}", object_pairs_hook=list)
        first = True
        while True:
            try:
                key = self.next_key(first=first)
            except SerdeError as error:
                error.at_path((*path, UNKNOWN))
                raise
            if key is None:
                break
            self.colon()
            found.append((key, self.content((*path, key))))
            first = False
        self.room += 1
        self.at += 1
        return Pairs(found)

    def ignore(self) -> None:
        """Go past the next value, which nobody reads: of any depth, and whatever its numbers are."""
        first = self.value_start()
        if first not in b"[{":
            self._ignore_scalar(first)
            return
        open_ones = bytearray()
        while True:
            first = self.value_start()
            if first in b"[{":
                run = _OPENINGS.match(self.text, self.at)
                opened = first if run is None else run[0].translate(None, b" \t\n\r")
                self.at = self.at + 1 if run is None else run.end()
                open_ones += opened
                behind_value = False
            else:
                self._ignore_scalar(first)
                behind_value = True
            while open_ones and self._ends_one(open_ones, behind_value=behind_value):
                open_ones.pop()
                behind_value = True
            if not open_ones:
                return
            if open_ones[-1] == ord("{"):
                self._ignore_key()

    def _ends_one(self, open_ones: bytearray, *, behind_value: bool) -> bool:
        """Whether the innermost open container ends here; if not, go past the comma."""
        is_list = open_ones[-1] == ord("[")
        following = self.peek()
        if not following:
            self.fail_here(f"EOF while parsing {'a list' if is_list else 'an object'}")
        if following == (b"]" if is_list else b"}"):
            self.at += 1
            return True
        if behind_value:
            if following != b",":
                self.fail_here(f"expected `,` or `{']' if is_list else '}'}`")
            self.at += 1
        self.peek()
        run = (_ITEMS if is_list else _MEMBERS).match(self.text, self.at)
        if run is not None:
            self.at = run.end()
        return False

    def _ignore_key(self) -> None:
        following = self.peek() or self.fail_here("EOF while parsing an object")
        if following != b'"':
            self.fail_here("key must be a string")
        self._ignore_string()
        self.colon()

    def _ignore_scalar(self, first: bytes) -> None:
        if first == b'"':
            self._ignore_string()
        elif first in b"-0123456789":
            self._ignore_number()
        else:
            self._scalar(first)

    def _ignore_string(self) -> None:
        self.at += 1
        found = _IGNORED_RUN.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        following = self.text[self.at : self.at + 1] or self.fail("EOF while parsing a string")
        if following == b"\\":
            self.at += 1
            if self.text[self.at : self.at + 1] == b"u":
                self.at += 1
                self._hex()
            if self.at >= len(self.text):
                self.fail("EOF while parsing a string")
            self.at += 1
            self.fail("invalid escape")
        if following != b'"':
            self.fail("control character (\\u0000-\\u001F) found while parsing a string")
        self.at += 1

    def _ignore_number(self) -> None:
        self.at += self.text[self.at : self.at + 1] == b"-"
        if self.at >= len(self.text):
            self.fail("invalid number")
        self._integer_digits()
        if self.text[self.at : self.at + 1] == b".":
            self.at += 1
            if not self._digits():
                self.fail_here("invalid number")
        if self.text[self.at : self.at + 1] in {b"e", b"E"}:
            self.at += 1
            self.at += self.text[self.at : self.at + 1] in {b"+", b"-"}
            if not self._digits():
                self.at += self.at < len(self.text)
                self.fail("invalid number")


def _taken(significand: int, digits: bytes) -> tuple[int, int]:
    """The digits that still have room in 64 bits, behind others, and how many they are."""
    taken = 0
    for digit in digits:
        more = significand * 10 + digit - ord("0")
        if more > _MOST_U64:
            break
        significand = more
        taken += 1
    return significand, taken


def whole_value(text: bytes) -> JSON:
    """The JSON value that is the whole of a text; raises :class:`SerdeError`."""
    reader = JsonReader(text)
    value = plain(reader.content())
    reader.end()
    return value
