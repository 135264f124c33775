"""Deals the cases of a selection to shards of about the same length: the same on every machine. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(r"([1-9]\d{0,3})/([1-9]\d{0,3})")


class ShardProblem(ValueError):
    """A word that names no shard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of so many parts of a run, counted from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_shard(word: str) -> Shard:
    """Read ``2/4``; raises :class:`ShardProblem`."""
    found = _FORM.fullmatch(word)
    shard = Shard(number=int(found[1]), count=int(found[2])) if found else None
    if shard is None or shard.number > shard.count:
        raise ShardProblem(f"--shard {word!r}: give a number and how many there are, from 1/4 to 4/4")
    return shard


def dealt(cases: Iterable[str], count: int, seconds: Mapping[str, float]) -> Mapping[str, int]:
    """The number of the shard of each case.

    Cases of known length go one after the other, the longest first, to the shard that has least to do so far.
    The others are short, or new: they are spread by a digest of their ids, so that a case that is added moves
    no other of them.
    """
    ids = sorted(set(cases))
    loads = [0.0] * count
    numbers: dict[str, int] = {}
    for case in sorted((case for case in ids if case in seconds), key=lambda case: (-seconds[case], case)):
        least = min(range(count), key=lambda index: (loads[index], index))
        loads[least] += seconds[case]
        numbers[case] = least + 1
    return numbers | {case: _by_digest(case, count) for case in ids if case not in seconds}


def _by_digest(case: str, count: int) -> int:
    return int.from_bytes(hashlib.sha256(case.encode("utf-8", "surrogatepass")).digest()[:8]) % count + 1
