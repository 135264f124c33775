"""Rolls verdicts up to the 22 keys of the TGI testing guide, by behaviour and never by ``hasattr``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tgi_conformance.contracts.catalogue.results_keys import NEW_KEYS, RESULTS_KEYS
from tgi_conformance.contracts.verdict import LISTED, RED, Ruling, Verdict

Result = Literal["Success", "Failed"]

#: Rulings under which a clause was not kept. A failure that a baseline expects is a failure still: the map
#: says how the backend behaves, not what its maintainers know already.
_NOT_KEPT: Final = frozenset({Ruling.FAILED, Ruling.BLOCKED, Ruling.EXPECTED})
#: Rulings that say nothing of the backend: they fail no key, and a key that has one is not kept either.
_OPEN: Final = RED - _NOT_KEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsMap:
    """The results of one backend, key by key, each in the order of the guide."""

    backend: str
    #: The guide's keys that were decided.
    values: Mapping[str, Result] = field(default_factory=dict)
    #: The guide's and the new keys that were not, with the reason.
    left_out: Mapping[str, str] = field(default_factory=dict)
    #: Those of ``left_out`` that a case leaves open which was run and could not be decided.
    unclear: tuple[str, ...] = ()
    #: The keys that this kit adds ("new:...").
    more: Mapping[str, Result] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[str, ...]:
        """The guide's keys that are ``Failed``, in its order."""
        return tuple(key for key, value in self.values.items() if value == "Failed")


@dataclass(frozen=True, slots=True)
class _LeftOut:
    reason: str
    unclear: bool = False


def roll_up(verdicts: Iterable[Verdict], backend: str) -> ResultsMap:
    """Score each key by the verdicts on ``backend`` that carry it.

    ``Success`` only if all applicable MUST clauses were kept. A key whose applicable clauses are all SHOULD
    is scored by them; one that nothing decides is left out, as is one that a case leaves open: it was
    untestable, or not run, or the kit was at fault.
    Verdicts without a results key count for none.
    """
    by_key: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.backend == backend:
            by_key.setdefault(verdict.results_key, []).append(verdict)
    scores = {key: _score(by_key.get(key, [])) for key in (*RESULTS_KEYS, *NEW_KEYS)}
    left_out = {key: score for key, score in scores.items() if isinstance(score, _LeftOut)}
    return ResultsMap(
        backend=backend,
        values={key: score for key in RESULTS_KEYS if not isinstance(score := scores[key], _LeftOut)},
        left_out={key: score.reason for key, score in left_out.items()},
        unclear=tuple(key for key, score in left_out.items() if score.unclear),
        more={key: score for key in NEW_KEYS if not isinstance(score := scores[key], _LeftOut)},
    )


def _score(verdicts: list[Verdict]) -> "Result | _LeftOut":
    applicable = [verdict for verdict in verdicts if verdict.ruling not in LISTED]
    if not applicable:
        return _LeftOut(_why_none(verdicts))
    musts = [verdict for verdict in applicable if verdict.level == "MUST"]
    scored = musts or [verdict for verdict in applicable if verdict.level == "SHOULD"]
    if not scored:
        return _LeftOut("only MAY clauses, which are recorded and not scored")
    not_kept = _NOT_KEPT if musts else _NOT_KEPT | {Ruling.ADVISORY}
    if any(verdict.ruling in not_kept for verdict in scored):
        return "Failed"
    if left_open := sorted((v for v in scored if v.ruling in _OPEN), key=_is_not_run):
        first, more = left_open[0], f"; and {len(left_open) - 1} more" if len(left_open) > 1 else ""
        reason = f"{first.ruling}: {first.case}: {first.reason}{more}"
        return _LeftOut(reason, unclear=not _is_not_run(first))
    if any(verdict.ruling is Ruling.PASSED for verdict in scored):
        return "Success"
    return _LeftOut("nothing was decided: all that applies was only recorded")


def _is_not_run(verdict: Verdict) -> bool:
    return verdict.ruling is Ruling.NOT_RUN


def _why_none(verdicts: list[Verdict]) -> str:
    if not verdicts:
        return "no case of this key was run"
    reasons = dict.fromkeys(f"{v.ruling}: {v.reason}" if v.reason else str(v.ruling) for v in verdicts)
    shown = "; ".join(list(reasons)[:3])
    more = f"; and {len(reasons) - 3} other reasons" if len(reasons) > 3 else ""
    return f"no applicable clause ({shown}{more})"
