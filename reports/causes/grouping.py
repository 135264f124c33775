"""Groups the red verdicts of a run by their cause. Pure."""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.causes.kinds import family, parts, word
from tgi_conformance.contracts.causes.outcomes import OutcomeClass
from tgi_conformance.contracts.causes.symptoms import SymptomKind, symptom_of, untold
from tgi_conformance.contracts.verdict import RED, RUN_WIDE, Ruling, Verdict
from tgi_conformance.reports.causes.cause import Cause, Causes, Symptom
from tgi_conformance.reports.causes.joining import joined
from tgi_conformance.reports.causes.keys import Key
from tgi_conformance.reports.run import Run

#: What lies behind these is told elsewhere: what blocks them, that they were not run, a mistake of the kit.
_NOT_EXPLAINED: Final = frozenset({Ruling.BLOCKED, Ruling.NOT_RUN, Ruling.KIT_FAULT})
#: How cases fail whose cause is in no verdict of the run.
_BLOCKED: Final = "blocked"
#: Characters that a sentence has room for behind what the user suffers.
_ROOM: Final = 120
#: How many cases a run-wide ruling counts: the verdicts say it.
_COUNTED: Final = re.compile(r" \(\d+ cases?, .*")
#: JSON, or a text of several lines: not for a sentence.
_DATA: Final = re.compile(r"[{\[\n]")
_NO_WORD: Final = re.compile(r"[^a-z0-9]+")
#: A family that goes without saying where a body is told of.
_SAID_BY_OTHERS: Final = frozenset({"error-status"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A cause and the kind of symptom that it is one of."""

    kind: SymptomKind
    cause: Cause


def causes_of(run: Run, backend: str) -> Causes:
    """The causes of one backend's red cases, worst first.

    A blocked case hangs under the cause of the case that blocks it. Not explained are cases that were not run
    and mistakes of the kit, which say nothing of a backend; advice has causes of its own (:func:`advice_of`).
    """
    verdicts = run.of(backend)
    red = [verdict for verdict in verdicts if verdict.ruling in RED - _NOT_EXPLAINED]
    return _causes(backend, red, [verdict for verdict in verdicts if verdict.ruling is Ruling.BLOCKED])


def advice_of(run: Run, backend: str) -> Causes:
    """The causes of one backend's advisory cases: none of them makes a run fail."""
    return _causes(backend, [v for v in run.of(backend) if v.ruling is Ruling.ADVISORY], ())


def _causes(backend: str, verdicts: Sequence[Verdict], blocked: Sequence[Verdict]) -> Causes:
    groups = joined(verdicts)
    waiting: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in blocked:
        waiting[verdict.blocked_by].append(verdict)
    for case in waiting.keys() - {verdict.case for verdict in verdicts}:
        groups[Key(how=_BLOCKED, where=case)] = waiting.pop(case)
    told = [_cause(key, group, waiting) for key, group in groups.items()]
    symptoms: dict[SymptomKind, list[Cause]] = {}
    for each in sorted(told, key=lambda one: (-len(one.cause.verdicts), one.cause.id)):
        symptoms.setdefault(each.kind, []).append(each.cause)
    size = {kind: sum(len(cause.verdicts) for cause in causes) for kind, causes in symptoms.items()}
    worst = sorted(symptoms, key=lambda kind: (kind.severity.rank, -size[kind], kind.id))
    return Causes(
        backend=backend,
        symptoms=tuple(
            Symptom(severity=kind.severity, sentence=kind.sentence, causes=tuple(symptoms[kind]))
            for kind in worst
        ),
    )


def _cause(key: Key, verdicts: Sequence[Verdict], waiting: Mapping[str, Sequence[Verdict]]) -> _Told:
    """The cause of some verdicts; ``waiting``: what each case blocks."""
    sign = Counter(verdict.sign for verdict in verdicts).most_common(1)[0][0]
    kinds = Counter(map(_symptom, verdicts))
    kind = min(kinds, key=lambda each: (each.severity.rank, -kinds[each], each.id))
    example = min(verdicts, key=_size)
    return _Told(
        kind=kind,
        cause=Cause(
            id=_identity(key),
            severity=kind.severity,
            sentence=_sentence(kind, key, verdicts, example),
            sign=sign,
            advice=_advice(verdicts),
            verdicts=tuple(verdicts),
            example=example,
            blocked=tuple(chain.from_iterable(waiting.get(verdict.case, ()) for verdict in verdicts)),
        ),
    )


def _symptom(verdict: Verdict) -> SymptomKind:
    examined = verdict.ruling not in (Ruling.BLOCKED, Ruling.UNTESTABLE)
    return symptom_of(verdict.clause, verdict.sign.outcome) if examined else untold()


def _identity(key: Key) -> str:
    """A word of a URL that stays the same as long as the cause is told by the same things."""
    told = json.dumps([key.how, sorted(key.kinds), key.where])
    digest = hashlib.sha256(told.encode("ascii")).hexdigest()[:6]
    named = "-".join(sorted(key.kinds - _SAID_BY_OTHERS)) or key.how.rpartition(".")[2].lower()
    return f"{_NO_WORD.sub('-', named).strip('-')}-{digest}"


def _sentence(kind: SymptomKind, key: Key, verdicts: Sequence[Verdict], example: Verdict) -> str:
    """What the user suffers, and what brings it about or shows it, as far as that is short to tell."""
    if key.how == _BLOCKED:
        return f"{kind.sentence.removesuffix('.')}: {key.where} blocks them."
    told = [_named(one, verdicts) for one in sorted(key.kinds - _SAID_BY_OTHERS or key.kinds)]
    if told:
        return f"With {' and '.join(told)}, {kind.sentence[0].lower()}{kind.sentence[1:]}"
    details = Counter(verdict.sign.detail for verdict in verdicts if verdict.sign.detail)
    shown = details.most_common(1)[0][0] if details else _shown(example)
    return f"{kind.sentence.removesuffix('.')} ({shown})." if shown else kind.sentence


def _shown(example: Verdict) -> str:
    """What a case asked for, or a run-wide ruling saw, where a line has room for it."""
    if example.case.endswith(f"/{RUN_WIDE}") or example.sign.outcome == OutcomeClass.NOT_HEALTHY:
        told = f"seen: {_COUNTED.sub('', example.reason)}"
    else:
        told = f"expected: {example.expected}" if example.expected else ""
    return told if len(told) <= _ROOM and not _DATA.search(told) else ""


def _named(one: str, verdicts: Sequence[Verdict]) -> str:
    """A family in words: its kind where all have the same."""
    kinds = {kind for verdict in verdicts for kind in parts(verdict.sign.stimulus) if family(kind) == one}
    return word(kinds.pop() if len(kinds) == 1 else one)


def _advice(verdicts: Sequence[Verdict]) -> str:
    """The advice of the clause that most of the cases are of."""
    clause = Counter(verdict.clause for verdict in verdicts).most_common(1)[0][0]
    catalogue = load_catalogue()
    return catalogue[clause].advice if clause in catalogue else ""


def _size(verdict: Verdict) -> tuple[bool, int, int, str]:
    """How much there is to read of a case: the least with evidence shows its cause best."""
    said = len(verdict.expected) + len(verdict.observed)
    return not verdict.evidence, len(parts(verdict.sign.stimulus)), said, verdict.case
