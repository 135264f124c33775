"""REQ: a model that is named for one call is that call's, and nobody else's."""

from typing import Any, Final, cast

import pytest

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.suites.areas.ways import FORM
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import expect, expect_requests, expect_success
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, Shape

SHAPE = pytest.mark.parametrize("shape", [CHAT, COMPLETIONS], ids=lambda shape: shape.name)
_OF_ENDPOINT: Final = "lab/Base-7B"
_OF_CALL: Final = "openai/Org/My-LoRA:v1.2"


@clause("REQ-18", case="named-for-a-call")
@FORM
@SHAPE
def test_a_model_named_for_a_call_is_sent_with_that_call_alone(
    case: Case, shape: Shape, *, stream: bool
) -> None:
    """It chooses the adapter of that call; kept, or cut at a slash, it chooses another one for the next."""
    case.needs(shape.capability, *(("stream",) if stream else ()))
    case.needs_parameter(shape, "model")
    space = case.serve(shape.reply("fine", streaming=stream).times(2))
    endpoint = case.endpoint(model=_OF_ENDPOINT)

    expect_success(case.call(endpoint=endpoint, shape=shape, stream=stream, model=_OF_CALL))
    expect_success(case.call(endpoint=endpoint, shape=shape, stream=stream))

    sent = space.journal().generations
    expect_requests(sent, 2, because="two calls were made", journal=space.journal())
    named, after = map(_model_of, sent)
    expect(named == _OF_CALL, expected=f"model {_OF_CALL!r}", observed=f"model {named!r}")
    takes = "model" in case.description.settings
    expect(
        after == _OF_ENDPOINT if takes else after != _OF_CALL,
        expected=f"in the call after it the model {_OF_ENDPOINT!r}" if takes else "another model after it",
        observed=f"model {after!r}",
    )


def _model_of(sent: Exchange) -> object:
    return cast("dict[str, Any]", sent.json()).get("model")
