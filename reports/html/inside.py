"""Which evidence stands inside the page: cases of each cause in turn, as far as there is room.

The rest is linked as files. What is inside is deflated, and unfolded by the page when it is opened.
"""

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

from tgi_conformance.contracts.verdict import Evidence, Ruling, Verdict
from tgi_conformance.reports.causes.cause import Cause, Causes
from tgi_conformance.reports.evidence_files import EvidenceError, read_evidence
from tgi_conformance.reports.html.cases import Anchors

#: Characters of packed evidence in one page: enough for three cases of each of some forty causes, and little
#: enough for a page of 156 red cases that can be mailed (1.5 MB).
ROOM: Final = 600_000
#: The most that one case may take of it: megabytes of a backend must not push the others out.
_MOST: Final = 60_000

#: Makes HTML of a case's evidence.
Render = Callable[[Verdict, Evidence], str]


@dataclass(frozen=True, slots=True)
class Pack:
    """Fragments of the page by the id of the element that they go into, packed."""

    ids: tuple[str, ...]
    text: str


def pack(fragments: Mapping[str, str]) -> Pack:
    """Deflate fragments together (zlib, base64), so that what they have in common is written once."""
    text = json.dumps(dict(fragments), ensure_ascii=True, separators=(",", ":"))
    packed = base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")
    return Pack(tuple(fragments), packed)


def unpack(text: str) -> dict[str, str]:
    """What :func:`pack` packed."""
    fragments: dict[str, str] = json.loads(zlib.decompress(base64.b64decode(text)))
    return fragments


@dataclass(frozen=True, slots=True)
class Inside:
    """The packed evidence, and what is said of cases whose evidence cannot be shown."""

    packs: tuple[Pack, ...]
    #: Case anchor to a note.
    notes: Mapping[str, str]

    @property
    def ids(self) -> frozenset[str]:
        """The anchors of the cases whose evidence is inside."""
        return frozenset(anchor for packed in self.packs for anchor in packed.ids)


def inside(
    causes: Iterable[Causes], verdicts: Iterable[Verdict], base: Path, render: Render, anchors: Anchors
) -> Inside:
    """Choose, read and pack; the first example of every cause comes before the second of any."""
    chosen: dict[str, dict[str, str]] = {}
    notes: dict[str, str] = {}
    room = ROOM
    for name, verdict in _in_turn(causes, verdicts):
        anchor = anchors.case(verdict)
        try:
            fragment = render(verdict, read_evidence(base / verdict.evidence))
        except (OSError, EvidenceError) as error:
            notes[anchor] = f"The evidence could not be read: {error}"
            continue
        size = len(pack({anchor: fragment}).text)
        if size > room:
            break
        if size <= _MOST:
            room -= size
            chosen.setdefault(name, {})[anchor] = fragment
    return Inside(tuple(map(pack, chosen.values())), notes)


def _in_turn(causes: Iterable[Causes], verdicts: Iterable[Verdict]) -> Iterator[tuple[str, Verdict]]:
    groups = [(f"{every.backend} {cause.id}", examples(cause)) for every in causes for cause in every]
    groups += _advisory(verdicts)
    for row in zip_longest(*(shown for _, shown in groups)):
        yield from ((name, one) for (name, _), one in zip(groups, row, strict=True) if one is not None)


def examples(cause: Cause) -> list[Verdict]:
    """The cases of a cause that have evidence, the one that shows it best first."""
    others = [verdict for verdict in cause.verdicts if verdict.case != cause.example.case]
    return [verdict for verdict in (cause.example, *others) if verdict.evidence]


def _advisory(verdicts: Iterable[Verdict]) -> list[tuple[str, list[Verdict]]]:
    """What is against a SHOULD has no cause: one case of each clause."""
    first: dict[str, Verdict] = {}
    for verdict in verdicts:
        if verdict.evidence and verdict.ruling in (Ruling.ADVISORY, Ruling.EXPECTED):
            first.setdefault(f"{verdict.backend} {verdict.clause}", verdict)
    return [(name, [verdict]) for name, verdict in first.items()]
