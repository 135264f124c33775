"""Two runs compared, as text for people and as JSON for programs. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.reports.comparing.difference import BackendCompared, Pair, RunsCompared

#: Cases of each kind that the text shows; the JSON has all.
_SHOWN: Final = 20
_KINDS: Final = ("broken", "fixed", "new", "gone", "slower")


def in_text(compared: RunsCompared) -> tuple[str, ...]:
    """Lines: first what the runs were made with, where it differs, then the cases by backend."""
    return tuple(_lines(compared))


def in_json(compared: RunsCompared) -> JSON:
    """The same as one object, with all cases."""
    return {
        "broken": compared.broken,
        "conditions": [
            {"what": each.what, "before": each.before, "after": each.after} for each in compared.conditions
        ],
        "alone": list(compared.alone),
        "backends": [_members(backend) for backend in compared.backends],
    }


def _lines(compared: RunsCompared) -> Iterator[str]:
    if compared.conditions:
        yield "the runs were made differently:"
        yield from (f"  {each.in_words}" for each in compared.conditions)
    yield from compared.alone
    for backend in compared.backends:
        yield f"{backend.after.name}: {_headline(backend)}"
        for kind in _KINDS:
            yield from _kind(kind, getattr(backend, kind))


def _headline(backend: BackendCompared) -> str:
    counts = [f"{len(getattr(backend, kind))} {kind}" for kind in _KINDS]
    if backend.new_red:
        counts[_KINDS.index("new")] += f" ({len(backend.new_red)} of them red)"
    return ", ".join([*counts, f"{len(backend.still_red)} still red"])


def _kind(kind: str, pairs: Sequence[Pair]) -> Iterator[str]:
    word = _WORDS[kind]
    # What is red comes first: of many new cases it is what matters.
    ordered = sorted(pairs, key=lambda pair: not _red(pair)) if kind in ("new", "gone") else pairs
    yield from (f"  {kind:<7} {pair.case}{word(pair)}" for pair in ordered[:_SHOWN])
    if len(pairs) > _SHOWN:
        yield f"  {kind:<7} and {len(pairs) - _SHOWN} more; --json has all"


def _red(pair: Pair) -> bool:
    return any(verdict is not None and verdict.red for verdict in (pair.before, pair.after))


def _broken(pair: Pair) -> str:
    return f": {' '.join(pair.after.reason.split())}" if pair.after and pair.after.reason else ""


def _was(pair: Pair) -> str:
    return f" (was {pair.before.ruling})" if pair.before else ""


def _is(pair: Pair) -> str:
    return f" ({pair.after.ruling})" if pair.after else ""


def _took(pair: Pair) -> str:
    if pair.before is None or pair.after is None:
        return ""
    return f": {pair.before.duration:.2f} s before, {pair.after.duration:.2f} s now"


_WORDS: Final[Mapping[str, Callable[[Pair], str]]] = {
    "broken": _broken,
    "fixed": _was,
    "new": _is,
    "gone": _was,
    "slower": _took,
}


def _members(backend: BackendCompared) -> JSON:
    return {
        "before": backend.before.name,
        "after": backend.after.name,
        **{kind: [_case(pair) for pair in getattr(backend, kind)] for kind in (*_KINDS, "still_red")},
    }


def _case(pair: Pair) -> JSON:
    before, after = pair.before, pair.after
    return {
        "case": pair.case,
        "before": str(before.ruling) if before else None,
        "after": str(after.ruling) if after else None,
        "reason": after.reason if after else "",
        "seconds_before": before.duration if before else None,
        "seconds_after": after.duration if after else None,
    }
