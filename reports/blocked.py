"""What was blocked, in words: how many cases, and by what. Pure."""

from collections.abc import Iterable
from typing import Final

from tgi_conformance.contracts.verdict import Ruling, Verdict

#: How the slug of a healthy call begins (``DECL-01/healthy-chat-stream``); the rest is the call's shape.
_SHAPE: Final = "healthy-"


def blocking_clauses(verdicts: Iterable[Verdict]) -> frozenset[str]:
    """The clauses whose failure keeps others from being examined: what is to be mended first."""
    return frozenset(
        verdict.blocked_by.partition("/")[0] for verdict in verdicts if verdict.ruling is Ruling.BLOCKED
    )


def blocked_in_words(verdicts: Iterable[Verdict]) -> list[str]:
    """Say ``153 cases blocked by 1 dead shape (chat stream)``, and the like of any other cause.

    A shape is dead if its healthy call fails, so that nothing built on it can be examined.
    """
    by_shape: dict[str, int] = {}
    by_case: dict[str, int] = {}
    for verdict in verdicts:
        if verdict.ruling is Ruling.BLOCKED:
            slug = verdict.blocked_by.partition("/")[2]
            counts, cause = (
                (by_shape, slug.removeprefix(_SHAPE).replace("-", " "))
                if slug.startswith(_SHAPE)
                else (by_case, verdict.blocked_by or "an unnamed cause")
            )
            counts[cause] = counts.get(cause, 0) + 1
    words = [f"{_counted(count, 'case')} blocked by {case}" for case, count in by_case.items()]
    if by_shape:
        dead = _counted(len(by_shape), "dead shape")
        shapes = ", ".join(sorted(by_shape))
        words.insert(0, f"{_counted(sum(by_shape.values()), 'case')} blocked by {dead} ({shapes})")
    return words


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
