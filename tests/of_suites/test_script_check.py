"""What a scripted reply expected and saw, as a failed case says it."""

import pytest

from tgi_conformance.contracts.journal import ReplyUse
from tgi_conformance.contracts.script import Script, answer, overloaded
from tgi_conformance.suites.harness.script_check import seen, wanted

SCRIPT = Script(replies=(overloaded(), answer("good")))


@pytest.mark.parametrize(
    ("use", "expected", "observed"),
    [
        (
            ReplyUse(reply="0", requests=0, at_least=1, at_most=None),
            "1 or more requests for the 429 reply",
            "no request for the 429 reply",
        ),
        (
            ReplyUse(reply="1", requests=2, at_least=1, at_most=1),
            "1 request for the answer",
            "2 requests for the answer",
        ),
        (
            ReplyUse(reply="7", requests=1, at_least=2, at_most=3),
            "2 to 3 requests for reply 8",
            "1 request for reply 8",
        ),
        (
            ReplyUse(reply="1", requests=1, at_least=0, at_most=0),
            "no request for the answer",
            "1 request for the answer",
        ),
    ],
)
def test_the_reply_is_named_in_words(use: ReplyUse, expected: str, observed: str) -> None:
    assert (wanted(use, SCRIPT), seen(use, SCRIPT)) == (expected, observed)
