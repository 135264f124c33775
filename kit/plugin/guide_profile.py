"""The profile ``tgi-guide``: all 22 keys are demanded, and a hidden method is an error."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.catalogue.results_keys import RESULTS_KEYS
from tgi_conformance.contracts.verdict import Ruling, Verdict
from tgi_conformance.reports.results_map import roll_up
from tgi_conformance.reports.run import BackendInfo

#: The clause that declarations are judged under.
CLAUSE: Final = "DECL-01"
#: Key -> the capability that it is about, where clauses of other calls decide it too.
_ABOUT: Final = MappingProxyType({"chat_method": "chat"})


def rule_guide_profile(
    verdicts: Sequence[Verdict], backends: Iterable[BackendInfo], *, seed: int
) -> Iterable[Verdict]:
    """Return a failure for each key that nothing decided, and one for methods that are hidden.

    What any call does with a finish reason decides ``chat_method`` too: a client without chats fails it.
    """
    for backend in backends:
        left_out = roll_up(verdicts, backend.name).left_out
        for key in RESULTS_KEYS:
            if key in left_out:
                yield _failure(
                    f"demanded-{key}", backend.name, key, f"a result for {key}", left_out[key], seed=seed
                )
        for key, capability in _ABOUT.items():
            if key not in left_out and backend.claimed and capability not in backend.claimed:
                observed = f"capability {capability} is not claimed"
                yield _failure(
                    f"demanded-{key}", backend.name, key, f"a result for {key}", observed, seed=seed
                )
        if backend.hidden:
            names = ", ".join(backend.hidden)
            key = load_catalogue()[CLAUSE].results_key
            yield _failure(
                "hidden",
                backend.name,
                key,
                "every implemented method claimed",
                f"not claimed: {names}",
                seed=seed,
            )


def _failure(slug: str, backend: str, key: str, expected: str, observed: str, *, seed: int) -> Verdict:
    clause = load_catalogue()[CLAUSE]
    return Verdict(
        case=f"{CLAUSE}/{slug}",
        clause=CLAUSE,
        ruling=Ruling.FAILED,
        backend=backend,
        level=str(clause.level),
        results_key=key,
        area=clause.area,
        reason=f"profile tgi-guide: expected {expected}; observed {observed}",
        expected=expected,
        observed=observed,
        seed=seed,
    )
