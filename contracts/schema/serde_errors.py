"""What serde says of a text or a value that it does not take, with the place and the path that it names."""

from typing import Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]

#: A step of a path that serde does not know: a key that could not be read.
UNKNOWN: Final = "?"


class SerdeError(ValueError):
    """What serde says of a text or a value: with the place and the path, as soon as they are known.

    ``offset`` counts the bytes up to the place; ``syntax`` is whether the text is no JSON there.
    """

    def __init__(self, message: str, offset: int | None = None, *, syntax: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.syntax = syntax
        self.path: Path | None = None

    def at_path(self, path: Path) -> None:
        """Say where in the value it is; the innermost path that it is given stays."""
        if self.path is None:
            self.path = path


def place(text: bytes, offset: int) -> str:
    """An offset as serde_json writes it: ``line L column C``, both counted in bytes."""
    before = text[:offset]
    line = before.count(b"\n") + 1
    column = offset - (before.rfind(b"\n") + 1)
    return f"line {line} column {column}"


def path_text(path: Path) -> str:
    """A path as serde_path_to_error writes it: ``messages[0].content``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")
