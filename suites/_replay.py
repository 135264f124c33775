"""Replays: a failure counts if it comes again; one that never does is the kit's to doubt (design, section 4).

A failed case is played again on fresh spaces, three times at most. The first failure among them confirms it;
the verdict says ``unsteady 1/3`` where it took more than one. None: the case is untestable, both sides shown.
"""

from collections.abc import Callable
from typing import Final

from tgi_conformance.suites._case import Case
from tgi_conformance.suites._expect import ClauseFailed
from tgi_conformance.suites._probes import ProbeFailed
from tgi_conformance.suites._rulings import Untestable

REPLAYS: Final = 3


def confirm(case: Case, failure: ClauseFailed, play: Callable[[Case], None]) -> None:
    """Play a failed case again until it fails; raises :class:`Untestable` when it never does.

    Not replayed: a backend that did not answer (its probe was tried three times), a call that hung or
    crashed (each replay would cost its deadline or a process), and a property (it shrank its own failure).
    """
    if isinstance(failure, ProbeFailed) or not case.replayable:
        return
    for number in range(1, REPLAYS + 1):
        if _fails_again(case.again(), play):
            if number > 1:
                case.record.unsteady = f"1/{number}"
            return
    raise Untestable(
        f"failed once and not again in {REPLAYS} replays: expected {failure.expected};"
        f" observed {failure.observed}"
    ) from failure


def _fails_again(case: Case, play: Callable[[Case], None]) -> bool:
    try:
        play(case)
        case.check_script()
    except ClauseFailed:
        return True
    finally:
        case.finish()
    return False
