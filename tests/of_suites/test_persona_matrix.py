"""The persona matrix: each pair is tried or says why not; what is left out as unchanged is unchanged."""

import json
from pathlib import Path

import pytest
from mini_backend import run_cli

from tgi_conformance.contracts.catalogue.clauses import load_catalogue
from tgi_conformance.contracts.script import Persona
from tgi_conformance.contracts.tgi.personas import PERSONAS
from tgi_conformance.suites.personas.checks import CHECKS, trials
from tgi_conformance.suites.personas.matrix import (
    ASPECTS,
    CHANGES,
    EXCEPT,
    OUTSIDE,
    PERSONAS_TRIED,
    in_question,
    pairs,
)
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape
from tgi_conformance.suites.shapes.personas import dressed, served

CATALOGUE = load_catalogue()
TOKENS = (" one", " two")
PAIRS = list(pairs())


def test_every_persona_but_tgi_3_3_is_in_the_matrix() -> None:
    assert {*PERSONAS_TRIED, "tgi-3.3"} == set(PERSONAS)


def test_each_pair_in_question_is_tried_or_says_why_not() -> None:
    clauses = [clause for clause in CATALOGUE if in_question(clause)]
    assert len(PAIRS) == len(clauses) * len(PERSONAS_TRIED)
    assert {"core", "stream", "tools"} <= {name for clause in clauses for name in clause.capabilities}


def test_a_clause_stands_on_one_side_only_and_has_its_check() -> None:
    assert set(ASPECTS) == set(CHECKS)
    assert not set(ASPECTS) & set(OUTSIDE)
    assert all(name in CATALOGUE for name in ASPECTS)
    areas = {clause.area for clause in CATALOGUE}
    assert all(name in areas or name in CATALOGUE for name in OUTSIDE)


def test_each_check_is_tried_with_some_persona() -> None:
    assert {pair.clause for pair in PAIRS if not pair.left_out} == set(ASPECTS)


def test_each_exception_takes_out_a_pair_that_would_be_tried() -> None:
    assert all(ASPECTS[clause] in CHANGES[persona] for clause, persona in EXCEPT)


def test_profile_default_tries_each_pair_once_and_thorough_more() -> None:
    default, thorough = list(trials(thorough=False)), list(trials(thorough=True))
    tried = [(trial.pair.clause, trial.pair.persona) for _, trial in default]
    assert len(tried) == len(set(tried)) == sum(not pair.left_out for pair in PAIRS)
    names = [(trial.pair.clause, slug) for slug, trial in thorough]
    assert len(names) == len(set(names)) > 3 * len(default)


def told(shape: Shape) -> dict[str, object]:
    """What a shape says, by aspect; the version is no difference that a client sees."""
    plain = {k: v for k, v in dict(shape.body("x")).items() if k != "system_fingerprint"}  # type: ignore[arg-type]
    frames = shape.frames(*shape.events(TOKENS))
    text = json.dumps([event.json for event in shape.events(TOKENS) if not event.done], default=str)
    for version in ("2.4.1-native", "3.3.6-dev0-native"):
        text = text.replace(version, "")
    encoding = None if frames.stream is None else frames.stream.encoding.blank
    return {
        "answer": plain,
        "stream": (text, encoding, frames.stream and frames.stream.events[0].comment),
        "event": (shape.error_event("x").json, encoding),
    }


@pytest.mark.parametrize("persona", PERSONAS_TRIED)
@pytest.mark.parametrize("aspect", ["answer", "stream", "event"])
def test_what_a_persona_is_said_to_change_it_changes_and_nothing_else(persona: Persona, aspect: str) -> None:
    shapes = [shape for shape in (CHAT, COMPLETIONS) if shape in served(persona)]
    differs = any(told(dressed(shape, persona))[aspect] != told(shape)[aspect] for shape in shapes)
    assert differs == (aspect in CHANGES[persona])


def test_the_native_stream_of_tgi_1_4_has_no_blank_and_no_input_length() -> None:
    reply = dressed(NATIVE, "tgi-1.4").stream(TOKENS)
    assert reply.stream is not None
    assert not reply.stream.encoding.blank
    assert "input_length" not in json.dumps(reply.stream.events[-1].json)


def test_the_command_prints_the_pairs_and_what_is_left_out(tmp_path: Path) -> None:
    rows = json.loads(run_cli(tmp_path, "list", "--personas", "--json").out)
    assert all((row["case"] is None) == (row["left_out"] is not None) for row in rows)
    assert {row["persona"] for row in rows if row["clause"] == "REAL-02"} == set(PERSONAS)
    assert {
        "clause": "STREAM-06",
        "persona": "tgi-1.4",
        "case": "STREAM-06/persona-tgi-1.4",
        "left_out": None,
    } in rows
    shown = run_cli(tmp_path, "list", "--personas", "--area", "STREAM").out
    assert "STREAM-06  tgi-1.4        STREAM-06/persona-tgi-1.4" in shown
    assert "TGI 1.4 sends no [DONE]: STREAM-09 (tgi-1.4), STREAM-13 (tgi-1.4)" in shown
