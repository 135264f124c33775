"""The length limit of a request body, lowered or set in its text: every other byte stays as it was. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Final

from tgi_conformance.contracts.json_types import JSON

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = " \t\r\n"
#: Routes that take the limit as one of ``parameters``, and those that take it beside the messages or prompt.
_NATIVE: Final = frozenset({"/", "/generate", "/generate_stream"})
_OPENAI: Final = frozenset({"/v1/chat/completions", "/v1/completions", "/chat/completions", "/completions"})
_LIMITS: Final = ("max_completion_tokens", "max_tokens", "max_new_tokens")


@dataclass(frozen=True, slots=True)
class Limited:
    """A body, how many tokens it may generate at most, and whether its limit was changed."""

    body: bytes
    tokens: int
    changed: bool = False


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of an object in a text: its value, and where that begins and ends."""

    value: JSON
    start: int
    end: int


def limited(body: bytes, path: str, most: int) -> Limited:
    """The body of a request with a limit of at most ``most`` tokens for each sequence.

    What generates nothing (another route, no JSON, no object) stays as it is.
    """
    route = path if path in _OPENAI | _NATIVE else path.rstrip("/") or "/"
    if route not in _OPENAI | _NATIVE:
        return Limited(body, 0)
    try:
        text = body.decode()
        root = _members(text)
        place = _members(text, root["parameters"].start) if _has_object(root, "parameters") else {}
    except (ValueError, RecursionError):
        return Limited(body, 0)
    if route in _OPENAI:
        return _with_limit(text, root, "max_tokens", most, at=_opening(text))
    if "parameters" in root and not _has_object(root, "parameters"):
        if root["parameters"].value is not None:
            return Limited(body, 0)
        given = f'{{"max_new_tokens":{most}}}'
        return Limited(_replaced(text, root["parameters"], given), most, changed=True)
    if place or "parameters" in root:
        return _with_limit(text, place, "max_new_tokens", most, at=_opening(text, root["parameters"].start))
    wanted = f'"parameters":{{"max_new_tokens":{most}}}'
    return Limited(_inserted(text, _opening(text), wanted, empty=not root), most, changed=True)


def _with_limit(text: str, members: dict[str, _Member], name: str, most: int, *, at: int) -> Limited:
    """The text with the limits among these members lowered, or one set where there is none."""
    sequences = _sequences(members)
    given = [members[limit] for limit in _LIMITS if limit in members and members[limit].value is not None]
    if not given:
        if name in members:  # null
            return Limited(_replaced(text, members[name], str(most)), most * sequences, changed=True)
        made = _inserted(text, at, f'"{name}":{most}', empty=not members)
        return Limited(made, most * sequences, changed=True)
    tall = [member for member in given if _is_count(member.value) and int(str(member.value)) > most]
    if not tall:
        counts = [int(str(member.value)) for member in given if _is_count(member.value)]
        return Limited(text.encode(), max(counts, default=0) * sequences)
    for member in sorted(tall, key=lambda member: -member.start):
        text = text[: member.start] + str(most) + text[member.end :]
    return Limited(text.encode(), most * sequences, changed=True)


def _sequences(members: dict[str, _Member]) -> int:
    counts = [members[name].value for name in ("n", "best_of") if name in members]
    return max((value for value in counts if isinstance(value, int) and value > 0), default=1)


def _is_count(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _has_object(members: dict[str, _Member], name: str) -> bool:
    return name in members and isinstance(members[name].value, dict)


def _replaced(text: str, member: _Member, value: str) -> bytes:
    return (text[: member.start] + value + text[member.end :]).encode()


def _inserted(text: str, at: int, member: str, *, empty: bool) -> bytes:
    return (text[:at] + member + ("" if empty else ",") + text[at:]).encode()


def _opening(text: str, start: int = 0) -> int:
    """Where the first member of an object would stand."""
    return text.index("{", start) + 1


def _members(text: str, start: int = 0) -> dict[str, _Member]:
    """The members of the object that begins at or after ``start``; raises ValueError where there is none."""
    return dict(_each_member(text, start))


def _each_member(text: str, start: int) -> Iterator[tuple[str, _Member]]:
    at = _past_space(text, start)
    if text[at : at + 1] != "{":
        raise ValueError("no object")
    at = _past_space(text, at + 1)
    if text[at : at + 1] == "}":
        return
    while True:
        if text[at : at + 1] != '"':
            raise ValueError("no name")
        name, at = scanstring(text, at + 1, True)  # noqa: FBT003
        at = _past_space(text, at)
        if text[at : at + 1] != ":":
            raise ValueError("no colon")
        begin = _past_space(text, at + 1)
        value, at = _DECODER.raw_decode(text, begin)
        yield name, _Member(value, begin, at)
        at = _past_space(text, at)
        if text[at : at + 1] == "}":
            return
        if text[at : at + 1] != ",":
            raise ValueError("no comma")
        at = _past_space(text, at + 1)


def _past_space(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    return at
