"""The formats that ``--reports`` takes, by name. Allure has an option of its own, since it needs a folder."""

from typing import Final

ON_REQUEST: Final = ("github", "gitlab", "sarif", "badge")


class UnknownFormatError(ValueError):
    """A format that there is not: says which there are."""


def formats_in(words: str) -> tuple[str, ...]:
    """The names in ``gitlab,sarif``; raises :class:`UnknownFormatError`."""
    names = tuple(name.strip().lower() for name in words.split(",") if name.strip())
    if unknown := [name for name in names if name not in ON_REQUEST]:
        raise UnknownFormatError(f"{unknown[0]}: no such format; there are {', '.join(ON_REQUEST)}")
    return names
