"""How grave it is what the user of a client suffers."""

from enum import StrEnum


class Severity(StrEnum):
    """What the user of the client suffers, the worst first."""

    SECRET_LEAKED = "secret leaked"  # noqa: S105
    OUTPUT_WRONG = "output lost or wrong"
    WORK_DOUBLED = "work doubled"
    HANG = "hang"
    UNUSABLE_ERROR = "unusable error"
    OTHER = "other"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)
