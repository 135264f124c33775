"""STREAM: what ends a chat stream, and what does not, is the same in a stream of `/v1/completions`."""

from typing import Final, cast

import pytest

from tgi_conformance.contracts.json_types import JSON
from tgi_conformance.contracts.script import Event, data, done
from tgi_conformance.suites.areas.stream_checks import TEXT, WORDS
from tgi_conformance.suites.areas.streams import expect_end, needs_stream_of, play
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.shapes.calls import COMPLETIONS, Draft, Shape

SHAPE: Final = pytest.mark.parametrize("shape", [COMPLETIONS], ids=["completions"])


@clause("STREAM-13")
@SHAPE
def test_done_without_any_finish_reason_is_a_complete_stream(case: Case, shape: Shape) -> None:
    """The mark is the same, and enough."""
    needs_stream_of(case, shape)

    outcome = play(case, shape, {"none": shape.frames(*shape.open_events(WORDS), done())})["none"]

    expect_end(outcome, TEXT, "[DONE] is mark enough")


@clause("STREAM-14")
@SHAPE
def test_a_finish_reason_and_a_clean_end_are_a_complete_stream(case: Case, shape: Shape) -> None:
    """Servers that leave ``[DONE]`` out do so on each route."""
    needs_stream_of(case, shape)
    events = shape.events(WORDS)[:-1]
    replies = {framing: shape.frames(*events, framing=framing) for framing in ("chunked", "close")}

    for framing, outcome in play(case, shape, replies).items():
        expect_end(outcome, TEXT, f"a finish_reason, then a proper end of the body ({framing})")


def _chunk(shape: Shape, **fields: JSON) -> Event:
    """A chunk with these fields in the place of its own."""
    return data(cast("JSON", dict(cast("Draft", shape.open_events([""])[0].json)) | fields))


@clause("STREAM-18")
@SHAPE
def test_a_chunk_without_text_is_tolerated_and_is_not_the_end(case: Case, shape: Shape) -> None:
    """``choices[0]`` of an empty list is the classic crash here too."""
    needs_stream_of(case, shape)
    usage: JSON = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    whole = shape.events(WORDS)
    textless = {
        "usage-chunk": (*whole[:-1], _chunk(shape, choices=[], usage=usage), done()),
        "choices-empty": (*whole[:2], _chunk(shape, choices=[]), *whole[2:]),
        "text-empty": (*whole[:2], _chunk(shape), *whole[2:]),
        "finish-empty": (*whole[:2], _chunk(shape, choices=[_EMPTY]), *whole[2:]),
    }

    outcomes = play(case, shape, {form: shape.frames(*events) for form, events in textless.items()})

    for form, outcome in outcomes.items():
        expect_end(outcome, TEXT, f"chunks without text say nothing about the end: {form}")


#: How TGI says "not finished" on this route.
_EMPTY: Final[JSON] = {"index": 0, "text": "", "logprobs": None, "finish_reason": ""}
