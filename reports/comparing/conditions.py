"""What two runs were made with, and in what it differs: to be told before what came out differently. Pure."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.reports.run import BackendInfo, Option, RunInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that two runs were made with, as each had it."""

    what: str
    before: str
    after: str

    @property
    def in_words(self) -> str:
        """``seed: 7 before, 8 now``."""
        return f"{self.what}: {self.before} before, {self.after} now"


#: What makes two runs judge alike, beside the backends and versions; the word for a value that is empty.
_CONDITIONS: Final[tuple[tuple[str, Callable[[RunInfo], str], str], ...]] = (
    ("seed", lambda info: str(info.seed), ""),
    ("profile", lambda info: info.profile, ""),
    ("requirement set", lambda info: info.requirements, "none"),
    ("options", lambda info: _in_words(info.options), "none"),
    ("real endpoint", lambda info: info.real.url if info.real else "", "none"),
)

#: Members of a description that are told by themselves.
_TOLD: Final = frozenset({"name", "version", "capabilities"})
#: Characters of a declared value that are shown.
_LONGEST: Final = 120


def conditions(before: RunInfo, after: RunInfo) -> tuple[Difference, ...]:
    """All that differs in how two runs were made, but for their backends."""
    return (*judged_alike(before, after), *gated_alike(before, after), *_selected(before, after))


def judged_alike(before: RunInfo, after: RunInfo) -> tuple[Difference, ...]:
    """What keeps two runs from ruling alike on the same case of the same backend; none: nothing."""
    return (*versions_changed(before, after), *_otherwise(before, after))


def gated_alike(before: RunInfo, after: RunInfo) -> tuple[Difference, ...]:
    """What differs in what makes two runs fail; none: nothing."""
    then, now = _in_words(before.gate), _in_words(after.gate)
    return () if then == now else (Difference(what="gate", before=then or "none", after=now or "none"),)


def versions_changed(before: RunInfo, after: RunInfo) -> tuple[Difference, ...]:
    """The versions that differ: of the kit first, then Python and the libraries that play the cases."""
    names = dict.fromkeys(("tgi_conformance", *before.versions, *after.versions))
    pairs = (
        (name, before.versions.get(name, "unknown"), after.versions.get(name, "unknown")) for name in names
    )
    return tuple(
        Difference(what=f"version of {_package(name)}", before=then, after=now)
        for name, then, now in pairs
        if then != now
    )


def backend_changed(before: BackendInfo, after: BackendInfo) -> tuple[Difference, ...]:
    """What differs in a backend, as it described itself."""
    return tuple(_of_the_backend(before, after))


def claims_changed(before: BackendInfo, now: BackendInfo) -> str:
    """``tools now too; no retry``; empty where both claim the same."""
    more = sorted(set(now.claimed) - set(before.claimed))
    less = sorted(set(before.claimed) - set(now.claimed))
    words = ([f"{', '.join(more)} now too"] if more else []) + ([f"no {', '.join(less)}"] if less else [])
    return "; ".join(words)


def kit_version(info: RunInfo) -> str:
    """The version of the kit that made a run."""
    return info.versions.get("tgi_conformance", "unknown")


def _selected(before: RunInfo, after: RunInfo) -> Iterator[Difference]:
    then, now = (
        info.selection or ("some cases" if info.narrowed else "all cases") for info in (before, after)
    )
    if then != now:
        yield Difference(what="selection", before=then, after=now)


def _otherwise(before: RunInfo, after: RunInfo) -> Iterator[Difference]:
    for what, value, nothing in _CONDITIONS:
        then, now = value(before) or nothing, value(after) or nothing
        if then != now:
            yield Difference(what=what, before=then, after=now)


def _in_words(options: Iterable[Option]) -> str:
    return " ".join(f"{flag} {value}".strip() for flag, value in options)


def _of_the_backend(before: BackendInfo, after: BackendInfo) -> Iterator[Difference]:
    if before.name != after.name:
        yield Difference(what="backend", before=before.name, after=after.name)
    if before.version != after.version:
        yield Difference(what=f"version of {after.name}", before=before.version, after=after.version)
    if claims_changed(before, after):
        less, more = (sorted(set(a.claimed) - set(b.claimed)) for a, b in ((before, after), (after, before)))
        yield Difference(
            what=f"claims of {after.name} that differ",
            before=", ".join(less) or "none",
            after=", ".join(more) or "none",
        )
    if before.description != after.description:
        yield from _declared(before, after)


def _declared(before: BackendInfo, after: BackendInfo) -> Iterator[Difference]:
    """The members of the descriptions that differ, where both runs kept them."""
    then, now = before.description, after.description
    if not (isinstance(then, Mapping) and isinstance(now, Mapping)):
        return
    for member in dict.fromkeys((*then, *now)):
        if then.get(member) != now.get(member) and member not in _TOLD:
            what = f"{member} of {after.name}"
            yield Difference(what=what, before=_short(then.get(member)), after=_short(now.get(member)))


def _short(value: JSON) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _package(name: str) -> str:
    return "the kit" if name == "tgi_conformance" else name
