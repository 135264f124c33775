"""The ways to make a call (route and form), and calls made one after the other on one endpoint.

What is sent is judged on every way: a stream's request is often built by other code than a plain call's.
Where the plain call is tried value by value, a stream gets one case for all values, at a tenth of the time.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from tgi_conformance.contracts.journal import Exchange
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.script import Reply
from tgi_conformance.suites.areas.answers import serve_each
from tgi_conformance.suites.areas.streams import ALL
from tgi_conformance.suites.harness.case import Case, Running
from tgi_conformance.suites.harness.expect import describe, expect, expect_requests
from tgi_conformance.suites.shapes.calls import CHAT, COMPLETIONS, NATIVE, Shape

SHAPE: Final = pytest.mark.parametrize("shape", [CHAT, NATIVE, COMPLETIONS], ids=lambda shape: shape.name)
#: The routes whose requests name a model.
NAMING_SHAPE: Final = pytest.mark.parametrize("shape", [CHAT, COMPLETIONS], ids=lambda shape: shape.name)
#: Both forms, each by its name.
FORM: Final = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
#: Both forms; the plain one is no part of a case's id, so that cases which were there before keep theirs.
EITHER: Final = pytest.mark.parametrize("stream", [False, True], ids=["case=plain", "stream"])
#: Streams alone: the plain calls have cases of their own.
STREAM: Final = pytest.mark.parametrize("stream", [True], ids=["stream"])

#: Makes a call; gives its outcome, and its request, or None where nothing was sent.
Ask = Callable[..., tuple[Outcome, Exchange | None]]


#: Route and form; streams, and each route, are often built and read by code of their own.
WAYS: Final = tuple((shape, stream) for shape in (CHAT, NATIVE, COMPLETIONS) for stream in (False, True))


def on_ways(*left_out: str) -> pytest.MarkDecorator:
    """Parameters ``shape`` and ``stream``: a case for each way but those, by their ids (``chat-plain``)."""
    return pytest.mark.parametrize(
        ("shape", "stream"),
        [
            pytest.param(shape, stream, id=name)
            for shape, stream in WAYS
            if (name := f"{shape.name}-{'stream' if stream else 'plain'}") not in left_out
        ],
    )


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


def is_claimed(case: Case, shape: Shape, *, stream: bool) -> bool:
    """Whether calls of that way are claimed, and healthy ones of them work."""
    claimed = case.claims(shape.capability, *(("stream",) if stream else ()))
    return claimed and case.probes.works(shape, streaming=stream)


def begin(case: Case, prompt: str, endpoint: str, shape: Shape, *, stream: bool, **given: object) -> Running:
    """Start a call of that way; a stream is asked for its pieces at once, for clients send nothing before."""
    running = case.start(prompt, endpoint=endpoint, shape=shape, stream=stream, **given)  # type: ignore[arg-type]
    if stream:
        running.call.ask(ALL)
    return running


def call_each(case: Case, shape: Shape, replies: Mapping[str, Reply], *, stream: bool) -> dict[str, Outcome]:
    """Make one call a reply on that way, one after the other; the outcomes by slug."""
    needs_way(case, shape, stream=stream)
    prompts = serve_each(case, {f"form-{slug}": reply for slug, reply in replies.items()})
    endpoint = case.endpoint()
    return {
        slug: case.call(prompt, endpoint=endpoint, shape=shape, stream=stream)
        for slug, prompt in zip(replies, prompts.values(), strict=True)
    }
