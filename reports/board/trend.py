"""The trend: what came out differently since an earlier run of the same client and server. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.board.entry import Entry
from tgi_conformance.reports.comparing.conditions import Difference
from tgi_conformance.reports.comparing.difference import Pair, Slowness, compare_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Two runs of a client on different days, held against each other."""

    before: Entry
    #: What the runs were made with, where it differs.
    conditions: tuple[Difference, ...]
    #: Green then, red now.
    broken: tuple[Verdict, ...]
    #: As they are now: red then, decided and not red.
    fixed: tuple[Verdict, ...]
    #: Red now, and not judged then.
    new_red: tuple[Verdict, ...]
    #: Red then, and not judged now.
    gone_red: tuple[Verdict, ...]
    still_red: int

    @property
    def headline(self) -> str:
        """``2 broken, 5 fixed, 40 still red``."""
        told = [(len(self.broken), "broken"), (len(self.fixed), "fixed"), (self.still_red, "still red")]
        others = ((len(self.new_red), "new and red"), (len(self.gone_red), "not judged any more"))
        told += [(count, word) for count, word in others if count]
        return ", ".join(f"{count} {word}" for count, word in told)

    @property
    def by_area(self) -> Mapping[str, tuple[int, int]]:
        """Area to how many cases of it broke, and how many were fixed."""
        areas = dict.fromkeys(verdict.area for verdict in (*self.broken, *self.fixed))
        return {area: (_in(self.broken, area), _in(self.fixed, area)) for area in areas}


def earlier_of(entry: Entry, entries: Sequence[Entry]) -> Entry | None:
    """The run that an entry is held against: of the same client and server, on the last day before.

    One of the same version of the client comes before one of another; None: there is none.
    """
    same = [
        other
        for other in entries
        if (other.name, other.server) == (entry.name, entry.server) and other.day < entry.day
    ]
    version = entry.backend.version
    return max(
        same, key=lambda other: (other.backend.version == version, other.day, other.order), default=None
    )


def trend_of(before: Entry, after: Entry) -> Trend:
    """What differs between them."""
    compared = compare_runs(before.run, after.run, Slowness())
    (backend,) = compared.backends
    return Trend(
        before=before,
        conditions=compared.conditions,
        broken=_now(backend.broken),
        fixed=_now(backend.fixed),
        new_red=_now(backend.new_red),
        gone_red=tuple(pair.before for pair in backend.gone if pair.before is not None and pair.before.red),
        still_red=len(backend.still_red),
    )


def _now(pairs: Sequence[Pair]) -> tuple[Verdict, ...]:
    return tuple(pair.after for pair in pairs if pair.after is not None)


def _in(verdicts: Sequence[Verdict], area: str) -> int:
    return sum(verdict.area == area for verdict in verdicts)
