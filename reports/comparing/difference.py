"""What came out differently in two runs, case by case. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tgi_conformance.contracts.verdict import LISTED, Ruling, Verdict
from tgi_conformance.reports.changes import changes
from tgi_conformance.reports.comparing.conditions import Difference, backend_changed, conditions
from tgi_conformance.reports.run import BackendInfo, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowness:
    """When a case counts as slower: so many times as long, and so many seconds more."""

    factor: float = 2.0
    seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Pair:
    """One case in both runs; None where a run does not have it."""

    before: Verdict | None
    after: Verdict | None

    @property
    def case(self) -> str:
        """Its id."""
        return next(verdict.case for verdict in (self.after, self.before) if verdict is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendCompared:
    """One backend in two runs. A case was judged in a run if it had its turn and applied."""

    before: BackendInfo
    after: BackendInfo
    #: Judged in both: green before, red now.
    broken: tuple[Pair, ...] = ()
    #: Judged in both: red before, green now.
    fixed: tuple[Pair, ...] = ()
    #: Judged now and not before.
    new: tuple[Pair, ...] = ()
    #: Judged before and not now.
    gone: tuple[Pair, ...] = ()
    #: Green in both, and slower.
    slower: tuple[Pair, ...] = ()
    still_red: tuple[Pair, ...] = ()

    @property
    def new_red(self) -> tuple[Pair, ...]:
        """Those of ``new`` that are red: nothing broke, since nothing was known."""
        return tuple(pair for pair in self.new if pair.after is not None and pair.after.red)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsCompared:
    """Two runs."""

    conditions: tuple[Difference, ...]
    backends: tuple[BackendCompared, ...]
    #: Backends that one of the runs does not have, in words.
    alone: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether something is red that was green."""
        return any(backend.broken for backend in self.backends)


def compare_runs(before: Run, after: Run, slowness: Slowness) -> RunsCompared:
    """Compare two runs. A backend is found by its name, or whatever its name where each run has one."""
    pairs, alone = _paired(before, after)
    changed = [change for then, now in pairs for change in backend_changed(then, now)]
    return RunsCompared(
        conditions=(*conditions(before.info, after.info), *changed),
        backends=tuple(
            _compared(then, now, before.of(then.name), after.of(now.name), slowness) for then, now in pairs
        ),
        alone=alone,
    )


def _paired(before: Run, after: Run) -> tuple[list[tuple[BackendInfo, BackendInfo]], tuple[str, ...]]:
    then = {backend.name: backend for backend in before.backends}
    now = {backend.name: backend for backend in after.backends}
    if len(then) == len(now) == 1:
        return list(zip(then.values(), now.values(), strict=True)), ()
    both = [(then[name], now[name]) for name in then if name in now]
    only = [f"{name} is in the first run only" for name in then if name not in now]
    only += [f"{name} is in the second run only" for name in now if name not in then]
    return both, tuple(only)


def _compared(
    before: BackendInfo,
    after: BackendInfo,
    last: Iterable[Verdict],
    now: Iterable[Verdict],
    slowness: Slowness,
) -> BackendCompared:
    first = {verdict.case: verdict for verdict in last if _judged(verdict)}
    second = {verdict.case: verdict for verdict in now if _judged(verdict)}
    found = changes(first.values(), second.values())

    def pairs(cases: Iterable[str]) -> tuple[Pair, ...]:
        return tuple(Pair(first.get(case), second.get(case)) for case in cases)

    return BackendCompared(
        before=before,
        after=after,
        broken=pairs(verdict.case for verdict in found.new_red if verdict.case in first),
        fixed=pairs(verdict.case for verdict in found.fixed),
        new=pairs(case for case in second if case not in first),
        gone=pairs(case for case in first if case not in second),
        slower=pairs(_slower(first, second, slowness)),
        still_red=pairs(verdict.case for verdict in found.still_red),
    )


def _judged(verdict: Verdict) -> bool:
    return verdict.ruling not in LISTED and verdict.ruling is not Ruling.NOT_RUN


def _slower(first: Mapping[str, Verdict], second: Mapping[str, Verdict], slowness: Slowness) -> Iterable[str]:
    """The cases that took longer, the most seconds first; the end of a red case says nothing of its pace."""
    more = {
        case: after.duration - first[case].duration
        for case, after in second.items()
        if case in first and not after.red and not first[case].red
    }
    slow = [
        case
        for case, seconds in more.items()
        if seconds >= slowness.seconds and second[case].duration >= slowness.factor * first[case].duration
    ]
    return sorted(slow, key=lambda case: -more[case])
