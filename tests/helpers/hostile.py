"""What a backend could put into any text of a report, and runs that are full of it."""

from typing import Final

from verdict_builder import run_of, verdict

from tgi_conformance.contracts.verdict import Ruling, Sign, Verdict
from tgi_conformance.reports.run import Run

#: Markup, what ends comments and sections, quotes, controls, terminal escapes (colour, title, cursor), lone
#: surrogates, non-characters, marks that turn the text around, line separators, a command of GitHub's log.
HOSTILE: Final = (
    "]]></failure><script>alert(1)</script>\" ' & \x00\x1b[31m\x1b]0;title\x07\x1b[2J\x9b31m\x7f\ud800\ufffe"
    "\u2028\u202e é 🙂 {{ 7*7 }} `|*_[x](javascript:y) <!-- -->\r\n::error file=x::y\n::set-output name=a::b"
)


def many_cases(count: int, *, every: int = 3) -> Run:
    """A run of so many cases; each ``every``-th is red, of one of forty causes, with hostile texts."""
    return run_of(*(_case(number, every) for number in range(count)))


def _case(number: int, every: int) -> Verdict:
    if number % every:
        return verdict(f"RETRY-03/case-{number}", duration=0.01)
    sign = Sign(exception=f"lib.Error{number % 40}", place=f"client/core.py:{number % 40 + 1} in send")
    return verdict(
        f"STREAM-12/case-{number}", Ruling.FAILED, reason=HOSTILE, expected="x", observed=HOSTILE, sign=sign
    )
