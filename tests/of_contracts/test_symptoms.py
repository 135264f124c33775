"""What a breach means to the user: every clause has a symptom and an advice, and the worst comes first."""

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.causes.outcomes import OutcomeClass, class_of
from tgi_conformance.contracts.causes.severity import Severity
from tgi_conformance.contracts.causes.symptoms import load_symptoms, symptom_of


def test_each_clause_stands_under_one_symptom() -> None:
    named = [clause for kind in load_symptoms().kinds.values() for clause in kind.clauses]
    assert sorted(named) == sorted(clause.id for clause in load_catalogue())


def test_the_rows_name_classes_and_symptoms_that_there_are() -> None:
    symptoms = load_symptoms()
    assert all(row.symptom in symptoms.kinds for row in symptoms.rows)
    assert {name for row in symptoms.rows for name in row.classes} <= {str(of) for of in OutcomeClass}


def test_every_severity_has_a_symptom_with_a_sentence() -> None:
    kinds = load_symptoms().kinds.values()
    assert {kind.severity for kind in kinds} == set(Severity)
    assert all(kind.sentence.endswith(".") and len(kind.sentence) <= 120 for kind in kinds)


def test_the_class_of_the_outcome_can_weigh_more_than_the_clause() -> None:
    assert symptom_of("RESP-08", OutcomeClass.NO_ERROR).severity is Severity.OUTPUT_WRONG
    assert symptom_of("RESP-08", OutcomeClass.FOREIGN_ERROR).severity is Severity.UNUSABLE_ERROR
    assert symptom_of("RESP-08", OutcomeClass.HANG).severity is Severity.HANG
    assert symptom_of("SEC-03", OutcomeClass.KEY_SEEN).id == "key-elsewhere"
    assert symptom_of("XX-99", "").severity is Severity.OTHER


def test_the_class_of_an_outcome_is_read_off_both_sides() -> None:
    cases = {
        ("an error (the 200 holds no answer)", "answer ''"): OutcomeClass.NO_ERROR,
        ("fin-0: an error, for the stream stops", "fin-0: stream of 0 pieces ''"): OutcomeClass.SILENT_END,
        ("the status 401 on the error", "error of kind unmapped: E: 'x'"): OutcomeClass.STATUS_LOST,
        ("the message 'x' inside the error", "error of kind unmapped: E: 'y'"): OutcomeClass.MESSAGE_LOST,
        ("an error of kind timeout", "error of kind transport: E: 'x'"): OutcomeClass.WRONG_KIND,
        ("one of the client's own errors", "error of kind unmapped: E: 'x'"): OutcomeClass.FOREIGN_ERROR,
        ("the call succeeds", "error of kind unmapped: E: 'x'"): OutcomeClass.UNEXPECTED_ERROR,
        ("the text 'a'", "the text 'b'"): OutcomeClass.TEXT_DIFFERS,
        ("1 request: one call sends one", "0: none"): OutcomeClass.TOO_FEW,
        ("1 request: one call sends one", "2: POST /"): OutcomeClass.TOO_MANY,
        ("anything", "hang: silence"): OutcomeClass.HANG,
    }
    assert {sides: class_of(*sides, ()) for sides in cases} == cases
    assert class_of("a", "b", ("stats.total_requests",)) is OutcomeClass.STATISTICS_WRONG
    assert class_of("a", "b", ()) is OutcomeClass.OTHER
