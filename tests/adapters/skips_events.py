"""Clients that pass over what they cannot read in a stream: with reports of several kinds, and with none."""

import logging
import sys
import warnings
from collections.abc import Iterator

from tgi_conformance.backends.reference import answers, engine, errors
from tgi_conformance.backends.reference.adapter import ReferenceAdapter
from tgi_conformance.backends.reference.stream_reader import StreamReader
from tgi_conformance.contracts.sse import ServerSentEvent


class Silent(ReferenceAdapter):
    """Says nothing, but for what only its developers read."""

    def __init__(self) -> None:
        super().__init__()
        report = self.report

        class Reader(StreamReader):
            def _event(self, event: ServerSentEvent) -> Iterator[answers.Piece]:
                try:
                    yield from super()._event(event)
                except errors.ProtocolError as error:
                    report(str(error))

        engine.StreamReader = Reader  # type: ignore[misc]

    def report(self, message: str) -> None:
        """Tell the developers."""
        logging.getLogger("skipping").debug(message)


class Logs(Silent):
    """Writes a log record."""

    def report(self, message: str) -> None:
        """Tell the log."""
        logging.getLogger("skipping").warning(message)


class Warns(Silent):
    """Raises a warning."""

    def report(self, message: str) -> None:
        """Tell the caller."""
        warnings.warn(message, stacklevel=2)


class Prints(Silent):
    """Prints a line."""

    def report(self, message: str) -> None:
        """Tell the terminal."""
        sys.stderr.write(f"{message}\n")
