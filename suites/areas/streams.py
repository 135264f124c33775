"""What the STREAM and RES areas share: streams spelled out to the byte, and what was heard of them."""

from collections.abc import Mapping, Sequence
from typing import Final

import pytest

from tgi_conformance.contracts.adapter import Piece
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply, raw_event
from tgi_conformance.fake_server.client import Space
from tgi_conformance.suites.areas.answers import serve_each
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.expect import describe, expect
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape

#: Where the route's form matters: a case for each call shape.
each_shape = pytest.mark.parametrize("shape", [CHAT, NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
#: The shapes whose streams end with ``[DONE]``.
each_openai_shape = pytest.mark.parametrize("shape", [CHAT, COMPLETIONS], ids=lambda shape: shape.name)
#: Those shapes, of a case that was chat's alone and has its name from then.
chat_and_completions = pytest.mark.parametrize(
    "shape", [CHAT, COMPLETIONS], ids=[pytest.HIDDEN_PARAM, COMPLETIONS.name]
)

#: "As many pieces as come".
ALL: Final = 1 << 30
#: Replies of one space: each request is held against all of them.
_BATCH: Final = 50


def needs_stream_of(case: Case, shape: Shape) -> None:
    """End the case as not applicable unless streams of that shape are claimed."""
    case.needs("stream", shape.capability)


def bytes_reply(shape: Shape, content: bytes, **delivery: object) -> Reply:
    """A stream of exactly these bytes, in one write unless ``delivery`` says otherwise."""
    return shape.frames(raw_event(content)).deliver(**({"splits": "whole"} | delivery))


def play(case: Case, shape: Shape, replies: Mapping[str, Reply]) -> dict[str, Outcome]:
    """Make one streaming call a reply, one after the other; the outcomes by slug.

    A reply is tied to its call by the prompt, so that a call that is sent again takes none from the next.
    """
    outcomes: dict[str, Outcome] = {}
    slugs = list(replies)
    for start in range(0, len(slugs), _BATCH):
        batch = slugs[start : start + _BATCH]
        outcomes |= _play_batch(case, shape, {slug: replies[slug] for slug in batch})
    return outcomes


def _play_batch(case: Case, shape: Shape, replies: Mapping[str, Reply]) -> dict[str, Outcome]:
    prompts = serve_each(case, replies)
    endpoint = case.endpoint()
    return {
        slug: case.call(prompt, endpoint=endpoint, shape=shape, stream=True)
        for slug, prompt in prompts.items()
    }


def heard(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """The texts of the pieces that carry any, special tokens marked as such left out."""
    return tuple(p.text for p in pieces if isinstance(p.text, str) and p.text and p.special is not True)


def expect_same_events(outcomes: Mapping[str, Outcome], plain: str, because: str) -> None:
    """Every stream gave the same texts, piece by piece, and ended as the plain one did."""
    wanted = outcomes[plain]
    for slug, outcome in outcomes.items():
        same = (heard(outcome.pieces), outcome.ending) == (heard(wanted.pieces), wanted.ending)
        expect(
            same,
            expected=f"{slug}: the events of the stream {plain}, {describe(wanted)} ({because})",
            observed=f"{slug}: {describe(outcome)} {list(heard(outcome.pieces))!r}",
        )


def expect_end(outcome: Outcome, text: str, because: str) -> None:
    """The stream ended by itself, with that text."""
    expect(
        outcome.returned and outcome.says(text),
        expected=f"a normal end after {text!r} ({because})",
        observed=describe(outcome),
    )


def expect_heard(outcome: Outcome, tokens: Sequence[str], because: str) -> None:
    """Those tokens were handed over, no more and no less."""
    text = "".join(tokens)
    expect(
        outcome.says(text),
        expected=f"the text {text!r} before the end ({because})",
        observed=describe(outcome),
    )


def ends_by_itself(case: Case, running: Running, space: Space) -> bool:
    """Whether a stream ends within the bound while the server still holds its connection open.

    A stream that does not is abandoned: its verdict is known, and nobody waits its deadline out.
    """
    running.call.pull(ALL)
    ended = running.wait_briefly(case.patience(space.journal()).soon()) is not None
    if not ended:
        running.call.abandon()
    return ended
