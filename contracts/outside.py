"""Attempts of a backend to reach beyond this machine, and the fence that refuses them."""

from dataclasses import dataclass
from typing import Literal

#: What keeps a backend on this machine: an audit hook of Python, functions replaced in another language, or
#: nothing.
Fence = Literal["audit-hook", "hooks", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What was tried, how often, and how long it took."""

    what: Literal["lookup", "connect"]
    #: A name, or "host:port".
    where: str
    times: int = 1
    #: Seconds that all of them took together; what is refused takes none.
    seconds: float = 0.0
    refused: bool = False
