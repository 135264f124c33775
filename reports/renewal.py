"""A results map brought up to date by a run of the cases that were red. Pure.

The map of a whole run may be renewed by a later run of its red cases alone, where both judged the same: the
same version of the kit, the same seed, profile and claims. What the later run did not play stands as it was
decided before, and the map's neighbour says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tgi_conformance.contracts.verdict import DECIDED, Verdict
from tgi_conformance.reports.comparing.conditions import claims_changed, kit_version
from tgi_conformance.reports.run import RunInfo

#: Backend and case.
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What the whole run and the runs of red cases after it come to together."""

    #: Those of the whole run, with what was decided since in their place.
    verdicts: tuple[Verdict, ...]
    #: What was decided since: to be kept until the next whole run.
    since: tuple[Verdict, ...]
    #: Red cases of the whole run that have not been decided since.
    undecided: tuple[str, ...] = ()


def differing(whole: RunInfo, later: RunInfo) -> str:
    """What keeps a later run from renewing the map of a whole one, in words; empty: nothing."""
    pairs = (
        ("version of the kit", kit_version(whole), kit_version(later)),
        ("seed", str(whole.seed), str(later.seed)),
        ("profile", whole.profile, later.profile),
        ("set of backends", _names(whole) or "none", _names(later) or "none"),
    )
    for what, before, now in pairs:
        if before != now:
            return f"another {what} ({before} then, {now} now)"
    for backend in whole.backends:
        if changed := claims_changed(backend, later.backend(backend.name)):
            return f"other claims of {backend.name}: {changed}"
    return ""


def renewed(whole: Sequence[Verdict], before: Iterable[Verdict], later: Iterable[Verdict]) -> Renewal:
    """Put what was decided since in the place of what the whole run says.

    ``before`` is what earlier runs of red cases decided, ``later`` what this one did. A case that the whole
    run does not have is left out: a map of it would rest on other cases.
    """
    known = {_key(verdict): verdict for verdict in whole}
    decided = {
        _key(verdict): verdict
        for verdict in (*before, *later)
        if verdict.ruling in DECIDED and _key(verdict) in known
    }
    merged: Mapping[_Key, Verdict] = known | decided
    return Renewal(
        verdicts=tuple(merged.values()),
        since=tuple(decided.values()),
        undecided=tuple(v.case for key, v in known.items() if v.red and key not in decided),
    )


def _key(verdict: Verdict) -> _Key:
    return verdict.backend, verdict.case


def _names(info: RunInfo) -> str:
    return ", ".join(sorted(backend.name for backend in info.backends))
