"""What the files of each client are called: as short as tells it apart from the others. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tgi_conformance.reports.board.entry import USUAL_SERVER, Entry
from tgi_conformance.reports.layout import file_name

_PARTS: Final[tuple[Callable[[Entry], str], ...]] = (
    lambda entry: "" if entry.server == USUAL_SERVER else entry.server,
    lambda entry: entry.backend.version,
    lambda entry: entry.day.isoformat(),
)


def page_names(current: Sequence[Entry], earlier: Sequence[Entry]) -> dict[str, str]:
    """Digest of an entry to a name that is one on every file system.

    ``client``, ``client.tgi-2`` of another server, and with version, day and number only where two would
    have one name. Earlier runs always have their day, so that the name of the newest run stays the same.
    """
    names: dict[str, str] = {}
    used: set[str] = set()
    for name, entry in (*_named(current, least=1), *_named(earlier, least=len(_PARTS))):
        unique = next(each for each in _numbered(name) if each.casefold() not in used)
        used.add(unique.casefold())
        names[entry.digest] = unique
    return names


def _named(entries: Sequence[Entry], *, least: int) -> Iterator[tuple[str, Entry]]:
    """Each with as many parts behind its name as keep it apart from the others, ``least`` or more."""
    for entry in entries:
        for count in range(least, len(_PARTS) + 1):
            alike = Counter(_joined(other, count).casefold() for other in entries)
            if alike[_joined(entry, count).casefold()] == 1:
                break
        yield _joined(entry, count), entry


def _joined(entry: Entry, count: int) -> str:
    parts = (entry.name, *(part(entry) for part in _PARTS[:count]))
    return file_name(".".join(part for part in parts if part))


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}.{number}"
        number += 1
