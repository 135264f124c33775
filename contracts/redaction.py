"""Takes keys out of everything that is written: each becomes its alias, as ``key:A``.

Found are a key as it stands, percent-encoded, with JSON or other backslash escapes (each wholly or in
part), and inside base64, whether the text *is* base64 (heads and bodies of journals: decoded, redacted,
encoded again) or only holds some (``Basic`` credentials). Whatever else looks like a token of the hub
becomes ``key:?``.
"""

import base64
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from tgi_conformance.contracts.codec import from_json, to_json
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.verdict import Verdict

UNKNOWN: Final = "key:?"

#: Shorter keys are not looked for inside base64: their core there is too short to be told from chance.
_LEAST_FOR_BASE64: Final = 8
#: Base64 inside base64 is followed this deep.
_DEPTH: Final = 3

_HUB_TOKEN: Final = re.compile(r"hf(?:_|%5[fF]|\\+u005[fF])[A-Za-z0-9]{20,}")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)


def redact(value: JSON, keys: Mapping[str, str]) -> JSON:
    """The same JSON value without the keys; ``keys`` maps alias to key.

    Names of members are redacted too. Numbers, booleans and null pass as they are.
    """
    return _Redactor(tuple(sorted(keys.items()))).value(value)


def redact_text(text: str, keys: Mapping[str, str]) -> str:
    """The same text without the keys."""
    return _Redactor(tuple(sorted(keys.items()))).text(text)


def redact_bytes(content: bytes, keys: Mapping[str, str]) -> bytes:
    """The same bytes without the keys; bytes that are no UTF-8 stay as they are."""
    return _Redactor(tuple(sorted(keys.items()))).raw(content)


def redact_verdict(verdict: Verdict, keys: Mapping[str, str]) -> Verdict:
    """The same verdict without the keys."""
    redacted = from_json(Verdict, redact(to_json(verdict), keys))
    # What names things must go on naming them: identities hold no keys, and must match those of other files.
    return dataclasses.replace(redacted, case=verdict.case, clause=verdict.clause, backend=verdict.backend)


class _Redactor:
    """Redacts by one set of keys."""

    def __init__(self, keys: tuple[tuple[str, str], ...]) -> None:
        self._forms = _forms(tuple((alias, key) for alias, key in keys if key))

    def value(self, value: JSON, depth: int = _DEPTH) -> JSON:
        if isinstance(value, str):
            return self.text(value, depth)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, Sequence):
            return [self.value(item, depth) for item in value]
        return value

    def text(self, text: str, depth: int = _DEPTH) -> str:
        if depth and _BASE64.fullmatch(text):
            inner = base64.b64decode(text)
            if (clean := self.raw(inner, depth - 1)) != inner:
                return base64.b64encode(clean).decode("ascii")
        for form in self._forms:
            text = form.take_out(text)
        return _HUB_TOKEN.sub(UNKNOWN, text)

    def raw(self, content: bytes, depth: int = _DEPTH) -> bytes:
        # Escaped surrogates carry bytes that are no UTF-8 there and back unchanged.
        text = content.decode("utf-8", errors="surrogateescape")
        return self.text(text, depth).encode("utf-8", errors="surrogateescape")

    def _mapping(self, value: Mapping[str, JSON], depth: int) -> JSON:
        result: dict[str, JSON] = {}
        for name, item in value.items():
            clean = base = self.text(name, depth)
            number = 1
            while clean in result:  # two keys, one alias: neither value may be lost
                number += 1
                clean = f"{base}#{number}"
            result[clean] = self.value(item, depth)
        return result


@dataclasses.dataclass(frozen=True, slots=True)
class _Form:
    """All ways in which one key may be written, and what stands in its place."""

    key: str
    literals: tuple[str, ...]
    alias: str

    def take_out(self, text: str) -> str:
        for literal in self.literals:
            text = text.replace(literal, self.alias)
        if "%" in text or "\\" in text:
            text = _escaped(self.key).sub(lambda _: self.alias, text)
        return text


@lru_cache(maxsize=256)
def _forms(keys: tuple[tuple[str, str], ...]) -> tuple[_Form, ...]:
    # Longest first: where one key begins with another, the longer one is meant.
    ordered = sorted(keys, key=lambda pair: -len(pair[1]))
    return tuple(
        _Form(
            key=key,
            literals=(key, *_base64_cores(key)),
            alias=f"key:{alias}",
        )
        for alias, key in ordered
    )


@lru_cache(maxsize=256)
def _escaped(key: str) -> re.Pattern[str]:
    """The pattern of a key with any of its characters escaped; 8 ms each, so made when a text needs it."""
    return re.compile("".join(_escapes_of(character) for character in key))


def _escapes_of(character: str) -> str:
    """A pattern for one character: as it stands, percent-encoded, or behind any number of backslashes."""
    units = re.findall("....", character.encode("utf-16-be", "surrogatepass").hex())
    unicode = "".join(rf"\\+u(?i:{unit})" for unit in units)
    percent = "".join(f"%(?:25)*(?i:{byte:02x})" for byte in character.encode("utf-8", "surrogatepass"))
    short = json.dumps(character, ensure_ascii=False)[1:-1]
    options = [percent, unicode]
    if short != character:
        options.append(rf"\\+{re.escape(short[1:])}")
    # Last: a "%" that stands for itself is also how its own code begins.
    options.append(re.escape(character))
    return f"(?:{'|'.join(options)})"


def _base64_cores(key: str) -> tuple[str, ...]:
    """The characters that a key gives in base64 whatever stands around it, for its three possible offsets."""
    content = key.encode("utf-8", "surrogatepass")
    if len(content) < _LEAST_FOR_BASE64:
        return ()
    cores = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + content).decode("ascii").rstrip("=")
        # The first characters mix bits of the key with what stands before it, the last with what follows.
        first = -(-offset * 8 // 6)
        last = (offset + len(content)) * 8 // 6
        cores.append(encoded[first:last])
    return tuple(dict.fromkeys([*cores, *(core.translate(_URL_SAFE) for core in cores)]))


_URL_SAFE: Final = str.maketrans("+/", "-_")
