"""What serde reads values from: the text of a body, or a value that was set aside until its type is known.

Both offer the same, so that :mod:`~tgi_conformance.contracts.tgi.requests.reading` is written once. Only
the text knows places, and only there a path is kept: what is wrong with a value set aside is placed by
whatever set it aside.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, NoReturn, Protocol, TypeAlias, TypeVar

from tgi_conformance.contracts.schema.json_reader import Content, JsonReader, Pairs
from tgi_conformance.contracts.schema.serde_errors import UNKNOWN, Path, SerdeError
from tgi_conformance.contracts.tgi.requests.serde_words import described

Read = TypeVar("Read")
_IDENTIFIER: Final = "variant identifier"


class Members(Protocol):
    """The members of an object, one after the other."""

    def key(self) -> str | None:
        """The next key, or None after the last."""

    def value(self) -> "Source":
        """The value of that key."""

    def skip(self) -> None:
        """Go past the value of that key, which nobody reads."""


class Source(Protocol):
    """One value that is to be read."""

    def scalar(self, expected: str) -> Content:
        """A boolean, string or number; anything else is an invalid type."""

    def take_null(self) -> bool:
        """Whether the value is null, which is then read."""

    def content(self) -> Content:
        """The value, set aside."""

    def tell_path(self, error: SerdeError) -> None:
        """Give an error the path of the value, where it has none yet and the value has one."""

    def place(self, error: SerdeError) -> None:
        """Give an error the place that reading has come to as well, where it has none yet."""

    def read_list(self, read: "ReadItems[Read]", expected: str) -> Read:
        """A list, its items read by ``read``."""

    def read_object(self, read: "ReadMembers[Read]", expected: str) -> Read:
        """An object, its members read by ``read``."""

    def read_either(self, items: "ReadItems[Read]", members: "ReadMembers[Read]", expected: str) -> Read:
        """A list or an object."""

    def identifier(self, names: tuple[str, ...]) -> str:
        """One of these names."""

    def variant(self, names: tuple[str, ...]) -> str:
        """An enum's variant that has no content, by its name."""


ReadItems: TypeAlias = Callable[[Iterator[Source]], Read]
ReadMembers: TypeAlias = Callable[[Members], Read]


def known(name: str, names: tuple[str, ...]) -> str:
    """A name that is one of these; raises :class:`SerdeError` for any other."""
    if name not in names:
        listed = ", ".join(f"`{each}`" for each in names)
        raise SerdeError(f"unknown variant `{name}`, expected {'one of ' * (len(names) > 1)}{listed}")
    return name


def invalid_type(value: str, expected: str) -> SerdeError:
    """The error for a value of another type."""
    return SerdeError(f"invalid type: {value}, expected {expected}")


class TextSource:
    """A value that stands in the text next, at a path."""

    def __init__(self, reader: JsonReader, path: Path = ()) -> None:
        self._reader = reader
        self.path = path

    def scalar(self, expected: str) -> Content:
        """A scalar; a number is read to its end even where none is wanted."""
        first = self._reader.value_start()
        if first in b"[{":
            self.refuse(expected)
        return self._reader.content(self.path)

    def tell_path(self, error: SerdeError) -> None:
        """Give an error this path."""
        error.at_path(self.path)

    def place(self, error: SerdeError) -> None:
        """Give an error this place, and this path."""
        if error.offset is None:
            error.offset = self._reader.at
        error.at_path(self.path)

    def refuse(self, expected: str) -> NoReturn:
        """Refuse the value for its type; a container is not read."""
        first = self._reader.value_start()
        found = {b"[": "sequence", b"{": "map"}.get(first) or described(self._reader.content(self.path))
        error = invalid_type(found, expected)
        self.place(error)
        raise error

    def take_null(self) -> bool:
        """Whether the text has null here."""
        if self._reader.peek() != b"n":
            return False
        self._reader.word(b"null")
        return True

    def content(self) -> Content:
        """The value, set aside."""
        return self._reader.content(self.path)

    def read_list(self, read: ReadItems[Read], expected: str) -> Read:
        """A list."""
        if self._reader.value_start() != b"[":
            self.refuse(expected)
        return self._inside(lambda: read(self._items()), self._reader.leave_list)

    def read_object(self, read: ReadMembers[Read], expected: str) -> Read:
        """An object."""
        if self._reader.value_start() != b"{":
            self.refuse(expected)
        return self._inside(lambda: read(_TextMembers(self._reader, self.path)), self._reader.leave_object)

    def read_either(self, items: ReadItems[Read], members: ReadMembers[Read], expected: str) -> Read:
        """A list or an object."""
        if self._reader.value_start() == b"[":
            return self.read_list(items, expected)
        return self.read_object(members, expected)

    def _inside(self, read: Callable[[], Read], leave: Callable[[], None]) -> Read:
        """Read a container and go out of it, which is tried after a mistake, too: it moves the place."""
        self._reader.enter()
        try:
            found = read()
        except SerdeError as error:
            if error.offset is None:
                with suppress(SerdeError):  # the first mistake is told
                    leave()
                self.place(error)
            raise
        self._reader.room += 1
        leave()
        return found

    def _items(self) -> Iterator[Source]:
        index = 0
        while self._reader.has_item(first=index == 0):
            item = TextSource(self._reader, (*self.path, index))
            yield item
            index += 1

    def identifier(self, names: tuple[str, ...]) -> str:
        """One of these names."""
        name = self.scalar(_IDENTIFIER)
        try:
            if not isinstance(name, str):
                raise invalid_type(described(name), _IDENTIFIER)
            return known(name, names)
        except SerdeError as error:
            self.place(error)
            raise

    def variant(self, names: tuple[str, ...]) -> str:
        """A string, or an object with one member that is null."""
        reader = self._reader
        first = reader.value_start()
        if first == b'"':
            return self.identifier(names)
        if first != b"{":
            reader.fail_here("expected value")
        reader.enter()
        name = self.identifier(names)
        reader.colon()
        inner = TextSource(reader, (*self.path, name))
        if not inner.take_null():
            inner.refuse("unit")
        following = reader.peek()
        if following != b"}":
            reader.fail("expected value" if following else "EOF while parsing an object")
        reader.at += 1
        reader.room += 1
        return name


