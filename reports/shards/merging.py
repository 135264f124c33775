"""Whether shards make up one run, and how that run was made. Pure."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.comparing.conditions import backend_changed, gated_alike, judged_alike
from tgi_conformance.reports.run import Run, RunInfo
from tgi_conformance.reports.shards.selection import digest_of

_OPTIONS: Final = ("--shard", "--tgi-shard")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRun:
    """One shard as it was found."""

    place: str
    run: Run

    @property
    def cases(self) -> tuple[Verdict, ...]:
        """Its verdicts on cases; what was ruled over all of them is ruled anew over all shards."""
        return tuple(verdict for verdict in self.run.verdicts if verdict.nodeid)


def problems(shards: Sequence[ShardRun]) -> tuple[str, ...]:
    """What keeps shards from being one run, a sentence each; none: they are."""
    for finding in (_no_shards, _numbers, _empty, _differences, _cases):
        if found := tuple(finding(shards)):
            return found
    return ()


def merged_info(shards: Sequence[ShardRun]) -> RunInfo:
    """How the run was made that the shards are. Times: from the first start to the last end."""
    infos = [shard.run.info for shard in shards]
    first = infos[0]
    return replace(
        first,
        started=min(info.started for info in infos),
        ended=max(info.ended for info in infos),
        workers=sum(info.workers for info in infos),
        narrowed=any(info.shard is not None and info.shard.narrowed for info in infos),
        selection=_selection(first),
        wall_seconds=max(info.wall_seconds for info in infos),
        cpu_seconds=round(sum(info.cpu_seconds for info in infos), 3),
        cores=sum(info.cores for info in infos),
        longest_wait_seconds=max(info.longest_wait_seconds for info in infos),
        command=without_shard(first.command),
        shard=None,
    )


def without_shard(command: str) -> str:
    """The command line of a shard without its ``--shard``: it runs all of them."""
    words = iter(shlex.split(command))
    kept: list[str] = []
    for word in words:
        if word in _OPTIONS:
            next(words, None)
        elif not word.startswith(tuple(f"{option}=" for option in _OPTIONS)):
            kept.append(word)
    return shlex.join(kept)


def _selection(info: RunInfo) -> str:
    own = f"--shard {info.shard.number}/{info.shard.count}" if info.shard else ""
    return ", ".join(part for part in info.selection.split(", ") if part != own)


def _no_shards(shards: Sequence[ShardRun]) -> Iterator[str]:
    if not shards:
        yield "there is no shard"
    for shard in shards:
        if shard.run.info.shard is None:
            yield f"{shard.place} is no shard: it was run without --shard"


def _numbers(shards: Sequence[ShardRun]) -> Iterator[str]:
    """Each number once, of the same count."""
    counts = {shard.place: info.count for shard in shards if (info := shard.run.info.shard)}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{place} is one of {count}" for place, count in counts.items())
        yield f"the shards are of different runs: {told}"
        return
    count = next(iter(counts.values()))
    found = Counter(info.number for shard in shards if (info := shard.run.info.shard))
    for number in range(1, count + 1):
        if not found[number]:
            yield f"shard {number}/{count} is missing"
        elif found[number] > 1:
            places = [s.place for s in shards if s.run.info.shard and s.run.info.shard.number == number]
            yield f"shard {number}/{count} is given {found[number]} times: {', '.join(places)}"


def _differences(shards: Sequence[ShardRun]) -> Iterator[str]:
    first = shards[0]
    for other in shards[1:]:
        before, after = first.run.info, other.run.info
        differing = [*judged_alike(before, after), *gated_alike(before, after)]
        for backend in before.backends:
            differing += backend_changed(backend, after.backend(backend.name))
        for each in differing:
            yield (
                f"{first.place} and {other.place} are of different runs: {each.what} is {each.before} in the "
                f"first and {each.after} in the second"
            )
        if before.selected != after.selected:
            yield f"{first.place} and {other.place} are of different runs: other cases were selected"


def _empty(shards: Sequence[ShardRun]) -> Iterator[str]:
    for shard in shards:
        if not shard.cases:
            yield f"{shard.place} is empty: it has no verdict"


def _cases(shards: Sequence[ShardRun]) -> Iterator[str]:
    """All cases of the selection, each once."""
    places: dict[tuple[str, str], str] = {}
    for shard in shards:
        for verdict in shard.cases:
            earlier = places.setdefault((verdict.backend, verdict.case), shard.place)
            if earlier != shard.place:
                yield f"{verdict.case} of {verdict.backend} is in both {earlier} and {shard.place}"
                return
    if digest_of(places) != shards[0].run.info.selected:
        yield "the cases of the shards are not those that were selected: verdicts were lost, or put in"
