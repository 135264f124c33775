"""Replays: a failure counts if it comes again; one that never does is the kit's to doubt (design, section 4).

A failed case is played again on fresh spaces, three times at most. The first failure among them confirms it;
the verdict says ``unsteady 1/3`` where it took more than one. None: the case is untestable, both sides shown.
What came late counts only if each of two replays fails: a busy machine makes anything late.

From the second replay on, and for what came late, the case is played alone: no other case of the run is at
work, so that what decides is the backend and not what it ran beside.
"""

from collections.abc import Callable
from typing import Final

from tgi_conformance.suites.harness.case import Case
from tgi_conformance.suites.harness.expect import CameLate, ClauseFailed
from tgi_conformance.suites.harness.probes import ProbeFailed
from tgi_conformance.suites.harness.rulings import Untestable
from tgi_conformance.suites.real.replies import trouble

REPLAYS: Final = 3
LATE_REPLAYS: Final = 2


def confirm(case: Case, failure: ClauseFailed, play: Callable[[Case], None]) -> bool:
    """Play a failed case again until it fails; raises :class:`Untestable` when it never does.

    False: it came late, and not each time; the case has passed, and its verdict says ``unsteady late 1/2``.

    Not replayed: a backend that did not answer (its probe was tried three times), a call that hung or
    crashed (each replay would cost its deadline or a process), and a property (it shrank its own failure).
    """
    if isinstance(failure, ProbeFailed) or not case.replayable:
        return True
    if isinstance(failure, CameLate):
        return late_each_time(case, play)
    if _fails_again(case.again(), play):
        return True
    with case.alone():
        for number in range(2, REPLAYS + 1):
            if _fails_again(case.again(), play):
                case.record.unsteady = f"1/{number}"
                return True
    raise Untestable(
        f"failed once and not again in {REPLAYS} replays: expected {failure.expected};"
        f" observed {failure.observed}"
    ) from failure


def late_each_time(case: Case, play: Callable[[Case], None]) -> bool:
    """Whether a case that came late fails in each replay as well; if not, the record says so."""
    with case.alone():
        for number in range(1, LATE_REPLAYS + 1):
            if not _fails_again(case.again(), play):
                case.record.unsteady = f"late {number}/{number + 1}"
                return False
    return True


def _fails_again(case: Case, play: Callable[[Case], None]) -> bool:
    try:
        play(case)
        case.check_script()
    except ClauseFailed:
        # What a real server did not give decides nothing.
        return not (case.forwards and trouble(case.journals()))
    finally:
        case.finish()
    return False
