"""Joins red verdicts that have one cause, by their keys. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tgi_conformance.contracts.verdict import RUN_WIDE, Verdict
from tgi_conformance.reports.causes.keys import Key, key_of, second_key_of


def joined(verdicts: Sequence[Verdict]) -> dict[Key, list[Verdict]]:
    """The verdicts of each cause in their order, under the key that most of them have.

    Verdicts have one cause that share a first key or a second one. One whose server did more than another's
    is explained by that one, and a run-wide ruling by the cases of its clause.
    """
    keys = [key_of(verdict) for verdict in verdicts]
    sizes = Counter(keys)
    heads = _Heads(sizes)
    for key, plainer in _plainer(sizes):
        heads.join(key, plainer)
    first: dict[Key, Key] = {}
    for verdict, key in zip(verdicts, keys, strict=True):
        second = second_key_of(verdict)
        if second is not None:
            heads.join(key, first.setdefault(second, key))
    for key, explains in _explained(verdicts, keys, sizes):
        heads.join(key, explains)
    groups: defaultdict[Key, list[Verdict]] = defaultdict(list)
    members: defaultdict[Key, set[Key]] = defaultdict(set)
    for verdict, key in zip(verdicts, keys, strict=True):
        head = heads.of(key)
        groups[head].append(verdict)
        members[head].add(key)
    leading = {head: max(each, key=lambda key: _weight(key, sizes)) for head, each in members.items()}
    return {leading[head]: group for head, group in groups.items()}


class _Heads:
    """Which keys stand for one cause: a key leads to another, and at last to one that leads to itself."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._next = {key: key for key in keys}

    def of(self, key: Key) -> Key:
        """The key that stands for all that were joined with this one."""
        head = key
        while self._next[head] != head:
            head = self._next[head]
        self._next[key] = head
        return head

    def join(self, key: Key, other: Key) -> None:
        """From now on both have one head, the other's."""
        self._next[self.of(key)] = self.of(other)


def _plainer(sizes: Mapping[Key, int]) -> Iterable[tuple[Key, Key]]:
    """Keys with the key of the same failure with less that the server did, where there is one."""
    alike: defaultdict[tuple[str, str], list[Key]] = defaultdict(list)
    for key in sizes:
        if key.kinds:
            alike[key.how, key.where].append(key)
    for keys in alike.values():
        for key in keys:
            if fewer := [other for other in keys if other.kinds < key.kinds]:
                yield key, max(fewer, key=lambda other: _weight(other, sizes))


def _explained(
    verdicts: Sequence[Verdict], keys: Sequence[Key], sizes: Mapping[Key, int]
) -> Iterable[tuple[Key, Key]]:
    """Keys of run-wide rulings with that of most cases of their clause; none where a case has the same."""
    of_clause: defaultdict[str, set[Key]] = defaultdict(set)
    run_wide = [verdict.case.endswith(f"/{RUN_WIDE}") for verdict in verdicts]
    for verdict, key, wide in zip(verdicts, keys, run_wide, strict=True):
        if not wide:
            of_clause[verdict.clause].add(key)
    for verdict, key, wide in zip(verdicts, keys, run_wide, strict=True):
        others = of_clause[verdict.clause]
        if wide and others and key not in others:
            yield key, max(others, key=lambda other: _weight(other, sizes))


def _weight(key: Key, sizes: Mapping[Key, int]) -> tuple[int, int, tuple[str, list[str], str]]:
    """Which key tells a cause best: that of most cases, the plainest; then any, but always the same."""
    return sizes[key], -len(key.kinds), (key.how, sorted(key.kinds), key.where)
