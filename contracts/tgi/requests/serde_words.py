"""Values as serde and Rust write them in messages."""

import unicodedata
from typing import Final

from tgi_conformance.contracts.schema.json_reader import Content, Pairs

_ESCAPED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", '"': '\\"', "\\": "\\\\"}
#: The one power of ten that Python writes as an exponent and ryu with zeros.
_ONLY_PYTHONS: Final = -5
#: Categories of characters that continue the one before: Rust escapes them in ``{:?}``.
_EXTENDING: Final = frozenset({"Mn", "Me"})


def rust_debug(text: str) -> str:
    """A text as Rust's ``{:?}`` writes it."""
    if text.isascii() and text.isprintable():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    plain = character.isprintable() and unicodedata.category(character) not in _EXTENDING
    return character if plain else f"\\u{{{ord(character):x}}}"


def rust_float(value: float) -> str:
    """A float as the ryu crate writes it: the shortest digits, an exponent from 1e16 on and below 1e-5."""
    text = repr(value)
    digits, _, exponent = text.partition("e")
    if not exponent:
        return text
    power = int(exponent)
    if power == _ONLY_PYTHONS:
        sign = "-" if digits.startswith("-") else ""
        return f"{sign}0.0000{digits.lstrip('-').replace('.', '')}"
    return f"{digits}e{power}"


def described(value: Content) -> str:
    """A value as serde names it in "invalid type"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, float):
        return f"floating point `{rust_float(value)}`"
    if isinstance(value, str):
        return f"string {rust_debug(value)}"
    return "map" if isinstance(value, Pairs) else "sequence"
