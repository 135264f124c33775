"""What a space asks of each connection that is open, whichever protocol it speaks."""

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
