"""Calls that never stop sending: noticed while they run, ended early, one cause for all cases that meet one.

Such a client repeats a request for as long as the server refuses it. Left alone, each case that refuses would
take its whole deadline, and would be told as a hang or as whatever else the case looks for.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from tgi_conformance.backends.driver.driver import Call
from tgi_conformance.contracts.journal import Journal
from tgi_conformance.contracts.outcome import Outcome
from tgi_conformance.contracts.verdict import Finding
from tgi_conformance.suites.harness.oracles import CallMade, extra_requests

#: A call that has sent so many requests more than its policy allows will not stop by itself.
MOST: Final = 100
#: The same once a call of this backend was seen that did not stop.
MOST_AGAIN: Final = 5
#: Seconds between two looks at what a waiting call has sent.
LOOK: Final = 1.0
#: The same once a call was seen that did not stop.
LOOK_AGAIN: Final = 0.25
_CLAUSE: Final = "RETRY-01"
#: Says what the calls of a case do, if they have run away (:meth:`Runaways.judge`).
RunsAway = Callable[[int | None], str]


def awaited(call: Call, deadline: float, look: float, runs_away: RunsAway) -> Outcome:
    """Wait for a call's end, and every ``look`` seconds see whether it sends without end: then end it."""
    begun = time.monotonic()
    while begun + deadline - time.monotonic() > look and not call.wait_begun(look):
        if told := runs_away(None):
            return call.end(f"{call.method}(): {told}")
    outcome = call.wait(deadline, since=begun)
    if outcome.ending == "hang":
        # It sends slowly, yet has sent more than it may, and goes on.
        runs_away(0)
    return outcome


@dataclass(slots=True)
class Runaways:
    """The calls of one backend in one worker that did not stop."""

    seen: int = 0
    #: What the last one did, for the case in which it was seen; a case begins without.
    last: Finding | None = None
    #: Whether the oracles do not find that by themselves, since they cannot tell whose requests they are.
    untold: bool = False

    @property
    def look(self) -> float:
        """Seconds between two looks."""
        return LOOK_AGAIN if self.seen else LOOK

    def judge(self, journals: Iterable[Journal], calls: list[CallMade], excess: int | None = None) -> str:
        """Say what the calls of a case do, if they have run away; nothing: "".

        ``excess``: how many requests beyond what is allowed are none yet; of a call that has hung, 0.
        """
        journals = tuple(journals)
        sent = sum(len(journal.generations) for journal in journals)
        allowed = sum(call.most_attempts for call in calls)
        if excess is None:
            excess = MOST_AGAIN if self.seen else MOST
        if sent <= allowed + excess:
            return ""
        self.seen += 1
        told = f"{sent} requests where {allowed} are allowed, and no end; the call was ended"
        found = (found for journal in journals for found in extra_requests(journal, calls) if found.breach)
        named = next(found, None)
        self.untold = named is None
        self.last = named or Finding(clause=_CLAUSE, message=told, size=sent)
        return told
