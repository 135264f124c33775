"""Levels are made of clauses that exist, each within the next, and *safe* agrees with the severities."""

from itertools import pairwise

from tgi_conformance.contracts.catalogue.clauses import Level, load_catalogue
from tgi_conformance.contracts.catalogue.levels import NAMES, load_levels
from tgi_conformance.contracts.causes.outcomes import OutcomeClass
from tgi_conformance.contracts.causes.symptoms import load_symptoms

LEVELS = load_levels()
#: Symptoms that no safe client has: each MUST clause of theirs is in the level.
NEVER_SAFE = (
    *("half-answer", "failure-as-answer", "text-wrong", "answers-mixed", "tool-calls-wrong"),
    *("key-printed", "key-elsewhere", "wrong-key", "not-protected"),
    *("sent-again", "generates-for-nobody", "hang"),
)
#: MUST clauses of these symptoms that are left out, and why.
LEFT_OUT = {"GEN-10": "the prompt comes back before the text: nothing is lost"}


def test_the_names_are_those_of_the_file_in_its_order() -> None:
    assert tuple(LEVELS) == NAMES


def test_each_level_is_a_part_of_the_next() -> None:
    for lower, higher in pairwise(LEVELS.values()):
        assert lower.clauses < higher.clauses


def test_each_clause_of_a_level_is_in_the_catalogue() -> None:
    catalogue = load_catalogue()
    assert not [c for level in LEVELS.values() for c in level.clauses if c not in catalogue]
    assert {catalogue[clause].level for clause in LEVELS["safe"].clauses} == {Level.MUST}


def test_no_clause_stands_in_two_promises() -> None:
    named = [clause for part in LEVELS["safe"].parts for clause in part.clauses]
    assert len(named) == len(set(named))


def test_a_promise_holds_clauses_of_its_severity_and_classes_that_exist() -> None:
    severity = {c: kind.severity for kind in load_symptoms().kinds.values() for c in kind.clauses}
    for part in LEVELS["safe"].parts:
        assert {severity[clause] for clause in part.clauses} == {part.severity}, part.promise
        assert part.outcomes <= {str(of) for of in OutcomeClass}


def test_the_gravest_symptoms_are_all_in_safe() -> None:
    catalogue, kinds = load_catalogue(), load_symptoms().kinds
    musts = {c for name in NEVER_SAFE for c in kinds[name].clauses if catalogue[c].level is Level.MUST}
    assert musts - LEVELS["safe"].clauses == LEFT_OUT.keys()


def test_a_hang_breaks_safe_in_a_case_of_any_must_clause() -> None:
    safe = LEVELS["safe"]
    assert safe.holds("SEC-01", "MUST", "")
    assert safe.holds("GEN-01", "MUST", "hang")
    assert not safe.holds("GEN-01", "MUST", "request differs")
    assert not safe.holds("GEN-07", "SHOULD", "hang")
