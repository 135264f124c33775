"""The ways to make a call (route and form), and calls made one after the other on one endpoint.

What is sent is judged on every way: a stream's request is often built by other code than a plain call's.
Where the plain call is tried value by value, a stream gets one case for all values, at a tenth of the time.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import describe, expect, expect_requests
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape

SHAPE: Final = pytest.mark.parametrize("shape", [CHAT, NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
#: The routes whose requests name a model.
NAMING_SHAPE: Final = pytest.mark.parametrize("shape", [CHAT, COMPLETIONS], ids=lambda shape: shape.name)
#: Both forms; the plain one is no part of a case's id, so that cases which were there before keep theirs.
EITHER: Final = pytest.mark.parametrize("stream", [False, True], ids=["case=plain", "stream"])
#: Streams alone: the plain calls have cases of their own.
STREAM: Final = pytest.mark.parametrize("stream", [True], ids=["stream"])

#: Makes a call; gives its outcome, and its request, or None where nothing was sent.
Ask = Callable[..., tuple[Outcome, Exchange | None]]


def needs_way(case: Case, shape: Shape, *, stream: bool) -> None:
    """End the case as not applicable where the backend does not claim this way to make a call."""
    case.needs(shape.capability, *(("stream",) if stream else ()))


def asking(case: Case, shape: Shape, *, stream: bool, reply: Reply | None = None, **settings: Any) -> Ask:
    """A function that makes a call on an endpoint which it shares with the calls before.

    It takes a prompt, a ``subject`` in the prompt's place, and parameters. ``reply`` is what each call gets;
    a healthy answer of the call's form where none is given.
    """
    needs_way(case, shape, stream=stream)
    space = case.serve((reply or shape.reply("fine", streaming=stream)).times(0, None))
    endpoint = case.endpoint(**settings)

    def ask(prompt: str | None = None, **given: object) -> tuple[Outcome, Exchange | None]:
        before = len(space.journal().generations)
        outcome = case.call(prompt, endpoint=endpoint, shape=shape, stream=stream, **given)
        sent = space.journal().generations[before:]
        if not sent:
            expect(outcome.raised, expected="a request, or an error", observed=describe(outcome))
            return outcome, None
        expect_requests(sent, 1, because="one call was made", journal=space.journal())
        return outcome, sent[0]

    return ask
