"""One thing that ``doctor`` found: what, where, and what to do about it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that was looked at; ``help`` says what to do about it."""

    tone: Literal["good", "bad", "note"]
    text: str
    help: str = ""
