"""The script that plays a case again: what it says of itself, and the server's side. Pure."""

import textwrap
from importlib import resources
from typing import Final

from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.markdown.plain_text import without_places
from tgi_conformance.reports.readable import visible
from tgi_conformance.reports.reproducer.literals import packed, readable
from tgi_conformance.reports.reproducer.turns import CannotPlayError, Play

MOST_LINES: Final = 60
#: Characters of the whole script: it is to be attached to a report, not to be stored.
_MOST_CHARACTERS: Final = 100_000
_WIDTH: Final = 112
_LONGEST: Final = 500
#: Characters of the calls that are named.
_CALLS: Final = 200


def program(play: Play, verdict: Verdict, *, rule: str, calls: tuple[str, ...], backend: str) -> str:
    """The script, at most 60 lines; raises :class:`CannotPlayError` where it would be too long to attach.

    ``rule``: what a right client does, in a sentence. ``calls``: what was called, in words.
    """
    parts = {
        "@ABOUT@": _about(verdict, calls, backend),
        "@TEXTS@": _texts(verdict, rule),
        "@ACCEPT@": _accept(play),
        "@DATA@": _needs(play),
    }
    given = sum(len(lines) for lines in parts.values())
    full = _template(play)
    # Without its blank lines it is less pleasant to read, and still more so than packed bytes.
    for template in (full, [row for row in full if row]):
        room = MOST_LINES - given - sum(row not in parts for row in template)
        if (lines := readable(play.turns, room)) is not None:
            break
    parts["@DATA@"] += lines if lines is not None else packed(play.turns)
    text = "\n".join(line for row in template for line in parts.get(row, [row])) + "\n"
    if len(text) > _MOST_CHARACTERS:
        raise CannotPlayError(f"its answers are long: the script would have {len(text)} characters")
    return text


def _template(play: Play) -> list[str]:
    """The lines of the server's side; those that are a name between at signs are to be filled in."""
    folder = resources.files("tgi_conformance.reports.reproducer")
    text = folder.joinpath("server.txt").read_text(encoding="utf-8")
    prefer = "NEEDS.get(i, b'') not in body, " if _needs(play) else ""
    return text.replace("@PREFER@", prefer).replace("@MOUNT@", play.mount).splitlines()


def _texts(verdict: Verdict, rule: str) -> list[str]:
    """The sentences that it prints."""
    expected, observed = verdict.expected or verdict.reason, verdict.observed or verdict.reason
    return [
        f"RULE = {_line(f'{verdict.clause} ({verdict.level}): {rule}')!r}",
        f"SEEN = {_line(f'Expected: {expected} Seen: {observed}')!r}",
    ]


def _about(verdict: Verdict, calls: tuple[str, ...], backend: str) -> list[str]:
    """What the script is, as comments."""
    called = "; then ".join(dict.fromkeys(calls))[:_CALLS]
    told = (
        f"{verdict.case} of tgi-conformance, as {backend} met it. Start this script, have the client use "
        f"the URL that it prints, and call {called or 'what the report of the case names'}"
    )
    return [f"# {part}" for part in textwrap.wrap(_line(told), _WIDTH)]


def _accept(play: Play) -> list[str]:
    """What ends the first connections as soon as they are there."""
    if not play.accepts:
        return []
    return [
        f"    ends = {list(play.accepts)!r}  # of the first connections, before anything is read",
        "    def handle(self):",
        "        with lock: end = self.ends.pop(0) if self.ends else None",
        "        self.finish_with(end) if end else super().handle()",
    ]


def _needs(play: Play) -> list[str]:
    needs = {number: turn.needs.encode() for number, turn in enumerate(play.turns) if turn.needs}
    return [f"NEEDS = {needs!r}  # text in the body of the request that a turn is for"] if needs else []


def _line(text: str) -> str:
    """A text in one line, controls as escapes, cut where it is long."""
    joined = without_places(visible(" ".join(text.split())))
    return joined if len(joined) <= _LONGEST else f"{joined[:_LONGEST]} …"
