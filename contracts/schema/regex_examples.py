"""A text that a regular expression matches, for answers under a regex grammar.

Covers what such grammars are made of: literals, classes, groups, choices, repetitions, anchors and word
boundaries, in the syntax that Python's and Rust's regular expressions share. What looks around, refers back,
is atomic or possessive, or would give a long text has no example here. The text is right by how it is made:
nothing is matched, so no expression can take long.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

#: Characters of an expression, groups inside one another, parts of a text.
_LONGEST_EXPRESSION: Final = 20_000
_DEEPEST: Final = 50
_MOST_PARTS: Final = 4096

_COUNTED: Final = re.compile(r"\{(?:(\d{1,6})(?:(,)(\d{1,6})?)?|,(\d{1,6}))\}")
#: Counts that are too large, or that only some readers take for counts.
_COUNTED_OTHERWISE: Final = re.compile(r"\{[\d\s]*,?[\d\s]*\}")
_GROUP: Final = re.compile(r"\?(?::|P?<[A-Za-z_]\w*>|[ims]*(?:-[ims]+)?:)")
_FLAGS: Final = re.compile(r"\(\?[imsu]+\)")
_CODE: Final = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})")
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
#: Anchors and word boundaries by what is written after the backslash.
_PLACES: Final = {"A": "^", "Z": "$", "z": "$", "b": "b", "B": "B"}

Contains: TypeAlias = Callable[[str], bool]


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


#: Classes: a character that is in it, and whether another is.
_CLASSES: Final[dict[str, tuple[str, Contains]]] = {
    "d": ("7", str.isdecimal),
    "w": ("a", _is_word),
    "s": (" ", str.isspace),
    "D": ("a", lambda character: not character.isdecimal()),
    "W": ("-", lambda character: not _is_word(character)),
    "S": ("a", lambda character: not character.isspace()),
}
#: What is tried for a class that names what it is not.
_CANDIDATES: Final = "abcxyzABC0123 -_.,:;!?/\\'\"()[]{}<>@#$%^&*+=|~`\n\té漢"


class _NoExampleError(ValueError):
    pass


@dataclass(frozen=True, slots=True)
class _Place:
    """Something that holds between two characters: ``^``, ``$``, ``b`` or ``B``."""

    kind: str


@dataclass(frozen=True, slots=True)
class _Repeated:
    node: "_Node"
    times: int


#: A text, a place, a sequence, or a repetition.
_Node: TypeAlias = str | _Place | list["_Node"] | _Repeated


def regex_example(expression: str) -> str | None:
    """A text that the whole expression matches, or None where none is known; always the same one."""
    if len(expression) > _LONGEST_EXPRESSION:
        return None
    try:
        reader = _Reader(expression)
        parts = list(_bounded(reader.whole()))
    except _NoExampleError:
        return None
    return "".join(part for part in parts if isinstance(part, str)) if _placed(parts) else None


def _bounded(node: _Node) -> Iterator[str | _Place]:
    for count, part in enumerate(_flat(node)):
        if count >= _MOST_PARTS:
            raise _NoExampleError
        yield part


def _flat(node: _Node) -> Iterator[str | _Place]:
    if isinstance(node, str | _Place):
        yield node
    elif isinstance(node, list):
        for inner in node:
            yield from _flat(inner)
    else:
        for _ in range(node.times):
            # The empty text makes a repetition of nothing count, too.
            yield ""
            yield from _flat(node.node)


def _placed(parts: list[str | _Place]) -> bool:
    """Whether every anchor and word boundary stands where it holds."""
    text = "".join(part for part in parts if isinstance(part, str))
    at = 0
    for part in parts:
        if isinstance(part, str):
            at += len(part)
            continue
        boundary = _word_at(text, at - 1) != _word_at(text, at)
        holds = {"^": at == 0, "$": at == len(text), "b": boundary, "B": not boundary and text != ""}
        if not holds[part.kind]:
            return False
    return True


def _word_at(text: str, at: int) -> bool:
    return 0 <= at < len(text) and _is_word(text[at])


class _Reader:
    """Reads an expression into what one example of it is made of."""

    def __init__(self, expression: str) -> None:
        self._text = expression
        flags = _FLAGS.match(expression)
        self._at = flags.end() if flags else 0
        self._depth = 0

    def whole(self) -> _Node:
        node = self._choice()
        if self._at < len(self._text):
            raise _NoExampleError
        return node

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        taken = self._peek()
        if not taken:
            raise _NoExampleError
        self._at += 1
        return taken

    def _choice(self) -> _Node:
        """The first of several; the others are read all the same, so that a broken one is noticed."""
        first = self._sequence()
        while self._peek() == "|":
            self._at += 1
            other = self._sequence()
            first = first or other
        return first

    def _sequence(self) -> list[_Node]:
        items: list[_Node] = []
        while self._peek() not in {"", "|", ")"}:
            items.append(self._repeated(self._atom()))
        return items

    def _atom(self) -> _Node:
        character = self._take()
        if character == "(":
            return self._group()
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        if character in "^$":
            return _Place(character)
        if character in "*+?":
            raise _NoExampleError
        return "a" if character == "." else character

    def _group(self) -> _Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _NoExampleError
        if self._peek() == "?":
            opening = _GROUP.match(self._text, self._at)
            if opening is None:
                raise _NoExampleError
            self._at = opening.end()
        node = self._choice()
        if self._take() != ")":
            raise _NoExampleError
        self._depth -= 1
        return node

    def _repeated(self, node: _Node) -> _Node:
        """The atom as often as it must be, at least once where it may be."""
        bounds = self._bounds()
        if bounds is None:
            return node
        least, most = bounds
        if isinstance(node, _Place) or (most is not None and most < least):
            raise _NoExampleError
        if self._peek() == "?":
            self._at += 1
        if self._peek() in {"*", "+", "?"} or _COUNTED.match(self._text, self._at):
            raise _NoExampleError
        return _Repeated(node, least or (1 if most is None or most else 0))

    def _bounds(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if self._peek() in simple:
            return simple[self._take()]
        counted = _COUNTED.match(self._text, self._at)
        if counted is None:
            if _COUNTED_OTHERWISE.match(self._text, self._at):
                raise _NoExampleError
            return None
        self._at = counted.end()
        least, open_end, most, only_most = counted.groups()
        if only_most is not None:
            return 0, int(only_most)
        return int(least), int(most) if most else None if open_end else int(least)

    def _escape(self) -> _Node:
        code = self._code()
        if code is not None:
            return code
        character = self._take()
        if character in _PLACES:
            return _Place(_PLACES[character])
        if character in _CLASSES:
            return _CLASSES[character][0]
        return _literal(character)

    def _code(self) -> str | None:
        code = _CODE.match(self._text, self._at)
        if code is None:
            return None
        self._at = code.end()
        number = int(code[1] or code[2] or code[3], 16)
        if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            raise _NoExampleError
        return chr(number)

    def _class(self) -> str:
        negated = self._peek() == "^"
        self._at += negated
        pick, contains = self._item()
        every = [contains]
        while self._peek() != "]":
            every.append(self._item()[1])
        self._at += 1
        if not negated:
            return pick
        for candidate in _CANDIDATES:
            if not any(inside(candidate) for inside in every):
                return candidate
        raise _NoExampleError

    def _item(self) -> tuple[str, Contains]:
        """A character, a range or a class inside brackets."""
        first = self._character()
        if not isinstance(first, str):
            return first
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] == "]":
            return first, first.__eq__
        self._at += 1
        last = self._character()
        if not isinstance(last, str) or last < first:
            raise _NoExampleError
        return first, lambda character: first <= character <= last

    def _character(self) -> str | tuple[str, Contains]:
        character = self._take()
        # Rust nests brackets and knows operators; what they mean elsewhere is another matter.
        if character == "[" or self._text[self._at - 1 : self._at + 1] in {"&&", "--", "~~", "||"}:
            raise _NoExampleError
        if character != "\\":
            return character
        code = self._code()
        if code is not None:
            return code
        escaped = self._take()
        return _CLASSES[escaped] if escaped in _CLASSES else _literal(escaped)


def _literal(escaped: str) -> str:
    """The character that an escape stands for."""
    if escaped in _CONTROLS:
        return _CONTROLS[escaped]
    if escaped.isalnum() or not escaped.isascii():
        raise _NoExampleError
    return escaped
