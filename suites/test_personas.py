"""REAL-02 and the persona matrix: answers, streams, errors and tools of servers of other generations.

:mod:`personas.matrix` says which pairs are tried and why the others are not; :mod:`personas.checks` says how
each clause is tried. Profile thorough tries every form of a clause on every shape.
"""

import pytest

from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Persona, answer
from tgi_conformance.suites.areas.answers import expect_not_found, is_other_model
from tgi_conformance.suites.areas.tools import ask, calls_of, expect_calls
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect
from tgi_conformance.suites.harness.rulings import NotApplicable
from tgi_conformance.suites.harness.session import SETTINGS
from tgi_conformance.suites.personas.checks import CHECKS, Trial, trials
from tgi_conformance.suites.personas.matrix import PERSONAS_TRIED
from tgi_conformance.suites.personas.tools import CALL, WANTED
from tgi_conformance.suites.shapes.calls import CHAT, Shape
from tgi_conformance.suites.shapes.personas import dressed, served
from tgi_conformance.suites.ways.words import EVERY_WAY


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a case of each trial of the profile."""
    if "trial" not in metafunc.fixturenames:
        return
    thorough = metafunc.config.stash[SETTINGS].profile == "thorough"
    metafunc.parametrize(
        "trial",
        [
            pytest.param(
                trial,
                id=f"case={trial.pair.clause}-{slug}",  # pytest wants it unique; the marker names the case
                marks=clause(trial.pair.clause, case=slug),
            )
            for slug, trial in trials(thorough=thorough)
        ],
    )


def test_a_clause_holds_with_a_server_of_another_generation(case: Case, trial: Trial) -> None:
    """A client outlives the server that it was written for."""
    check = CHECKS[trial.pair.clause]
    case.needs(*check.needs)
    case.persona = trial.pair.persona
    shape = case.shape(*check.shapes if trial.shape is None else (trial.shape,))
    _needs_twin(case, shape)
    check.run(case, shape, trial.form)


def _needs_twin(case: Case, shape: Shape) -> None:
    """End the case where the healthy call already fails with that server: REAL-02 says so once."""
    claimed = (False, True) if case.claims("stream") else (False,)
    if not all(case.probes.works(shape, streaming=streaming, persona=case.persona) for streaming in claimed):
        raise NotApplicable(f"a healthy {shape.name} call fails with {case.persona}, which REAL-02 judges")


@clause("REAL-02", ways=EVERY_WAY)
@pytest.mark.parametrize("persona", ["tgi-3.3", *PERSONAS_TRIED])
def test_the_client_works_with_every_generation(case: Case, persona: Persona) -> None:
    """One healthy call of each claimed shape, plain and streamed, and a tool call."""
    case.persona = persona
    shapes = [shape for shape in served(persona) if case.claims(shape.capability)]
    if not shapes:
        raise NotApplicable(f"no call that {persona} serves is claimed")
    for shape in shapes:
        for streaming in (False, True) if case.claims("stream") else (False,):
            case.serve(answer(" one two").named(shape.name).times(0, None))
            outcome = case.call(endpoint=case.endpoint(), shape=dressed(shape, persona), stream=streaming)
            if is_other_model(case):
                expect_not_found(outcome)
                continue
            _expect_spoken(case, outcome, f"{shape.name}{' stream' if streaming else ''}")
    if CHAT in shapes and case.claims("tools"):
        case.serve(CALL)
        outcome = ask(case)
        if is_other_model(case):
            expect_not_found(outcome)
            return
        expect_calls(outcome, calls_of(outcome), WANTED, because=f"the form of {persona}")


def _expect_spoken(case: Case, outcome: Outcome, what: str) -> None:
    """The text; STREAM-21 judges a shown end token, GEN-10 a prompt in front."""
    said = "one two" if outcome.trims else " one two"
    expect(
        outcome.returned and outcome.text.removesuffix("</s>").endswith(said),
        expected=f"{what}: ' one two' from {case.persona}",
        observed=describe(outcome),
    )
