"""Groups the red verdicts of a run by their cause. Pure."""

import hashlib
import re
from typing import Final

from tgi_conformance.contracts.verdict import RED, Ruling, Sign, Verdict
from tgi_conformance.reports.causes.cause import Cause, Causes, Severity, Symptom
from tgi_conformance.reports.run import Run

_NUMBER: Final = re.compile(r"\d+")
#: What lies behind these is told elsewhere: what blocks them, or that they were not run.
_NOT_EXPLAINED: Final = frozenset({Ruling.BLOCKED, Ruling.NOT_RUN})


def causes_of(run: Run, backend: str) -> Causes:
    """The causes of one backend's red cases, worst first."""
    groups: dict[tuple[Sign, str], list[Verdict]] = {}
    for verdict in run.of(backend):
        if verdict.ruling in RED - _NOT_EXPLAINED:
            groups.setdefault(_key(verdict), []).append(verdict)
    causes = [_cause(key, verdicts) for key, verdicts in groups.items()]
    symptoms = [
        Symptom(severity=cause.severity, sentence=cause.sentence, causes=(cause,))
        for cause in sorted(causes, key=lambda cause: (cause.severity.rank, -len(cause.verdicts)))
    ]
    return Causes(backend=backend, symptoms=tuple(symptoms))


def _key(verdict: Verdict) -> tuple[Sign, str]:
    return verdict.sign, "" if verdict.sign != Sign() else _NUMBER.sub("#", verdict.reason)


def _cause(key: tuple[Sign, str], verdicts: list[Verdict]) -> Cause:
    sign, reason = key
    digest = hashlib.sha256(f"{sign}{reason}".encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return Cause(
        id=f"{verdicts[0].clause.lower()}-{digest}",
        severity=Severity.OTHER,
        sentence=verdicts[0].reason,
        sign=sign,
        verdicts=tuple(verdicts),
        example=verdicts[0],
    )
