"""Turns as Python source: readable where short, folded where they repeat, packed where long. Pure."""

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from tgi_conformance.reports.reproducer.turns import Step, Turn

#: Characters of a literal from which on it is packed.
_LONG: Final = 6_000
#: Characters of all turns together; beyond it they are packed as a whole.
_MOST_READABLE: Final = 30_000
_UNPACK: Final = "def unpack(text): return zlib.decompress(base64.b85decode(text))"
#: What makes turns of a text that was packed as a whole.
_UNPACK_ALL: Final = """\
def read(steps): return [s.encode("latin-1") if isinstance(s, str) else s for s in steps]
TURNS = [  # packed, for they are long: see the report for what they are
    (method, path, read(steps), read(end) if isinstance(end, list) else end)
    for method, path, steps, end in json.loads(unpack({text!r}))
]"""


def readable(turns: Sequence[Turn], room: int) -> list[str] | None:
    """``TURNS = [...]`` in ``room`` lines at most, a line a step or a turn; None where it is too long."""
    for way in (_by_steps, _by_turns):
        lines = ["TURNS = [", *(line for turn, count in _folded(turns) for line in way(turn, count)), "]"]
        if any("unpack(" in line for line in lines):
            lines = ["import base64, zlib", _UNPACK, *lines]
        if len(lines) <= room and sum(map(len, lines)) <= _MOST_READABLE:
            return lines
    return None


def packed(turns: Sequence[Turn]) -> list[str]:
    """``TURNS = [...]`` of one text that nobody reads, in seven lines."""
    rows = [[t.method, t.path, _plain(t.steps), _plain(t.repeat) if t.repeat else t.end] for t in turns]
    text = base64.b85encode(zlib.compress(json.dumps(rows).encode(), 9)).decode("ascii")
    return ["import base64, json, zlib", _UNPACK, *_UNPACK_ALL.format(text=text).splitlines()]


def _folded(turns: Sequence[Turn]) -> Iterator[tuple[Turn, int]]:
    """Each turn, and how often it comes in a row."""
    number = 0
    while number < len(turns):
        count = 1
        while number + count < len(turns) and turns[number + count] == turns[number]:
            count += 1
        yield turns[number], count
        number += count


def _by_steps(turn: Turn, count: int) -> Iterator[str]:
    """A line a step."""
    begin, end = ("    *[(", ")]" + f" * {count},") if count > 1 else ("    (", "),")
    yield f"{begin}{turn.method!r}, {turn.path!r}, [{_remark(turn)}"
    yield from (f"        {text}," for text in _sources(turn.steps))
    yield f"    ], {_end(turn)}{end}"


def _by_turns(turn: Turn, count: int) -> Iterator[str]:
    """A line a turn."""
    steps = ", ".join(_sources(turn.steps))
    told = f"({turn.method!r}, {turn.path!r}, [{steps}], {_end(turn)})"
    yield f"    {told},{_remark(turn)}" if count == 1 else f"    *[{told}] * {count},{_remark(turn)}"


def _remark(turn: Turn) -> str:
    return "  # the client never asked for this one" if turn.unseen else ""


def _end(turn: Turn) -> str:
    return f"[{', '.join(_sources(turn.repeat))}]" if turn.repeat else repr(turn.end)


def _sources(steps: Sequence[Step]) -> Iterator[str]:
    """The source of each step; one or two that come again and again are written once."""
    number = 0
    while number < len(steps):
        size, times = max(((size, _times(steps, number, size)) for size in (1, 2)), key=_saved)
        if times > 1:
            yield f"*[{', '.join(map(_source, steps[number : number + size]))}] * {times}"
            number += size * times
        else:
            yield _source(steps[number])
            number += 1


def _saved(found: tuple[int, int]) -> int:
    """How many steps need not be written."""
    size, times = found
    return size * (times - 1)


def _times(steps: Sequence[Step], start: int, size: int) -> int:
    unit = steps[start : start + size]
    times = 1
    while steps[start + times * size : start + (times + 1) * size] == unit and len(unit) == size:
        times += 1
    return times


def _source(step: Step) -> str:
    text = repr(step)
    if not isinstance(step, bytes) or len(text) <= _LONG:
        return text
    packed = base64.b85encode(zlib.compress(step, 9)).decode("ascii")
    return f"unpack({packed!r})" if len(packed) < len(text) else text


def _plain(steps: Sequence[Step]) -> list[str | float | None]:
    return [step.decode("latin-1") if isinstance(step, bytes) else step for step in steps]
