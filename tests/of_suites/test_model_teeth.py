"""What the stateful model catches: a few mutants, each under the clause that it breaks.

All of them stand in ``tests/mutants``; which others the model sees is told in ``docs/suites.md``.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from kill_runs import mutants, run_quick

from tgi_conformance.contracts.script.loading import load_script

MUTANTS = {mutant.id: mutant for mutant in mutants()}
#: Mutant -> the case whose programs come upon its mistake; the clause is the mutant's own.
SAMPLED = {
    "queues:LastInFirstOut": "QUEUE-01/property-model",
    "queues:QueuesWithoutBound": "QUEUE-01/property-model",
    "retry:RetriesInTwoLayers": "RETRY-01/property-model",
    "stats:OneCountForAll": "MUX-03/property-model",
}


@pytest.mark.parametrize("name", SAMPLED)
def test_a_mistake_is_seen_under_its_own_clause_with_its_program(name: str, tmp_path: Path) -> None:
    mutant, case = MUTANTS[name], SAMPLED[name]
    told = run_quick(mutant.spec, tmp_path / "results", "--case", case, narrowed=True)
    assert told.red == (mutant.breaks,), told.out
    (verdict,) = [each for each in told.verdicts if each["case"] == case]
    assert verdict["ruling"] == ("failed" if case.startswith(mutant.breaks) else "not here")
    evidence = _evidence(tmp_path / "results" / "narrowed" / str(verdict["evidence"]))
    played = load_script(evidence["spaces"][0]["script"])
    assert not any(reply.delivery.holds for reply in played.replies), "holds that nobody would release"


def _evidence(file: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return value


def test_the_model_finds_nothing_in_the_reference(tmp_path: Path) -> None:
    spec = "tgi_conformance.backends.reference.adapter:AsyncReferenceAdapter"
    told = run_quick(spec, tmp_path / "results", "--case", "*/property-model", narrowed=True)
    assert (told.code, told.red) == (0, ()), told.out
    records: list[Any] = [each["record"] for each in told.verdicts if each.get("record")]
    found_right = {clause for record in records for clause in record["found_right"]}
    assert found_right >= {"QUEUE-03", "QUEUE-04", "QUEUE-06", "QUEUE-08", "RETRY-08", "MUX-04", "STAT-01"}
