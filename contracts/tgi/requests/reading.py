"""A body read as one type, as serde's derived code does it: what is read, or the first mistake, in its words.

Source: serde and serde_derive 1.0.219 (``src/private/de.rs``, ``src/de.rs``). Held to the crates' own answers
by ``tests/of_contracts/test_serde_answers.py``.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias, TypeVar, cast

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.schema.json_reader import Content, JsonReader, Pairs, plain
from tgi_conformance.contracts.schema.serde_errors import SerdeError
from tgi_conformance.contracts.tgi.requests.field_types import (
    RANGES,
    Anything,
    ListOf,
    OneOf,
    Scalar,
    Struct,
    Tagged,
    Type,
    Variant,
)
from tgi_conformance.contracts.tgi.requests.serde_words import described
from tgi_conformance.contracts.tgi.requests.sources import (
    Members,
    SetAside,
    Source,
    TextSource,
    invalid_type,
)

Result = TypeVar("Result")


def read_body(kind: Type, body: bytes) -> JSON:
    """What is read of a body as one type; raises :class:`SerdeError`. Bytes behind the value are ignored."""
    return read(kind, TextSource(JsonReader(body)))


def read(kind: Type, source: Source) -> JSON:
    """What is read of a value as one type; raises :class:`SerdeError`."""
    try:
        if kind.nullable and source.take_null():
            return None
        return _READERS[type(kind)](kind, source)
    except SerdeError as error:
        source.tell_path(error)
        raise


def _at_path(source: Source, reading: Callable[[], Result]) -> Result:
    """What ``reading`` gives; what is wrong in it gets the path of the value, where it has none yet."""
    try:
        return reading()
    except SerdeError as error:
        source.tell_path(error)
        raise


def _scalar(kind: Scalar, source: Source) -> JSON:
    expected = kind.expected
    value = source.scalar(expected)
    if type(value) is str and expected == "a string":
        return value
    try:
        return _fitting(value, expected)
    except SerdeError as error:
        source.place(error)
        raise


def _fitting(value: Content, expected: str) -> JSON:
    """A scalar that fits."""
    if expected == "a boolean":
        fits = isinstance(value, bool)
    elif expected == "a string":
        fits = isinstance(value, str)
    elif expected == "f32":
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        fits = isinstance(value, int) and not isinstance(value, bool)
        least, most = RANGES[expected]
        if fits and not least <= cast("int", value) <= most:
            raise SerdeError(f"invalid value: integer `{value}`, expected {expected}")
    if not fits:
        raise invalid_type(described(value), expected)
    return cast("JSON", value)


def _list(kind: ListOf, source: Source) -> JSON:
    return source.read_list(lambda items: [read(kind.item, item) for item in items], "a sequence")


def _anything(_: Anything, source: Source) -> JSON:
    return plain(source.content())


# --- structs ------------------------------------------------------------------------------------------


def _struct(kind: Struct, source: Source) -> JSON:
    expected = f"struct {kind.name}"
    if kind.flattened is not None or kind.open:
        return source.read_object(lambda members: _flat_members(kind, members), expected)
    return source.read_either(
        lambda items: _listed(kind, items), lambda members: _members(kind, members), expected
    )


def _members(kind: Struct, members: Members) -> JSON:
    found: dict[str, JSON] = {}
    while (key := members.key()) is not None:
        name = kind.aliases.get(key, key)
        if name not in kind.fields:
            members.skip()
            continue
        if name in found:
            raise SerdeError(f"duplicate field `{name}`")
        found[name] = read(kind.fields[name], members.value())
    _require(kind, found)
    return found


def _require(kind: Struct, found: Mapping[str, JSON]) -> None:
    for name in kind.required:
        if name not in found:
            raise SerdeError(f"missing field `{name}`")


def _flat_members(kind: Struct, members: Members) -> JSON:
    found: dict[str, JSON] = {}
    others: list[tuple[str, Content]] = []
    while (key := members.key()) is not None:
        if key not in kind.fields:
            others.append((key, members.value().content()))
            continue
        if key in found:
            raise SerdeError(f"duplicate field `{key}`")
        found[key] = read(kind.fields[key], members.value())
    _require(kind, found)
    if kind.flattened is None:
        return {**found, **cast("dict[str, JSON]", plain(Pairs(others)))}
    return {**found, **cast("dict[str, JSON]", read(kind.flattened, SetAside(Pairs(others))))}


def _listed(kind: Struct, items: Iterator[Source]) -> JSON:
    found: dict[str, JSON] = {}
    for index, (name, item_kind) in enumerate(kind.fields.items()):
        item = next(items, None)
        if item is not None:
            found[name] = read(item_kind, item)
        elif name in kind.required or name in kind.listed:
            count = len(kind.fields)
            told = "1 element" if count == 1 else f"{count} elements"
            raise SerdeError(f"invalid length {index}, expected struct {kind.name} with {told}")
    return found


# --- choices ------------------------------------------------------------------------------------------


def _one_of(kind: OneOf, source: Source) -> JSON:
    value = source.content()
    for option in kind.options:
        try:
            found = read(option, SetAside(value))
        except SerdeError:
            continue
        if found == [] and kind.empty is not None:
            raise SerdeError(kind.empty)
        return found
    raise SerdeError(f"data did not match any variant of untagged enum {kind.name}")


def _variant(kind: Variant, source: Source) -> JSON:
    """Only within a choice, so that nobody sees what is wrong."""
    value = source.content()
    rest: Content
    if isinstance(value, list) and value:
        tag, rest = value[0], value[1:]
    elif isinstance(value, Pairs):
        tags = [item for key, item in value if key == "type"]
        tag = tags[0] if len(tags) == 1 else None
        rest = Pairs(pair for pair in value if pair[0] != "type")
    else:
        raise invalid_type(described(value), f"internally tagged enum {kind.name}")
    name = SetAside(tag).identifier(tuple(kind.variants))
    return {"type": name, **cast("dict[str, JSON]", read(kind.variants[name], SetAside(rest)))}


def _tagged(kind: Tagged, source: Source) -> JSON:
    return source.read_either(
        lambda items: _tagged_list(kind, items),
        lambda members: _tagged_members(kind, members),
        f"adjacently tagged enum {kind.name}",
    )


def _tagged_list(kind: Tagged, items: Iterator[Source]) -> JSON:
    first = next(items, None)
    if first is None:
        raise SerdeError(f"invalid length 0, expected adjacently tagged enum {kind.name}")
    tag = _at_path(first, lambda: first.identifier(tuple(kind.values)))
    second = next(items, None)
    if second is None:
        raise SerdeError(f"invalid length 1, expected adjacently tagged enum {kind.name}")
    return {"type": tag, "value": read(kind.values[tag], second)}


def _tag(kind: Tagged, source: Source) -> str:
    return _at_path(source, lambda: source.variant(tuple(kind.values)))


def _tagged_members(kind: Tagged, members: Members) -> JSON:
    first = _next_of_two(members)
    if first is None:
        raise SerdeError("missing field `type`")
    if first == "type":
        tag = _tag(kind, members.value())
        _second(members, first, "value")
        value = read(kind.values[tag], members.value())
    else:
        aside = members.value().content()
        _second(members, first, "type")
        tag = _tag(kind, members.value())
        value = read(kind.values[tag], SetAside(aside))
    again = _next_of_two(members)
    if again is not None:
        raise SerdeError(f"duplicate field `{again}`")
    return {"type": tag, "value": value}


def _second(members: Members, first: str, wanted: str) -> None:
    second = _next_of_two(members)
    if second is None:
        raise SerdeError(f"missing field `{wanted}`")
    if second == first:
        raise SerdeError(f"duplicate field `{first}`")


def _next_of_two(members: Members) -> str | None:
    """The next key that is ``type`` or ``value``."""
    while (key := members.key()) not in {None, "type", "value"}:
        members.skip()
    return key


_Reader: TypeAlias = Callable[..., JSON]
_READERS: Final[Mapping[type, _Reader]] = {
    Scalar: _scalar,
    ListOf: _list,
    Struct: _struct,
    OneOf: _one_of,
    Variant: _variant,
    Tagged: _tagged,
    Anything: _anything,
}
