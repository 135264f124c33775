"""The value of a field that was left out, as distinct from one that is null."""

from enum import Enum
from typing import Final


class Unset(Enum):
    """The type of :data:`UNSET`, an enum so that type checkers can narrow it."""

    UNSET = "unset"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
