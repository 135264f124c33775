"""Who disagrees with whom: a real server, the contracts, and the fake server, request by request."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tgi_conformance.check.asked import DONE, Answered, Asked, Finding
from tgi_conformance.check.expecting import expected
from tgi_conformance.check.judging import judge
from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Server

_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request, and who is alone with its answer."""

    asked: Asked
    #: What the contracts find wrong with the real server's answer, and with the fake's.
    real: tuple[Finding, ...]
    fake: tuple[Finding, ...]
    #: In what the two answers differ, whatever the contracts say.
    differences: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Who disagrees with whom, in words; empty: all agree."""
        if self.real and self.fake:
            return "the contracts disagree with both" if not self.differences else "all three disagree"
        if self.real:
            return "the real server disagrees with contracts and fake"
        if self.fake:
            return "the fake disagrees with contracts and real server"
        return "the contracts do not tell the two apart" if self.differences else ""


def drift(
    requests: Iterable[Asked],
    real: Callable[[Asked], Answered],
    fake: Callable[[Asked], Answered],
    server: Server,
) -> Iterator[Row]:
    """A row for each request; ``server``: the settings that both were started with."""
    for asked in requests:
        wanted = expected(asked, server)
        there, here = real(asked), fake(asked)
        yield Row(
            asked=asked,
            real=tuple(judge(asked, wanted, there)),
            fake=tuple(judge(asked, wanted, here)),
            differences=tuple(differences(there, here)),
        )


def differences(real: Answered, fake: Answered) -> Iterator[str]:
    """In what two answers differ that do not depend on what a model says."""
    if real.problem or fake.problem:
        if real.problem != fake.problem:
            yield f"answer: {real.problem or 'whole'} / {fake.problem or 'whole'}"
        return
    if real.status != fake.status:
        yield f"status: {real.status} / {fake.status}"
        return
    if real.media_type != fake.media_type:
        yield f"content type: {real.media_type or 'none'} / {fake.media_type or 'none'}"
    if real.streamed and fake.streamed:
        yield from _of_streams(real, fake)
    elif real.value is not None and fake.value is not None:
        yield from _of_shapes(shape_of(real.value), shape_of(fake.value))
        yield from _of_errors(real.value, fake.value)
    elif real.status >= 400 and _masked(real.text) != _masked(fake.text):
        yield f"text: {real.text[:80]!r} / {fake.text[:80]!r}"


def _of_streams(real: Answered, fake: Answered) -> Iterator[str]:
    ends = [any(event.data == DONE for event in answer.events) for answer in (real, fake)]
    if ends[0] != ends[1]:
        yield f"[DONE]: {ends[0]} / {ends[1]}"
    there, here = (_merged(answer.frames) for answer in (real, fake))
    yield from _of_shapes(there, here)


def _of_errors(real: JSON, fake: JSON) -> Iterator[str]:
    if not (isinstance(real, dict) and isinstance(fake, dict)):
        return
    for name in ("error", "error_type"):
        there, here = real.get(name), fake.get(name)
        if isinstance(there, str) and isinstance(here, str) and _masked(there) != _masked(here):
            yield f"{name}: {there[:80]!r} / {here[:80]!r}"


def _masked(text: str) -> str:
    return _NUMBER.sub("#", text)


#: Place of a value in JSON, as ``choices[].message.content`` -> the types that it has there.
Shape = dict[str, frozenset[str]]


def shape_of(value: JSON) -> Shape:
    """The places of a JSON value and their types; items of a list share a place."""
    places: dict[str, set[str]] = {}
    _note(value, "", places)
    return {place: frozenset(types) for place, types in places.items()}


def _note(value: Any, place: str, places: dict[str, set[str]]) -> None:
    if isinstance(value, dict):
        places.setdefault(place, set()).add("object")
        for name, inner in value.items():
            _note(inner, f"{place}.{name}" if place else name, places)
    elif isinstance(value, list):
        places.setdefault(place, set()).add("array")
        for inner in value:
            _note(inner, f"{place}[]", places)
    else:
        places.setdefault(place, set()).add(_type_of(value))


def _type_of(value: object) -> str:
    if value is None:
        return "null"
    return {bool: "boolean", int: "number", float: "number", str: "string"}[type(value)]


def _merged(frames: Iterable[JSON]) -> Shape:
    whole: dict[str, frozenset[str]] = {}
    for frame in frames:
        for place, types in shape_of(frame).items():
            whole[place] = whole.get(place, frozenset()) | types
    return whole


def _of_shapes(real: Shape, fake: Shape) -> Iterator[str]:
    for place in sorted(real.keys() | fake.keys()):
        there, here = real.get(place, frozenset()), fake.get(place, frozenset())
        if there == here or _is_hidden(real, place) or _is_hidden(fake, place):
            continue
        # A value that is null in the one shows nothing of its type.
        if there == {"null"} or here == {"null"} or there - {"null"} == here - {"null"}:
            continue
        yield f"{place or 'body'}: {_words(there)} / {_words(here)}"


def _is_hidden(shape: Shape, place: str) -> bool:
    """Whether a place lies in something that is null or an empty list there: nothing is known of it."""
    if place in shape:
        return False
    for outer in _around(place):
        if outer in shape:
            return "null" in shape[outer] or ("array" in shape[outer] and f"{outer}[]" not in shape)
    return False


def _around(place: str) -> Iterator[str]:
    """The places that a place lies in, the nearest first."""
    while place:
        place = place[:-2] if place.endswith("[]") else place.rpartition(".")[0]
        yield place


def _words(types: frozenset[str]) -> str:
    return "|".join(sorted(types)) or "absent"
