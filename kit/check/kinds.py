"""What a server is checked as: which requests it is asked, and how its answers are judged. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tgi_conformance.check.asked import Answered, Asked, Finding
from tgi_conformance.check.expecting import Expected, Generated, Refused
from tgi_conformance.check.judging import judge
from tgi_conformance.check.openai_rules import broken
from tgi_conformance.check.tgi_2 import as_3_3

_OPENAI_ROUTES: Final = frozenset({"chat", "completions"})


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of server."""

    #: Whether something can be said of the answer to a request of which this is what TGI 3.3 would answer.
    asks: Callable[[Expected | None], bool]
    judge: Callable[[Asked, Expected | None, Answered], Iterator[Finding]]
    #: Whether the same seed has to give the same text.
    repeats: bool = True


def _anything(expected: Expected | None) -> bool:
    del expected
    return True


def _tgi_2(asked: Asked, expected: Expected | None, answered: Answered) -> Iterator[Finding]:
    """As 3.3, but for what 2.4.1 was measured to do in another way."""
    undecoded = isinstance(expected, Refused) and expected.error.error_type is None
    for finding in judge(asked, expected, as_3_3(answered)):
        # It names another place in a body that it cannot decode.
        if not (undecoded and finding.rule == "error text"):
            yield finding


def _is_openai(expected: Expected | None) -> bool:
    return isinstance(expected, Generated) and expected.request.route in _OPENAI_ROUTES


def _openai(asked: Asked, expected: Expected | None, answered: Answered) -> Iterator[Finding]:
    if not isinstance(expected, Generated):
        return
    for rule, wanted, seen in broken(asked, expected.request, answered):
        route = f"{asked.method} {asked.path}"
        yield Finding(route=route, rule=rule, expected=wanted, observed=seen, asked=asked)


TGI_3_3: Final = Kind(_anything, judge)
KINDS: Final[Mapping[str, Kind]] = {
    "tgi-3.3": TGI_3_3,
    "tgi-2": Kind(_anything, _tgi_2),
    "openai": Kind(_is_openai, _openai, repeats=False),
}
