"""The text of an outcome, held against what was sent."""

import pytest

from tgi_conformance.contracts.adapter import Answer, Piece
from tgi_conformance.contracts.outcome import Outcome, begins


def test_a_text_is_what_was_sent_to_the_character_unless_the_backend_trims() -> None:
    streamed = Outcome(ending="end", pieces=(Piece(text="one"), Piece(text=" two\n")))
    assert streamed.says("one two\n")
    assert not streamed.says(" one two\n")
    trimming = Outcome(ending="answer", answer=Answer(text="one two"), trims=True)
    assert trimming.says(" one two\n")
    assert not trimming.says("one  two")
    assert not trimming.says("one")


@pytest.mark.parametrize(
    ("seen", "trims", "right"), [(" one", False, True), ("one", False, False), ("one", True, True)]
)
def test_so_is_the_beginning_of_one(seen: str, *, trims: bool, right: bool) -> None:
    assert begins(f"{seen} two", " one", trims=trims) is right
    assert not begins(seen, " one two", trims=trims)
