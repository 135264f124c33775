"""How a test says anything but "passed" and "failed".

A failed assertion is a failed clause (advisory where the clause is a SHOULD). These exceptions say the rest;
the plugin turns them into rulings, and pytest shows them as skips and errors.
"""

# The public name, pytest.skip.Exception, is an attribute that type checkers cannot subclass.
from _pytest.outcomes import Skipped

from tgi_conformance.contracts.verdict import Ruling


class NotApplicable(Skipped):
    """The capability that the case needs is not claimed, or the field that it judges is not exposed."""

    ruling = Ruling.NOT_APPLICABLE


class Advice(Exception):
    """Nothing that a clause forbids, and yet a thing that the backend's author should know of."""

    ruling = Ruling.ADVISORY


class NotHere(Skipped):
    """The case has no place in this profile or against this server."""

    ruling = Ruling.NOT_HERE


class Untestable(Exception):
    """The kit could not tell: the twin failed, a fault was not armed, a failure did not come again."""

    ruling = Ruling.UNTESTABLE


class Blocked(Exception):
    """The case met what another case is there to say; ``blocked_by`` is that case."""

    ruling = Ruling.BLOCKED

    def __init__(self, message: str, blocked_by: str) -> None:
        super().__init__(message)
        self.blocked_by = blocked_by


class KitFault(Exception):
    """A duty of the suite itself that it did not keep: no backend is to blame."""

    ruling = Ruling.KIT_FAULT