class _TextMembers:
    """The members of an object in the text."""

    def __init__(self, reader: JsonReader, path: Path) -> None:
        self._reader = reader
        self._path = path
        self._key: str | None = None

    def key(self) -> str | None:
        """The next key."""
        try:
            self._key = self._reader.next_key(first=self._key is None)
        except SerdeError as error:
            error.at_path((*self._path, UNKNOWN))
            raise
        return self._key

    def value(self) -> Source:
        """The value of the key."""
        self._reader.colon()
        return TextSource(self._reader, (*self._path, self._key or ""))

    def skip(self) -> None:
        """Go past the value of the key."""
        self._reader.colon()
        try:
            self._reader.ignore()
        except SerdeError as error:
            error.at_path((*self._path, self._key or ""))
            raise


class SetAside:
    """A value that was set aside."""

    def __init__(self, value: Content) -> None:
        self._value = value

    def scalar(self, expected: str) -> Content:
        """A scalar."""
        if isinstance(self._value, list | Pairs):
            raise invalid_type(described(self._value), expected)
        return self._value

    def take_null(self) -> bool:
        """Whether the value is null."""
        return self._value is None

    def content(self) -> Content:
        """The value itself."""
        return self._value

    def tell_path(self, error: SerdeError) -> None:
        """Nothing is known of a path here."""

    def place(self, error: SerdeError) -> None:
        """Nothing is known of a place here."""

    def read_list(self, read: ReadItems[Read], expected: str) -> Read:
        """A list, of which nothing may be left."""
        if not isinstance(self._value, list):
            raise invalid_type(described(self._value), expected)
        items = iter(self._value)
        found = read(map(SetAside, items))
        left = len(list(items))
        if left:
            count = len(self._value) - left
            told = "1 element" if count == 1 else f"{count} elements"
            raise SerdeError(f"invalid length {len(self._value)}, expected {told} in sequence")
        return found

    def read_object(self, read: ReadMembers[Read], expected: str) -> Read:
        """An object."""
        if not isinstance(self._value, Pairs):
            raise invalid_type(described(self._value), expected)
        return read(_PairMembers(self._value))

    def read_either(self, items: ReadItems[Read], members: ReadMembers[Read], expected: str) -> Read:
        """A list or an object."""
        if isinstance(self._value, list):
            return self.read_list(items, expected)
        return self.read_object(members, expected)

    def identifier(self, names: tuple[str, ...]) -> str:
        """One of these names, or its number in their order."""
        value = self._value
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            if value < len(names):
                return names[value]
            raise SerdeError(
                f"invalid value: integer `{value}`, expected variant index 0 <= i < {len(names)}"
            )
        if not isinstance(value, str):
            raise invalid_type(described(value), _IDENTIFIER)
        return known(value, names)

    def variant(self, names: tuple[str, ...]) -> str:
        """A string, or an object with one member that is null."""
        value = self._value
        if isinstance(value, Pairs):
            if len(value) != 1:
                raise SerdeError("invalid value: map, expected map with a single key")
            name = known(value[0][0], names)
            if value[0][1] is not None:
                raise invalid_type(described(value[0][1]), "unit")
            return name
        if not isinstance(value, str):
            raise invalid_type(described(value), "string or map")
        return known(value, names)


class _PairMembers:
    """The members of an object that was set aside."""

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = iter(pairs)
        self._value: Content = None

    def key(self) -> str | None:
        """The next key."""
        key, self._value = next(self._pairs, (None, None))
        return key

    def value(self) -> Source:
        """The value of the key."""
        return SetAside(self._value)

    def skip(self) -> None:
        """Nothing is to be done."""
