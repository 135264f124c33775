"""The type of a JSON value."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    JSON: TypeAlias = None | bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"]
else:
    # The codec reads type hints at run time, where a recursive alias has no end; any JSON value will do.
    JSON = Any
