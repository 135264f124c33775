"""RES: an async client outlives the event loop that it was first used in, or says that it does not."""

from typing import Final

from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.suites.areas.process.own import call_in, created_in, forms
from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.clause import clause
from tgi_conformance.suites.harness.expect import describe, expect, expect_success
from tgi_conformance.suites.harness.rulings import NotApplicable

#: What every answer holds: the server gives back the prompt.
_PROMPT: Final = "Say it."
#: What begins the files of the language's own library in frames (docs/adapter-protocol.md).
_LIBRARY: Final = "lib/"


@clause("RES-11", ways=("chat", "chat stream"))
def test_a_second_event_loop_works_or_is_refused_in_so_many_words(case: Case) -> None:
    """Each ``asyncio.run`` of a script or worker is a loop of its own, and the client is often kept.

    Its pool then holds connections of a loop that has ended. The first call of a loop meets those, so each
    loop begins with another form.
    """
    case.needs("async")
    shape = case.shape()
    space = case.serve_healthy()
    ways = forms(case, shape)
    with case.fresh_process() as driver:
        if not driver.fresh_loop:
            raise NotApplicable("the backend's host makes no fresh event loop")
        created = created_in(driver, case, space.base_url, case.key())
        expect_success(created, "create_endpoint")
        for stream in ways:
            first = call_in(driver, case, shape, created.value, stream=stream)
            expect_success(first, "a call in the first event loop")
        for loop, order in (("second", ways), ("third", ways[::-1])):
            for number, stream in enumerate(order):
                outcome = call_in(driver, case, shape, created.value, stream=stream, fresh_loop=number == 0)
                _expect_served_or_told(
                    outcome, f"a {'stream' if stream else 'call'} in the {loop} event loop"
                )


def _expect_served_or_told(outcome: Outcome, what: str) -> None:
    expect(
        (outcome.returned and _PROMPT in outcome.text) or _tells(outcome),
        expected=f"{what} is answered, or refused by the client in words about the loop",
        observed=describe(outcome),
    )


def _tells(outcome: Outcome) -> bool:
    """Whether an error of the client's speaks of the loop; asyncio's own say what broke, and not why."""
    if not (outcome.raised and outcome.exception):
        return False
    raised = outcome.exception[0]
    by_client = not raised.frames or not raised.frames[0].file.startswith(_LIBRARY)
    return by_client and "loop" in raised.message.lower()
