"""What a space asks of each connection that is open, whichever protocol it speaks, and its reader of both."""

from typing import Protocol


class OpenConnection(Protocol):
    """A connection of one space."""

    def peek(self, at: float | None = None) -> None:
        """Book a close that the client has sent but the loop has not yet reported."""

    def end_with_space(self) -> None:
        """End what still runs."""

    def drain(self) -> None:
        """Finish what runs and close."""

    def abort(self) -> None:
        """Close at once."""


class ReadConnection(OpenConnection, Protocol):
    """An open connection that may be read in its transport's place."""

    def read(self, data: bytes, now: float) -> None:
        """Take what was read at ``now`` (monotonic seconds); no bytes: the client has shut its side."""

    def reading_failed(self) -> None:
        """End: the client has reset the connection."""

    def failed(self, error: Exception) -> None:
        """End: what was read could not be served, a fault of this server."""


class AskedWhoLeft(Protocol):
    """What a reader asks of the space of a connection before it serves what it has read."""

    #: When, in monotonic seconds, what was read was read just before the kernel was last asked who left.
    peeked_at: float

    def peek(self, at: float | None = None) -> None:
        """Book the closes that clients have sent but the loop has not yet reported; ``at``: as of then."""
